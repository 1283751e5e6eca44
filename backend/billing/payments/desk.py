"""What the part that speaks to gateways works with: it is a worker's, the API never waits for one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.invoices.parties import buyer_of
from backend.billing.payments.dao import CustomerDAO, MethodDAO, PaymentDAO
from backend.billing.payments.gateways.base import Gateway, GatewayRefused, Order
from backend.billing.payments.gateways.registry import Gateways
from backend.billing.payments.models import Payment
from backend.config import Settings
from backend.database import Database, now
from backend.jobs.publisher import Publisher

LINE = {"en": "Top-up of {project}", "ru": "Пополнение баланса: {project}"}
"""What a customer reads on the gateway's page and, often, on the statement of a card."""


@dataclass(frozen=True, slots=True)
class Desk:
    settings: Settings
    database: Database
    gateways: Gateways
    publisher: Publisher

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """What it accepted is published right after: a payment may start what stood still."""
        async with self.database.transaction() as session:
            yield session
        self.publisher.publish_soon(session)

    async def order(self, payment_id: UUID) -> Order:
        """What the gateway is to be told. From now on it may know of the payment."""
        async with self.database.transaction() as session:
            payment = await PaymentDAO(session).get_locked(payment_id)
            assert payment is not None
            begun, method = payment.begun_at, None
            payment.begun_at = begun or now()
            if payment.method_id is not None:
                kept = await MethodDAO(session).of(payment.project_id, payment.method_id)
                method = kept.gateway_ref if kept else None
            buyer = await buyer_of(session, payment.project_id)
            customer = await CustomerDAO(session).of(payment.project_id, payment.gateway)
        if payment.method_id is not None and method is None:
            raise GatewayRefused("payment_method_gone")
        email = buyer.recipient.email if buyer.recipient else None
        if customer is None and (method is not None or payment.save_method):
            customer = await self.customer(payment.project_id, payment.gateway, email)
        return Order(
            payment_id=payment.id,
            project_id=payment.project_id,
            currency=payment.currency,
            amount=payment.amount,
            email=email,
            locale=buyer.locale,
            return_url=self.return_url(payment.project_id, payment=payment.id),
            description=LINE[buyer.locale].format(project=buyer.printed["project"])[:100],
            customer=customer,
            method=method,
            save_method=payment.save_method,
            automatic=payment.automatic,
            expires_at=payment.pay_until,
            begun_at=begun,
            first_asked_at=payment.begun_at,
        )

    async def customer(self, project_id: UUID, gateway: str, email: str | None) -> str | None:
        """Made at the first need; of two that were made at once the first is kept."""
        async with self.database.transaction() as session:
            known = await CustomerDAO(session).of(project_id, gateway)
        if known is not None:
            return known
        made = await self.gateways.named(gateway).customer(project_id, email)
        if made is None:
            return None
        async with self.database.transaction() as session:
            return await CustomerDAO(session).keep(project_id, gateway, made)

    def gateway_of(self, payment: Payment) -> Gateway:
        """Raises `GatewayRefused`."""
        return self.gateways.named(payment.gateway)

    def return_url(self, project_id: UUID, **about: UUID) -> str:
        query = "&".join(f"{name}={value}" for name, value in {"project": project_id, **about}.items())
        return f"{self.settings.panel_url}/billing/payments?{query}"
