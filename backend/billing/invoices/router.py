"""`/api/v1/projects/{project_id}/billing/invoices` and `/api/v1/admin/billing/invoices`."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator
from starlette.responses import Response, StreamingResponse

from backend.billing.invoices import crediting, export, reading, taxes
from backend.billing.invoices.months import Month
from backend.billing.invoices.schemas import (
    CreditNoteIn,
    InvoiceChargeView,
    InvoiceDetail,
    InvoiceView,
    KindName,
    TaxReport,
)
from backend.billing.invoices.views import INVOICES
from backend.context import Parts, PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.database import now
from backend.exceptions import invalid_field
from backend.jobs.idempotency import Answer, OnceDep
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.projects.access import reachable
from backend.roles.permissions import ADMIN_BILLING, ADMIN_BILLING_WRITE, BILLING_READ
from backend.utils.http import Cursor, Size, json_answer, json_bytes

router = APIRouter(prefix="/api/v1/projects/{project_id}/billing", tags=["billing"])
admin = APIRouter(prefix="/api/v1/admin/billing", tags=["admin"])

Reader = Annotated[Principal, Depends(require(BILLING_READ))]
Administrator = Annotated[Principal, Depends(require(ADMIN_BILLING))]
ProvenAdministrator = Annotated[Principal, Depends(require(ADMIN_BILLING_WRITE, recent=True))]


def _month(text: str) -> Month:
    month = Month.parse(text)
    if not 2000 <= month.year < 3000:
        raise ValueError("must lie between the years 2000 and 3000")
    return month


_MonthText = Annotated[
    str | None,
    Query(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", examples=["2026-11"]),
    AfterValidator(lambda text: text and str(_month(text))),
]
Currency = Annotated[str | None, Query(pattern=r"^[A-Z]{3}$", examples=["EUR"])]
InvoiceSort = Literal["issued_at", "-issued_at", "gross", "-gross"]
_FILE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
PDF: dict[int | str, dict[str, Any]] = {
    200: {"description": "The invoice as it is printed, PDF/A.", "content": {"application/pdf": _FILE}}
}
CSV: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "All that fits the filters, newest first; what credit notes give back is below zero. "
        "Cells that a spreadsheet would take for a formula begin with an apostrophe.",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}


async def _own_project(project_id: UUID, parts: PartsDep, principal: Reader) -> UUID:
    # Not the request's transaction, which would stay open while a PDF is made.
    async with parts.database.transaction() as session:
        await reachable(session, principal, BILLING_READ, project_id)
    return project_id


OwnProject = Annotated[UUID, Depends(_own_project)]
Asked = dict[str, Any]


async def _asked(
    kind: KindName | None = None,
    currency: Currency = None,
    month: Annotated[_MonthText, Query(description="What was used in that month.")] = None,
    reference: Annotated[
        str | None, Query(max_length=40, pattern=r"^[A-Za-z0-9-]+$", examples=["INV-2026-000017"])
    ] = None,
) -> Asked:
    return {
        "kind": kind,
        "currency": currency,
        "period_start": Month.parse(month).first_day if month else None,
        "reference": reference and reference.upper(),
    }


async def _own(asked: Annotated[Asked, Depends(_asked)], project_id: OwnProject) -> Asked:
    return {**asked, "project_id": project_id}


async def _everyones(
    asked: Annotated[Asked, Depends(_asked)],
    _: Administrator,
    project_id: UUID | None = None,
    country: Annotated[str | None, Query(pattern=r"^[A-Z]{2}$", description="The buyer's.")] = None,
) -> Asked:
    return {**asked, "project_id": project_id, "country": country}


Own = Annotated[Asked, Depends(_own)]
Everyones = Annotated[Asked, Depends(_everyones)]


@router.get(
    "/invoices",
    operation_id="billing_invoices_list",
    summary="Invoices and credit notes",
    response_model=Page[InvoiceView],
    responses=problems(400, 401, 403, 404, 422),
)
async def billing_invoices_list(
    parts: PartsDep, asked: Own, sort: InvoiceSort = "-issued_at", cursor: Cursor = None, size: Size = 20
) -> Response:
    """Of the project, newest first."""
    return json_bytes(
        await INVOICES.page(await parts.database.reader(), ListQuery(sort, size, cursor, asked))
    )


@router.get(
    "/invoices.csv",
    operation_id="billing_invoices_export",
    summary="Invoices and credit notes, as CSV",
    response_class=StreamingResponse,
    responses={**CSV, **problems(401, 403, 404, 422)},
)
async def billing_invoices_export(parts: PartsDep, asked: Own) -> Response:
    """The list of `GET …/invoices` as a file, whole."""
    return await _csv(parts, asked)


@router.get(
    "/invoices/{invoice_id}",
    operation_id="billing_invoices_get",
    summary="An invoice",
    response_model=InvoiceDetail,
    responses=problems(401, 403, 404, 422),
)
async def billing_invoices_get(
    invoice_id: UUID, project_id: UUID, principal: Reader, session: SessionDep, parts: PartsDep
) -> Response:
    """Parties, lines, and the credit notes about it."""
    await _own_project(project_id, parts, principal)
    return json_answer(await reading.whole(session, parts.settings, invoice_id, project_id))


@router.get(
    "/invoices/{invoice_id}/lines/{line_id}/charges",
    operation_id="billing_invoice_charges_list",
    summary="What a line of an invoice is made of",
    response_model=list[InvoiceChargeView],
    responses=problems(401, 403, 404, 422),
)
async def billing_invoice_charges_list(
    invoice_id: UUID, line_id: UUID, project_id: UUID, principal: Reader, session: SessionDep, parts: PartsDep
) -> Response:
    """The postings of the ledger, oldest first; a credit note's line has none of its own."""
    await _own_project(project_id, parts, principal)
    return json_answer(await reading.charges(session, invoice_id, line_id, project_id))


@router.get(
    "/invoices/{invoice_id}/pdf",
    operation_id="billing_invoices_pdf",
    summary="An invoice as PDF",
    response_class=Response,
    responses={**PDF, **problems(401, 403, 404, 422)},
)
async def billing_invoices_pdf(
    invoice_id: UUID, project_id: UUID, principal: Reader, parts: PartsDep
) -> Response:
    """Credit notes too. The document is that of the day on which it was issued, and never changes."""
    await _own_project(project_id, parts, principal)
    return await _pdf(parts, invoice_id, project_id)


@admin.get(
    "/invoices",
    operation_id="admin_invoices_list",
    summary="Everyone's invoices and credit notes",
    response_model=Page[InvoiceView],
    responses=problems(400, 401, 403, 422),
)
async def admin_invoices_list(
    parts: PartsDep,
    asked: Everyones,
    sort: InvoiceSort = "-issued_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Newest first."""
    return json_bytes(
        await INVOICES.page(await parts.database.reader(), ListQuery(sort, size, cursor, asked))
    )


@admin.get(
    "/invoices.csv",
    operation_id="admin_invoices_export",
    summary="Everyone's invoices and credit notes, as CSV",
    response_class=StreamingResponse,
    responses={**CSV, **problems(401, 403, 422)},
)
async def admin_invoices_export(parts: PartsDep, asked: Everyones) -> Response:
    """The list of `GET /admin/billing/invoices` as a file, whole."""
    return await _csv(parts, asked)


@admin.get(
    "/invoices/{invoice_id}",
    operation_id="admin_invoices_get",
    summary="An invoice of anyone",
    response_model=InvoiceDetail,
    responses=problems(401, 403, 404, 422),
)
async def admin_invoices_get(
    invoice_id: UUID, _: Administrator, session: SessionDep, parts: PartsDep
) -> Response:
    """Parties, lines, and the credit notes about it."""
    return json_answer(await reading.whole(session, parts.settings, invoice_id))


@admin.get(
    "/invoices/{invoice_id}/pdf",
    operation_id="admin_invoices_pdf",
    summary="An invoice of anyone as PDF",
    response_class=Response,
    responses={**PDF, **problems(401, 403, 404, 422)},
)
async def admin_invoices_pdf(invoice_id: UUID, _: Administrator, parts: PartsDep) -> Response:
    """Credit notes too. The document is that of the day on which it was issued, and never changes."""
    return await _pdf(parts, invoice_id)


@admin.post(
    "/invoices/{invoice_id}/credit-notes",
    operation_id="admin_credit_notes_create",
    summary="Issue a credit note",
    status_code=201,
    response_model=InvoiceDetail,
    responses=problems(401, 403, 404, 409, 422),
)
async def admin_credit_notes_create(
    invoice_id: UUID,
    wanted: CreditNoteIn,
    session: SessionDep,
    parts: PartsDep,
    principal: ProvenAdministrator,
    once: OnceDep,
) -> Response:
    """Gives back all that is left of the invoice, or parts of its lines, to the project's balance.

    Needs a recent proof, and never gives back more than was invoiced.
    """

    async def work() -> Answer:
        lines = wanted.by_line()
        note = await crediting.credit(session, parts.settings, invoice_id, wanted.reason, lines)
        body = await reading.whole(session, parts.settings, note.id)
        return Answer(body, f"/api/v1/admin/billing/invoices/{note.id}", 201)

    return await once(session, principal.user_id, work)


async def _months(
    _: Administrator,
    since: Annotated[_MonthText, Query(description="The first month; else the last but eleven.")] = None,
    until: Annotated[_MonthText, Query(description="The last month; else the present one.")] = None,
) -> tuple[Month, Month]:
    last = Month.parse(until) if until else Month(now().year, now().month)
    first = Month.parse(since) if since else Month(last.year - 1, last.number).following
    if first > last:
        raise invalid_field(["query", "since"], "The first month is after the last.", "months_reversed")
    return first, last


Months = Annotated[tuple[Month, Month], Depends(_months)]


@admin.get(
    "/taxes",
    operation_id="admin_taxes_report",
    summary="What was invoiced, by month, country and rate",
    response_model=TaxReport,
    responses=problems(401, 403, 422),
)
async def admin_taxes_report(months: Months, session: SessionDep, parts: PartsDep) -> Response:
    """Invoices less credit notes, by the month in which they were issued."""
    rows = await taxes.rows(session, parts.settings, *months)
    return json_answer({"rows": rows, "not_invoiced": await taxes.not_invoiced(session)})


@admin.get(
    "/taxes.csv",
    operation_id="admin_taxes_export",
    summary="What was invoiced, by month, country and rate, as CSV",
    response_class=Response,
    responses={**CSV, **problems(401, 403, 422)},
)
async def admin_taxes_export(months: Months, session: SessionDep, parts: PartsDep) -> Response:
    """The rows of `GET /admin/billing/taxes` as a file."""
    rows = await taxes.rows(session, parts.settings, *months)
    return Response(export.taxes(rows), headers=_attachment("taxes.csv"), media_type=_CSV_TYPE)


_CSV_TYPE = "text/csv; charset=utf-8"


async def _csv(parts: Parts, asked: Asked) -> Response:
    lines = export.invoices(await parts.database.reader(), asked)
    name = f"invoices-{now():%Y-%m-%d}.csv"
    return StreamingResponse(lines, media_type=_CSV_TYPE, headers=_attachment(name))


async def _pdf(parts: Parts, invoice_id: UUID, project_id: UUID | None = None) -> Response:
    reference, made = await reading.paper(parts.database, parts.settings, invoice_id, project_id)
    return Response(made, media_type="application/pdf", headers=_attachment(f"{reference}.pdf"))


def _attachment(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
