"""What a project has under way that ends in money of some currency."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import exists, func, or_, select

from backend.billing.metering.dao import RATING
from backend.billing.metering.models import UsageCharge, UsageMeter, UsagePosition, UsageRecord
from backend.billing.payments.message_models import BankReference
from backend.billing.payments.models import OPEN, AutoTopUp, MethodSetup, Payment, Refund, RefundState
from backend.billing.prices.models import Price
from backend.dao.base import BaseDAO
from backend.services.models import Service


class InFlightDAO(BaseDAO[Payment]):
    model = Payment

    async def in_others(self, project_id: UUID, currency: str, *, referenced: bool) -> bool:
        """Than `currency`; `referenced` says whether a reference for transfers counts."""
        paying = exists().where(
            Payment.project_id == project_id, Payment.state.in_(OPEN), Payment.currency != currency
        )
        topping_up = exists().where(AutoTopUp.project_id == project_id, AutoTopUp.currency != currency)
        priced = exists().where(
            Service.project_id == project_id,
            Service.deleted_at.is_(None),
            Service.price_id == Price.id,
            Price.currency != currency,
        )
        found = [paying, topping_up, priced]
        if referenced:
            found.append(exists().where(BankReference.project_id == project_id))
        return bool(await self.scalar(select(or_(*found))))

    async def any_usage(self, project_id: UUID) -> bool:
        """That is not charged yet: not read out, not rated, or not posted."""
        mine = select(Service.id).where(Service.project_id == project_id).scalar_subquery()
        rated = select(UsagePosition.record_id).where(UsagePosition.name == RATING).scalar_subquery()
        unread = exists().where(
            UsageMeter.service_id.in_(mine),
            or_(UsageMeter.dirty_from.is_not(None), UsageMeter.price_id.is_not(None)),
        )
        unrated = exists().where(UsageRecord.service_id.in_(mine), UsageRecord.id > func.coalesce(rated, 0))
        unposted = exists().where(UsageCharge.project_id == project_id, UsageCharge.posted_at.is_(None))
        return bool(await self.scalar(select(or_(unread, unrated, unposted))))

    async def any_payment(self, project_id: UUID) -> bool:
        """Money that comes or goes back, or a method that is being saved."""
        paying = exists().where(Payment.project_id == project_id, Payment.state.in_(OPEN))
        refunding = exists().where(
            Payment.project_id == project_id,
            Refund.payment_id == Payment.id,
            Refund.state == RefundState.PENDING,
        )
        saving = exists().where(MethodSetup.project_id == project_id, MethodSetup.state.in_(OPEN))
        return bool(await self.scalar(select(or_(paying, refunding, saving))))
