"""Templates of several services, and the stacks that are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.responses import Response

from backend.catalogue.loading import Templates
from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.exceptions import NotFound
from backend.jobs.idempotency import Answer, OnceDep
from backend.jobs.models import Job
from backend.oauth.principal import Principal, require
from backend.openapi import WORK, problems
from backend.projects.access import not_enough
from backend.roles.permissions import BILLING_READ, SERVICES_READ, SERVICES_WRITE, VARIABLES_WRITE
from backend.services.access import Reader, Writer, project_to_order_in
from backend.stacks import changing, ordering, parameters, quoting, rendering, upgrading
from backend.stacks import schemas as s
from backend.stacks.dao import StackDAO
from backend.stacks.library import library
from backend.stacks.models import Stack
from backend.stacks.views import STACKS, shape_stack, shape_template
from backend.utils.http import Cursor, Size, job_location, json_answer, json_bytes

router = APIRouter(prefix="/api/v1", tags=["stacks"])
Proven = Annotated[Principal, Depends(require(VARIABLES_WRITE, recent=True))]
Payer = Annotated[Principal, Depends(require(BILLING_READ))]


@router.get(
    "/stack-templates",
    operation_id="stack_templates_list",
    summary="Templates of stacks",
    response_model=s.StackTemplates,
)
async def stack_templates_list(session: SessionDep, parts: PartsDep) -> Response:
    """What a template makes, what it asks for, and whether it can run here."""
    offered = {template["id"] for template in await Templates(session).offered()}
    items = [shape_template(parts.settings, parts.engine, one) for one in library() if one.id in offered]
    return json_answer({"items": items})


@router.post(
    "/stacks/preview",
    operation_id="stacks_preview",
    summary="What a stack would cost",
    response_model=s.StackQuote,
    responses=problems(401, 403, 404, 409, 422),
)
async def stacks_preview(
    wanted: s.StackQuoteIn, session: SessionDep, parts: PartsDep, principal: Payer
) -> Response:
    """All its services together: by the month, and what the order would hold."""
    project_id = project_to_order_in(principal, wanted.project_id)
    if not principal.may(BILLING_READ, project_id):
        raise not_enough()
    blueprint = await ordering.template(session, parts.engine, wanted.template_id)
    given = parameters.check_numbers(blueprint, wanted.parameters)
    values = {f"parameter.{name}": value for name, value in given.items()}
    values |= {f"secret.{name}": "" for name in blueprint.secrets}
    rendered = rendering.render(parts.settings, blueprint, "name", values)
    plans = await quoting.chosen_plans(session, blueprint, wanted.plans)
    bill = await quoting.bill(session, project_id, principal.user_id, rendered, plans)
    return json_answer(await quoting.shown(session, project_id, bill))


@router.post(
    "/stacks",
    operation_id="stacks_create",
    summary="Order a stack",
    status_code=202,
    response_model=s.StackAccepted,
    responses=WORK | problems(401, 403, 404, 409, 422),
)
async def stacks_create(
    wanted: s.StackIn, session: SessionDep, parts: PartsDep, principal: Writer, once: OnceDep
) -> Response:
    """Makes all services of a template, or none, and deploys each once those that it needs are live."""
    project_id = project_to_order_in(principal, wanted.project_id)

    async def work() -> Answer:
        placed = await ordering.place(
            session, parts.settings, parts.engine, project_id, principal.user_id, wanted
        )
        return await _accepted(session, parts, placed.stack, placed.jobs)

    return await once(session, principal.user_id, work)


@router.get(
    "/stacks",
    operation_id="stacks_list",
    summary="Stacks",
    response_model=Page[s.StackListItem],
    responses=problems(400, 401, 403, 404, 422),
)
async def stacks_list(
    parts: PartsDep,
    principal: Reader,
    project_id: UUID | None = None,
    sort: Literal["created_at", "-created_at"] = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """What was ordered from templates and is still there."""
    filters: dict[str, Any] = {"project_ids": principal.project_ids(SERVICES_READ)}
    if project_id is not None:
        filters["project_id"] = project_id
    return json_bytes(
        await STACKS.page(await parts.database.reader(), ListQuery(sort, size, cursor, filters))
    )


@router.get(
    "/stacks/{stack_id}",
    operation_id="stacks_get",
    summary="A stack",
    response_model=s.StackView,
    responses=problems(401, 403, 404, 422),
)
async def stacks_get(stack_id: UUID, session: SessionDep, parts: PartsDep, principal: Reader) -> Response:
    """Its services and how they are, its parameters, and whether its template has a newer version."""
    stack = await StackDAO(session).readable(stack_id, tuple(principal.projects))
    if stack is None or not principal.may(SERVICES_READ, stack.project_id):
        raise NotFound("There is no such stack.")
    return json_answer(await shape_stack(session, parts.settings, stack))


@router.post(
    "/stacks/{stack_id}/deployments",
    operation_id="stacks_deploy",
    summary="Try again what failed",
    status_code=202,
    response_model=s.StackAccepted,
    responses=WORK | problems(401, 403, 404, 409, 422),
)
async def stacks_deploy(
    stack_id: UUID, session: SessionDep, parts: PartsDep, principal: Writer, once: OnceDep
) -> Response:
    """Deploys each service whose newest deployment did not go live, in order."""

    async def work() -> Answer:
        stack = await changing.locked(session, stack_id, principal, SERVICES_WRITE)
        jobs = await changing.deploy(session, stack, principal.user_id)
        return await _accepted(session, parts, stack, jobs)

    return await once(session, principal.user_id, work)


@router.post(
    "/stacks/{stack_id}/upgrade",
    operation_id="stacks_upgrade",
    summary="Upgrade a stack",
    status_code=202,
    response_model=s.StackAccepted,
    responses=WORK | problems(401, 403, 404, 409, 422),
)
async def stacks_upgrade(
    stack_id: UUID,
    wanted: s.UpgradeIn,
    session: SessionDep,
    parts: PartsDep,
    principal: Writer,
    once: OnceDep,
) -> Response:
    """Deploys the images of a newer version of its template: volumes, secrets and parameters stay."""

    async def work() -> Answer:
        stack = await changing.locked(session, stack_id, principal, SERVICES_WRITE)
        jobs = await upgrading.upgrade(
            session, parts.settings, parts.engine, stack, principal.user_id, wanted
        )
        return await _accepted(session, parts, stack, jobs)

    return await once(session, principal.user_id, work)


@router.post(
    "/stacks/{stack_id}/removal",
    operation_id="stacks_delete",
    summary="Delete a stack",
    status_code=202,
    response_model=s.StackAccepted,
    responses=WORK | problems(401, 403, 404, 409, 422),
)
async def stacks_delete(
    stack_id: UUID,
    meant: s.StackRemovalIn,
    session: SessionDep,
    parts: PartsDep,
    principal: Writer,
    once: OnceDep,
) -> Response:
    """All its services, with their volumes and all their data."""

    async def work() -> Answer:
        stack = await changing.locked(session, stack_id, principal, SERVICES_WRITE)
        jobs = await changing.delete(session, stack, principal.user_id, meant.name)
        return await _accepted(session, parts, stack, jobs)

    return await once(session, principal.user_id, work)


@router.post(
    "/stacks/{stack_id}/secrets/reveal",
    operation_id="stacks_reveal",
    summary="Show a secret of a stack",
    response_model=s.RevealedSecret,
    responses=problems(401, 403, 404, 409, 422),
)
async def stacks_reveal(
    stack_id: UUID, wanted: s.StackRevealIn, session: SessionDep, principal: Proven
) -> Response:
    """One that was made for it. Needs a recent proof of who asks, and goes on record."""
    stack = await changing.locked(session, stack_id, principal, VARIABLES_WRITE)
    return json_answer({"name": wanted.name, "value": await changing.reveal(session, stack, wanted.name)})


async def _accepted(session: SessionDep, parts: PartsDep, stack: Stack, jobs: Sequence[Job]) -> Answer:
    body = {
        "stack_id": stack.id,
        "job_ids": [job.id for job in jobs],
        "stack": await shape_stack(session, parts.settings, stack),
    }
    return Answer(body, job_location(jobs[0].id) if jobs else f"/api/v1/stacks/{stack.id}")
