"""Statements over payments, saved methods, refunds, disputes and automatic top-ups."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import exists, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from backend.billing.payments.models import (
    OPEN,
    AutoTopUp,
    Dispute,
    DisputeState,
    GatewayCustomer,
    MethodSetup,
    Payment,
    PaymentMethod,
    PaymentState,
    Refund,
    RefundState,
)
from backend.dao.base import BaseDAO
from backend.database import Base, now

M = TypeVar("M", bound=Base)


class _Checked(BaseDAO[M]):
    """What a gateway is asked about again and again; the row is leased to whoever asks."""

    @property
    def _waiting(self) -> Any:
        raise NotImplementedError

    async def due(self, limit: int) -> list[UUID]:
        """Take those whose time has come, and put their next time off."""
        model: Any = self.model
        rows = (
            select(model.id)
            .where(self._waiting, model.next_check_at <= now())
            .order_by(model.next_check_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        later = literal(now()) + func.make_interval(
            0, 0, 0, 0, 0, 0, func.least(3600, 30 * func.power(2, func.least(model.checks, 7)))
        )
        taken = (
            update(model)
            .where(model.id.in_(rows.scalar_subquery()))
            .values(next_check_at=later, checks=model.checks + 1)
            .returning(model.id)
        )
        return [row.id for row in await self.rows(taken)]


class PaymentDAO(_Checked[Payment]):
    model = Payment

    @property
    def _waiting(self) -> Any:
        return Payment.state.in_(OPEN)

    async def of(self, project_id: UUID, payment_id: UUID) -> Payment | None:
        return await self.one(
            select(Payment).where(Payment.id == payment_id, Payment.project_id == project_id)
        )

    async def of_job(self, job_id: UUID) -> Payment | None:
        return await self.one(select(Payment).where(Payment.job_id == job_id))

    async def by_ref(self, gateway: str, ref: str) -> Payment | None:
        """By what the gateway calls the payment, or the charge that came of it."""
        mine = (Payment.gateway == gateway, or_(Payment.gateway_ref == ref, Payment.charge_ref == ref))
        return await self.one(select(Payment).where(*mine).limit(1))

    async def automatic_under_way(self, project_id: UUID) -> bool:
        under_way = exists().where(
            Payment.project_id == project_id, Payment.automatic, Payment.state.in_(OPEN)
        )
        return bool(await self.scalar(select(under_way)))

    async def automatic_since(self, project_id: UUID, currency: str, since: datetime) -> int:
        """Taken automatically, or being taken."""
        states = (*OPEN, PaymentState.SUCCEEDED, PaymentState.REVIEW)
        total = select(func.coalesce(func.sum(Payment.amount), 0)).where(
            Payment.project_id == project_id,
            Payment.automatic,
            Payment.currency == currency,
            Payment.state.in_(states),
            Payment.created_at >= since,
        )
        return int(await self.scalar(total))

    async def open_of(self, project_id: UUID) -> int:
        counted = select(func.count()).where(Payment.project_id == project_id, Payment.state.in_(OPEN))
        return int(await self.scalar(counted))


class MethodDAO(BaseDAO[PaymentMethod]):
    model = PaymentMethod

    async def of(self, project_id: UUID, method_id: UUID, *, lock: bool = False) -> PaymentMethod | None:
        statement = select(PaymentMethod).where(
            PaymentMethod.id == method_id,
            PaymentMethod.project_id == project_id,
            PaymentMethod.removed_at.is_(None),
        )
        return await self.one(statement.with_for_update(key_share=True) if lock else statement)

    async def all_of(self, project_id: UUID) -> Sequence[PaymentMethod]:
        mine = select(PaymentMethod).where(
            PaymentMethod.project_id == project_id, PaymentMethod.removed_at.is_(None)
        )
        return await self.all(mine.order_by(PaymentMethod.preferred.desc(), PaymentMethod.id.desc()))

    async def keep(self, **values: Any) -> UUID:
        """A method that was saved; one that was saved before is brought up to date."""
        changed = {name: values[name] for name in ("brand", "last4", "exp_month", "exp_year")}
        statement = (
            insert(PaymentMethod)
            .values(**values)
            .on_conflict_do_update(
                index_elements=["gateway", "gateway_ref", "project_id"],
                set_={**changed, "removed_at": None, "detached_at": None},
            )
            .returning(PaymentMethod.id)
        )
        found: UUID = await self.scalar(statement)
        return found

    async def prefer(self, project_id: UUID, method_id: UUID) -> None:
        """The only one of the project."""
        mine = update(PaymentMethod).where(PaymentMethod.project_id == project_id)
        others = mine.where(PaymentMethod.preferred, PaymentMethod.id != method_id)
        await self.execute(others.values(preferred=False))
        await self.execute(mine.where(PaymentMethod.id == method_id).values(preferred=True))

    async def removed(self, limit: int) -> Sequence[PaymentMethod]:
        """Those that a gateway still keeps."""
        gone = select(PaymentMethod).where(
            PaymentMethod.removed_at.is_not(None), PaymentMethod.detached_at.is_(None)
        )
        return await self.all(gone.order_by(PaymentMethod.removed_at).limit(limit))

    async def detached(self, method_id: UUID) -> None:
        gone = (PaymentMethod.id == method_id, PaymentMethod.removed_at.is_not(None))
        await self.execute(update(PaymentMethod).where(*gone).values(detached_at=now()))


class CustomerDAO(BaseDAO[GatewayCustomer]):
    model = GatewayCustomer

    async def of(self, project_id: UUID, gateway: str) -> str | None:
        found = await self.get((project_id, gateway))
        return found.ref if found else None

    async def keep(self, project_id: UUID, gateway: str, ref: str) -> str:
        """Whichever was first, if two were made at once."""
        await self.execute(
            insert(GatewayCustomer)
            .values(project_id=project_id, gateway=gateway, ref=ref, created_at=now())
            .on_conflict_do_nothing()
        )
        kept: str = await self.scalar(
            select(GatewayCustomer.ref).where(
                GatewayCustomer.project_id == project_id, GatewayCustomer.gateway == gateway
            )
        )
        return kept


class SetupDAO(_Checked[MethodSetup]):
    model = MethodSetup

    @property
    def _waiting(self) -> Any:
        return MethodSetup.state.in_(OPEN)

    async def of(self, project_id: UUID, setup_id: UUID) -> MethodSetup | None:
        return await self.one(
            select(MethodSetup).where(MethodSetup.id == setup_id, MethodSetup.project_id == project_id)
        )

    async def of_job(self, job_id: UUID) -> MethodSetup | None:
        return await self.one(select(MethodSetup).where(MethodSetup.job_id == job_id))


class RefundDAO(_Checked[Refund]):
    model = Refund

    @property
    def _waiting(self) -> Any:
        return Refund.state == RefundState.PENDING

    async def of_job(self, job_id: UUID) -> Refund | None:
        return await self.one(select(Refund).where(Refund.job_id == job_id))

    async def all_of(self, payment_id: UUID) -> Sequence[Refund]:
        return await self.all(select(Refund).where(Refund.payment_id == payment_id).order_by(Refund.id))


class DisputeDAO(BaseDAO[Dispute]):
    model = Dispute

    async def by_ref(self, gateway: str, ref: str) -> Dispute | None:
        return await self.one(select(Dispute).where(Dispute.gateway == gateway, Dispute.gateway_ref == ref))

    async def all_of(self, payment_id: UUID) -> Sequence[Dispute]:
        return await self.all(select(Dispute).where(Dispute.payment_id == payment_id).order_by(Dispute.id))

    async def due(self, limit: int, again: timedelta) -> list[tuple[str, str]]:
        """Take those that may have been decided without anybody telling us."""
        rows = (
            select(Dispute.id)
            .where(
                Dispute.state.in_((DisputeState.INQUIRY, DisputeState.OPEN)), Dispute.next_check_at <= now()
            )
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        taken = update(Dispute).where(Dispute.id.in_(rows.scalar_subquery()))
        named = taken.values(next_check_at=now() + again).returning(Dispute.gateway, Dispute.gateway_ref)
        return [(row.gateway, row.gateway_ref) for row in await self.rows(named)]


class AutoTopUpDAO(BaseDAO[AutoTopUp]):
    model = AutoTopUp

    async def locked(self, project_id: UUID) -> AutoTopUp | None:
        statement = select(AutoTopUp).where(AutoTopUp.project_id == project_id).with_for_update()
        return await self.one(statement.execution_options(populate_existing=True))

    async def due(self, limit: int) -> list[UUID]:
        statement = (
            select(AutoTopUp.project_id)
            .where(AutoTopUp.paused_code.is_(None), AutoTopUp.next_check_at <= now())
            .order_by(AutoTopUp.next_check_at)
            .limit(limit)
        )
        return [row.project_id for row in await self.rows(statement)]

    async def of_method(self, method_id: UUID) -> AutoTopUp | None:
        return await self.one(select(AutoTopUp).where(AutoTopUp.method_id == method_id))
