"""`/api/v1/projects/{project_id}/billing/overview`, and `/api/v1/admin/billing/dunning`."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.responses import Response

from backend.billing.dunning import overview, rules
from backend.billing.dunning import schemas as s
from backend.billing.dunning.advancing import advance
from backend.billing.dunning.judging import Rules
from backend.billing.dunning.views import STATES, shape_state, state_of
from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.dao.read import shaped
from backend.database import now
from backend.exceptions import NotFound
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.projects.access import reachable
from backend.roles.permissions import ADMIN_BILLING, ADMIN_BILLING_WRITE, BILLING_READ
from backend.utils.http import Cursor, Size, json_answer, json_bytes

router = APIRouter(prefix="/api/v1/projects/{project_id}/billing", tags=["billing"])
admin = APIRouter(prefix="/api/v1/admin/billing", tags=["admin"])

Reader = Annotated[Principal, Depends(require(BILLING_READ))]
Administrator = Annotated[Principal, Depends(require(ADMIN_BILLING))]
Decider = Annotated[Principal, Depends(require(ADMIN_BILLING_WRITE, recent=True))]


@router.get(
    "/overview",
    operation_id="billing_overview",
    summary="A project's money at a glance",
    response_model=s.BillingOverview,
    responses=problems(401, 403, 404, 422),
)
async def billing_overview(
    project_id: UUID, session: SessionDep, parts: PartsDep, principal: Reader
) -> Response:
    """What there is, how long it lasts, and what happens when it is used up."""
    await reachable(session, principal, BILLING_READ, project_id)
    return json_answer(await overview.of_project(session, parts.settings, project_id, now()))


@admin.get(
    "/overview",
    operation_id="admin_billing_overview",
    summary="Everyone's money at a glance",
    response_model=s.AdminBillingOverview,
    responses=problems(401, 403),
)
async def admin_billing_overview(session: SessionDep, parts: PartsDep, _: Administrator) -> Response:
    """By currency, for this month of the books: what was earned, beside all of the month before it, and what
    customers hold now.
    """
    return json_answer(await overview.of_everyone(session, parts.settings, now()))


@admin.get(
    "/dunning",
    operation_id="admin_dunning_list",
    summary="Projects whose money runs out",
    response_model=Page[s.DunningView],
    responses=problems(400, 401, 403, 422),
)
async def admin_dunning_list(
    parts: PartsDep,
    _: Administrator,
    stage: s.StageName | None = None,
    troubled: bool | None = None,
    overridden: bool | None = None,
    sort: Literal["since", "-since"] = "-since",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """`since`: since when they are in their stage. A project that never was in trouble is not in it, unless
    something else than the rules was decided for it.
    """
    filters = {"stage": stage, "troubled": troubled, "overridden": overridden}
    pool = await parts.database.reader()
    return json_bytes(await STATES.page(pool, ListQuery(sort, size, cursor, filters)))


@admin.get(
    "/dunning/{project_id}",
    operation_id="admin_dunning_get",
    summary="How far a project is",
    response_model=s.DunningView,
    responses=problems(401, 403, 404, 422),
)
async def admin_dunning_get(project_id: UUID, session: SessionDep, _: Administrator) -> Response:
    """Its stage, since when, what was decided otherwise for it, and by whom."""
    return json_answer(await _state(session, project_id))


@admin.put(
    "/dunning/{project_id}/override",
    operation_id="admin_dunning_override",
    summary="Decide otherwise for a project",
    response_model=s.DunningView,
    responses=problems(401, 403, 404, 422),
)
async def admin_dunning_override(
    project_id: UUID, body: s.OverrideIn, session: SessionDep, parts: PartsDep, principal: Decider
) -> Response:
    """Takes the place of what was decided before, and holds at once: what may run again starts."""
    await rules.override(session, project_id, body.model_dump(), principal.user_id)
    await advance(session, parts.settings, project_id, now())
    return json_answer(await _state(session, project_id))


@admin.delete(
    "/dunning/{project_id}/override",
    status_code=204,
    operation_id="admin_dunning_override_lift",
    summary="Let the rules hold for a project again",
    responses=problems(401, 403, 404, 422),
)
async def admin_dunning_override_lift(project_id: UUID, session: SessionDep, _: Decider) -> None:
    """From the next look at it on."""
    await rules.lift(session, project_id)


@admin.put(
    "/dunning-rules",
    operation_id="admin_dunning_rules",
    summary="Set the rules",
    response_model=s.RulesView,
    responses=problems(401, 403, 422),
)
async def admin_dunning_rules(body: s.RulesIn, session: SessionDep, _: Decider) -> Response:
    """They hold for every project from the next look at it on; nobody is deleted sooner than told."""
    values = Rules(
        warn_days=tuple(body.warn_days),
        grace_days=body.grace_days,
        terminate_days=body.terminate_days,
        notice_days=tuple(body.notice_days),
    )
    await rules.change(session, values)
    return json_answer(overview.shape_rules(await rules.general(session)))


async def _state(session: SessionDep, project_id: UUID) -> dict[str, object]:
    row = await shaped(session, state_of(project_id), shape_state)
    if row is None:
        raise NotFound("Nothing is known about such a project: it never was in trouble.")
    return row
