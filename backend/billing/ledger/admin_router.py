"""`/api/v1/admin/billing`: everyone's accounts and postings, manual entries, terms."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response, StreamingResponse

from backend.billing.ledger import adjusting, finding, terms, views
from backend.billing.ledger import schemas as s
from backend.billing.ledger.router import CSV, Asked, Currency, PostingSort, asked_postings, postings_file
from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.dao.read import shaped
from backend.exceptions import invalid_field
from backend.jobs.idempotency import Answer, OnceDep
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.roles.permissions import ADMIN_BILLING, ADMIN_BILLING_WRITE
from backend.utils.http import Cursor, Size, json_answer, json_bytes

admin = APIRouter(prefix="/api/v1/admin/billing", tags=["admin"])

Reader = Annotated[Principal, Depends(require(ADMIN_BILLING))]
Editor = Annotated[Principal, Depends(require(ADMIN_BILLING_WRITE, recent=True))]
CreatedSort = Literal["created_at", "-created_at"]
Words = Annotated[
    str, Query(min_length=1, max_length=100, pattern=r"^[^\x00]*$", description="Beginnings of words.")
]


async def _everyones(
    asked: Annotated[Asked, Depends(asked_postings)], _: Reader, project_id: UUID | None = None
) -> Asked:
    return {**asked, "project_id": project_id}


Everyones = Annotated[Asked, Depends(_everyones)]


@admin.get(
    "/ledger/customers",
    operation_id="admin_ledger_customers_list",
    summary="What customers have and owe",
    response_model=Page[s.CustomerView],
    responses=problems(400, 401, 403, 422),
)
async def admin_ledger_customers_list(
    parts: PartsDep,
    _: Reader,
    project_id: UUID | None = None,
    currency: Currency = None,
    owing: bool = False,
    sort: CreatedSort = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Of each project and currency in which money moved; with `owing` those alone that are below zero."""
    filters = {"project_id": project_id, "currency": currency, "owing": owing or None}
    query = ListQuery(sort, size, cursor, filters)
    return json_bytes(await views.CUSTOMERS.page(await parts.database.reader(), query))


@admin.get(
    "/ledger/projects",
    operation_id="admin_ledger_projects_find",
    summary="Find a project",
    responses=problems(401, 403, 422),
)
async def admin_ledger_projects_find(
    session: SessionDep, parts: PartsDep, _: Reader, q: Words
) -> s.FoundList:
    """By its name or its owner's, or the owner's address; also those in which no money moved yet."""
    return await finding.projects(session, parts.settings, q)


@admin.get(
    "/ledger/accounts",
    operation_id="admin_ledger_accounts_list",
    summary="Accounts",
    response_model=s.AccountList,
    responses=problems(401, 403),
)
async def admin_ledger_accounts_list(session: SessionDep, _: Reader) -> Response:
    """What the operator earned and where money came from, and what all projects have; by currency."""
    return json_answer(await views.accounts(session))


@admin.get(
    "/ledger/entries",
    operation_id="admin_ledger_entries_list",
    summary="How money moved",
    response_model=Page[s.PostingView],
    responses=problems(400, 401, 403, 422),
)
async def admin_ledger_entries_list(
    parts: PartsDep,
    asked: Everyones,
    sort: PostingSort = "-posted_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """In all projects, newest first."""
    page = await views.POSTINGS.page(await parts.database.reader(), ListQuery(sort, size, cursor, asked))
    return json_bytes(page)


@admin.get(
    "/ledger/entries.csv",
    operation_id="admin_ledger_entries_export",
    summary="How money moved, as CSV",
    response_class=StreamingResponse,
    responses={**CSV, **problems(401, 403, 422)},
)
async def admin_ledger_entries_export(parts: PartsDep, asked: Everyones) -> Response:
    """The list of `GET …/ledger/entries` as a file, whole."""
    return await postings_file(parts, asked)


@admin.get(
    "/ledger/adjustments",
    operation_id="admin_adjustments_list",
    summary="Manual entries",
    response_model=Page[s.AdjustmentView],
    responses=problems(400, 401, 403, 422),
)
async def admin_adjustments_list(
    parts: PartsDep,
    _: Reader,
    project_id: UUID | None = None,
    state: s.AdjustmentState | None = None,
    sort: CreatedSort = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Those that wait for a second administrator, and those that were decided."""
    query = ListQuery(sort, size, cursor, {"project_id": project_id, "state": state})
    return json_bytes(await views.ADJUSTMENTS.page(await parts.database.reader(), query))


@admin.post(
    "/ledger/adjustments",
    status_code=201,
    operation_id="admin_adjustments_create",
    summary="Make a manual entry",
    response_model=s.AdjustmentView,
    responses=problems(401, 403, 404, 409, 422),
)
async def admin_adjustments_create(
    body: s.AdjustmentIn, session: SessionDep, principal: Editor, once: OnceDep
) -> Response:
    """Posted at once up to `ADJUSTMENT_LIMIT_MINOR`; above it another administrator has to approve."""
    if body.amount == 0:
        raise invalid_field(["body", "amount"], "An entry of nothing cannot be made.", "amount_zero")

    async def work() -> Answer:
        made = await adjusting.propose(
            *(session, principal.user_id, body.project_id, body.currency, body.amount, body.reason)
        )
        shown = await shaped(session, views.adjustment_of(made.id), views.shape_adjustment)
        assert shown is not None
        location = f"/api/v1/admin/billing/ledger/adjustments?project_id={made.project_id}"
        return Answer(shown, location, 201)

    return await once(session, principal.user_id, work)


@admin.post(
    "/ledger/adjustments/{adjustment_id}/approve",
    operation_id="admin_adjustments_approve",
    summary="Approve a manual entry",
    response_model=s.AdjustmentView,
    responses=problems(401, 403, 404, 409, 422),
)
async def admin_adjustments_approve(adjustment_id: UUID, session: SessionDep, principal: Editor) -> Response:
    """Posts it. Nobody approves the own one."""
    await adjusting.approve(session, adjustment_id, principal.user_id)
    return json_answer(await shaped(session, views.adjustment_of(adjustment_id), views.shape_adjustment))


@admin.post(
    "/ledger/adjustments/{adjustment_id}/refuse",
    operation_id="admin_adjustments_refuse",
    summary="Refuse a manual entry",
    response_model=s.AdjustmentView,
    responses=problems(401, 403, 404, 409, 422),
)
async def admin_adjustments_refuse(adjustment_id: UUID, session: SessionDep, principal: Editor) -> Response:
    """One's own too: it is taken back."""
    await adjusting.refuse(session, adjustment_id, principal.user_id)
    return json_answer(await shaped(session, views.adjustment_of(adjustment_id), views.shape_adjustment))


@admin.get(
    "/projects/{project_id}/terms",
    operation_id="admin_billing_terms_get",
    summary="A project's terms",
    response_model=s.DetailsView,
    responses=problems(401, 403, 404, 422),
)
async def admin_billing_terms_get(project_id: UUID, session: SessionDep, _: Reader) -> Response:
    """Its billing details, its credit limit, and how it is taxed."""
    return json_answer(await terms.read(session, project_id))


@admin.put(
    "/projects/{project_id}/terms",
    operation_id="admin_billing_terms_set",
    summary="Change a project's terms",
    response_model=s.DetailsView,
    responses=problems(401, 403, 404, 422),
)
async def admin_billing_terms_set(
    project_id: UUID, body: s.TermsIn, session: SessionDep, _: Editor
) -> Response:
    """More credit settles what is due and resumes services at once."""
    await terms.grant(session, project_id, body)
    return json_answer(await terms.read(session, project_id))
