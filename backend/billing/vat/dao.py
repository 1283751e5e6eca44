"""Which VAT numbers are to be asked about."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select

from backend.billing.ledger.models import BillingProfile
from backend.dao.base import BaseDAO


class NumberDAO(BaseDAO[BillingProfile]):
    model = BillingProfile

    async def due(
        self,
        countries: Sequence[str],
        answered_before: datetime,
        asked_before: datetime,
        projects: Collection[UUID] | None,
        limit: int,
    ) -> list[UUID]:
        """Projects, those that were never asked for first."""
        statement = (
            select(BillingProfile.project_id)
            .where(
                BillingProfile.vat_id.is_not(None),
                BillingProfile.country.in_(countries),
                or_(BillingProfile.vat_asked_at.is_(None), BillingProfile.vat_asked_at < asked_before),
                or_(
                    BillingProfile.vat_answered_at.is_(None),
                    BillingProfile.vat_answered_at < answered_before,
                ),
            )
            .order_by(BillingProfile.vat_asked_at.nulls_first(), BillingProfile.project_id)
            .limit(limit)
        )
        if projects is not None:
            statement = statement.where(BillingProfile.project_id.in_(projects))
        return [row.project_id for row in await self.rows(statement)]
