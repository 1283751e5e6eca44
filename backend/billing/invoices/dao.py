"""Statements over invoices. None changes what is issued; the database would refuse (migration 0015)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, case, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from backend.billing.invoices.models import Invoice, InvoiceCharge, InvoiceKind, InvoiceLine, InvoiceSeries
from backend.billing.ledger.models import LedgerAccount, LedgerEntry, LedgerTransaction
from backend.billing.metering.models import UsageCharge, UsageMeter, UsagePosition, UsageRecord
from backend.billing.traffic.models import TrafficMonth
from backend.catalogue.models import Addon, Plan
from backend.dao.base import BaseDAO
from backend.projects.models import Project, ProjectMember
from backend.services.models import Service
from backend.users.models import User

CREDIT_NOTE = "credit_note"
"""The origin, in the ledger, of what is not for an invoice to take, for it has a document of its own."""

_not_invoiced = (
    # What rating gives back of earlier usage is on an invoice too, as a line below zero.
    LedgerTransaction.kind.in_(("charge", "credit")),
    LedgerTransaction.origin != CREDIT_NOTE,
    ~exists().where(InvoiceCharge.transaction_id == LedgerTransaction.id),
)


def _sum_in(kind: str) -> Any:
    return func.coalesce(func.sum(LedgerEntry.amount).filter(LedgerAccount.kind == kind), 0).label(kind)


class SeriesDAO(BaseDAO[InvoiceSeries]):
    model = InvoiceSeries

    async def take(self, code: str, at: datetime) -> Row[Any]:
        """The next number and its moment, which is no earlier than that of the number before.

        Everyone else who wants one of the series waits until this transaction ends.
        """
        first = insert(InvoiceSeries).values(code=code, last_number=1, last_issued_at=at)
        row = await self.row(
            first.on_conflict_do_update(
                index_elements=["code"],
                set_={
                    "last_number": InvoiceSeries.last_number + 1,
                    "last_issued_at": func.greatest(InvoiceSeries.last_issued_at, at),
                },
            ).returning(InvoiceSeries.last_number, InvoiceSeries.last_issued_at)
        )
        assert row is not None
        return row


class InvoiceDAO(BaseDAO[Invoice]):
    model = Invoice

    async def waiting(self, before: datetime) -> Sequence[Row[Any]]:
        """Who has charges of earlier than that which no invoice has taken, and since when."""
        return await self.rows(
            select(
                LedgerTransaction.project_id,
                LedgerTransaction.currency,
                func.min(LedgerTransaction.occurred_at).label("since"),
            )
            .where(*_not_invoiced, LedgerTransaction.occurred_at < before)
            .group_by(LedgerTransaction.project_id, LedgerTransaction.currency)
            .order_by(LedgerTransaction.project_id, LedgerTransaction.currency)
        )

    async def is_rated(self, end: datetime, end_day: date) -> bool:
        """Whether all usage of before then is in the ledger; where money is charged at all."""
        position = select(func.max(UsagePosition.record_id)).scalar_subquery()
        behind = or_(
            and_(UsageMeter.price_id.is_not(None), UsageMeter.metered_through < end),
            UsageMeter.dirty_from < end,
        )
        uncharged = and_(
            TrafficMonth.rated_bytes.is_distinct_from(TrafficMonth.bytes),
            TrafficMonth.month < end_day,
        )
        left = or_(
            exists().where(behind),
            exists().where(UsageRecord.id > func.coalesce(position, 0)),
            exists().where(UsageCharge.posted_at.is_(None), UsageCharge.day < end_day),
            exists().where(uncharged),
        )
        return not await self.scalar(select(left))

    async def charges(self, project_id: UUID, currency: str, before: datetime) -> Sequence[Row[Any]]:
        """What the ledger took and gave back earlier than that and no invoice has taken, oldest first."""
        posting = LedgerTransaction
        return await self.rows(
            select(
                *(posting.id, posting.service_id, posting.code, posting.parameters, posting.occurred_at),
                posting.kind,
                Service.name.label("service_name"),
                _sum_in("revenue"),
                _sum_in("tax"),
            )
            .join(LedgerEntry, LedgerEntry.transaction_id == posting.id)
            .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
            .outerjoin(Service, Service.id == posting.service_id)
            .where(
                *_not_invoiced,
                posting.project_id == project_id,
                posting.currency == currency,
                posting.occurred_at < before,
            )
            .group_by(posting.id, Service.name)
            .order_by(posting.occurred_at, posting.id)
        )

    async def taxes(self, since: datetime, until: datetime, zone: str) -> Sequence[Row[Any]]:
        """Invoices less credit notes by month of issue, country, rule, rate and currency."""
        month = func.to_char(func.timezone(zone, Invoice.issued_at), "YYYY-MM").label("month")
        country = func.coalesce(InvoiceLine.tax_country, Invoice.buyer_country).label("country")
        sign = case((Invoice.kind == InvoiceKind.CREDIT_NOTE, -1), else_=1)
        keys = (month, country, InvoiceLine.tax_code, InvoiceLine.tax_rate, Invoice.currency)
        sums = (
            func.sum(sign * getattr(InvoiceLine, name)).cast(InvoiceLine.net.type).label(name)
            for name in ("net", "tax", "gross")
        )
        return await self.rows(
            select(*keys, *sums, func.count(Invoice.id.distinct()).label("documents"))
            .join(InvoiceLine, InvoiceLine.invoice_id == Invoice.id)
            .where(Invoice.issued_at >= since, Invoice.issued_at < until)
            .group_by(*keys)
            .order_by(month.desc(), Invoice.currency, country, InvoiceLine.tax_rate, InvoiceLine.tax_code)
        )

    async def not_invoiced(self) -> Sequence[Row[Any]]:
        """What the ledger has as revenue and tax and no invoice has taken, by currency."""
        return await self.rows(
            select(LedgerTransaction.currency, _sum_in("revenue"), _sum_in("tax"))
            .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
            .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
            .where(*_not_invoiced)
            .group_by(LedgerTransaction.currency)
            .order_by(LedgerTransaction.currency)
        )

    async def titles(self) -> dict[str, dict[str, Any]]:
        """Of plans, and of add-ons with their units."""
        plans = await self.rows(select(Plan.id, Plan.title))
        addons = await self.rows(select(Addon.id, Addon.title, Addon.unit))
        return {
            **{f"plan:{row.id}": row.title for row in plans},
            **{f"addon:{row.id}": {**row.title, "unit": row.unit} for row in addons},
        }

    async def is_issued(self, project_id: UUID, currency: str, first_day: date) -> bool:
        same = (Invoice.project_id == project_id, Invoice.currency == currency)
        found = exists().where(*same, Invoice.kind == InvoiceKind.INVOICE, Invoice.period_start == first_day)
        return bool(await self.scalar(select(found)))

    async def lines(self, invoice_id: UUID) -> Sequence[InvoiceLine]:
        rows: Sequence[InvoiceLine] = await LineDAO(self.session).all(
            select(InvoiceLine).where(InvoiceLine.invoice_id == invoice_id).order_by(InvoiceLine.position)
        )
        return rows

    async def credited(self, invoice_id: UUID) -> dict[UUID, Row[Any]]:
        """What credit notes took back from the invoice so far: net, tax and gross by line."""
        rows = await self.rows(
            select(
                InvoiceLine.corrects_line_id.label("line_id"),
                *(
                    func.sum(getattr(InvoiceLine, name)).cast(InvoiceLine.net.type).label(name)
                    for name in ("net", "tax", "gross")
                ),
            )
            .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
            .where(Invoice.corrects_id == invoice_id)
            .group_by(InvoiceLine.corrects_line_id)
        )
        return {row.line_id: row for row in rows}

    async def project_name(self, project_id: UUID) -> str:
        name: str = await self.scalar(select(Project.name).where(Project.id == project_id))
        return name

    async def payer(self, project_id: UUID) -> Row[Any] | None:
        """The owner who has been one the longest."""
        return await self.row(
            select(User.id, User.name, User.email, User.locale)
            .join(ProjectMember, ProjectMember.user_id == User.id)
            .where(ProjectMember.project_id == project_id, ProjectMember.role == "owner")
            .order_by(ProjectMember.created_at, User.id)
            .limit(1)
        )


class LineDAO(BaseDAO[InvoiceLine]):
    model = InvoiceLine


class ChargeDAO(BaseDAO[InvoiceCharge]):
    model = InvoiceCharge
