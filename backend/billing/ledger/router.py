"""`/api/v1/projects/{project_id}/billing`: what stands there, how it came about, and who pays."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response, StreamingResponse

from backend.billing.ledger import export, terms, views
from backend.billing.ledger.schemas import BalanceView, DetailsIn, DetailsView, MoveKind, PostingView
from backend.context import Parts, PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.database import now
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.projects.access import commanded, reachable
from backend.roles.permissions import BILLING_READ, BILLING_WRITE
from backend.utils.dates import OurTime
from backend.utils.http import Cursor, Size, json_answer, json_bytes

router = APIRouter(prefix="/api/v1/projects/{project_id}/billing", tags=["billing"])

Reader = Annotated[Principal, Depends(require(BILLING_READ))]
Payer = Annotated[Principal, Depends(require(BILLING_WRITE))]
Currency = Annotated[str | None, Query(pattern=r"^[A-Z]{3}$", examples=["EUR"])]
PostingSort = Literal["posted_at", "-posted_at"]
Asked = dict[str, Any]
CSV: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "All that fits the filters, newest first. Cells that a spreadsheet would take for a "
        "formula begin with an apostrophe.",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}


async def asked_postings(
    kind: MoveKind | None = None,
    currency: Currency = None,
    service_id: UUID | None = None,
    since: Annotated[OurTime | None, Query(description="From this moment on.")] = None,
    until: Annotated[OurTime | None, Query(description="Before this moment.")] = None,
) -> Asked:
    return {
        "kind": kind,
        "currency": currency,
        "service_id": service_id,
        "since": since,
        "until": until,
    }


async def _own(
    project_id: UUID, asked: Annotated[Asked, Depends(asked_postings)], parts: PartsDep, principal: Reader
) -> Asked:
    # Not the request's transaction, which would stay open while a file is made.
    async with parts.database.transaction() as session:
        await reachable(session, principal, BILLING_READ, project_id)
    return {**asked, "project_id": project_id}


Own = Annotated[Asked, Depends(_own)]


async def postings_file(parts: Parts, asked: Asked) -> Response:
    name = f"ledger-{now():%Y-%m-%d}.csv"
    return StreamingResponse(
        export.postings(await parts.database.reader(), asked),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


@router.get(
    "/balance",
    operation_id="billing_balance_get",
    summary="Balance",
    response_model=BalanceView,
    responses=problems(401, 403, 404, 422),
)
async def billing_balance_get(project_id: UUID, session: SessionDep, principal: Reader) -> Response:
    """What the project has, what is set aside, what it owes, and how much it may spend."""
    await reachable(session, principal, BILLING_READ, project_id)
    return json_answer(await views.balance_of(session, project_id))


@router.get(
    "/entries",
    operation_id="billing_entries_list",
    summary="Statement of account",
    response_model=Page[PostingView],
    responses=problems(400, 401, 403, 404, 422),
)
async def billing_entries_list(
    parts: PartsDep, asked: Own, sort: PostingSort = "-posted_at", cursor: Cursor = None, size: Size = 20
) -> Response:
    """Each time that the project's money moved, newest first."""
    page = await views.POSTINGS.page(await parts.database.reader(), ListQuery(sort, size, cursor, asked))
    return json_bytes(page)


@router.get(
    "/entries.csv",
    operation_id="billing_entries_export",
    summary="Statement of account, as CSV",
    response_class=StreamingResponse,
    responses={**CSV, **problems(401, 403, 404, 422)},
)
async def billing_entries_export(parts: PartsDep, asked: Own) -> Response:
    """The list of `GET …/entries` as a file, whole."""
    return await postings_file(parts, asked)


@router.get(
    "/profile",
    operation_id="billing_profile_get",
    summary="Billing details",
    response_model=DetailsView,
    responses=problems(401, 403, 404, 422),
)
async def billing_profile_get(project_id: UUID, session: SessionDep, principal: Reader) -> Response:
    """In which currency the project pays, and to whom its invoices are."""
    await reachable(session, principal, BILLING_READ, project_id)
    return json_answer(await terms.read(session, project_id))


@router.put(
    "/profile",
    operation_id="billing_profile_set",
    summary="Change the billing details",
    response_model=DetailsView,
    responses=problems(401, 403, 404, 409, 422),
)
async def billing_profile_set(
    project_id: UUID, body: DetailsIn, session: SessionDep, principal: Payer
) -> Response:
    """For invoices to come; those that were issued stay as they are. Another VAT number is to be checked."""
    await commanded(session, principal, BILLING_WRITE, project_id)
    await terms.describe(session, project_id, body)
    return json_answer(await terms.read(session, project_id))
