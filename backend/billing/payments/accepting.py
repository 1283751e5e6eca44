"""A payment is accepted: a row and a job, before any gateway hears of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.trail import record
from backend.billing import money
from backend.billing.ledger import standing
from backend.billing.payments import methods
from backend.billing.payments.dao import PaymentDAO, SetupDAO
from backend.billing.payments.gateways.amounts import step, takes
from backend.billing.payments.gateways.registry import SAVING, SETTING_UP
from backend.billing.payments.models import MethodSetup, Payment, PaymentState
from backend.config import Settings
from backend.database import now
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.jobs import queue
from backend.jobs.models import Job
from backend.mail.servers import parse_sender
from backend.projects.dao import ProjectDAO
from backend.utils.ids import new_id

COLLECT = "payment.collect"
SETUP = "payment.setup"
MOST_OPEN = 10
"""Payments of one project that nobody has finished."""
FIRST_CHECK = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Wanted:
    gateway: str
    amount: int
    currency: str
    method_id: UUID | None = None
    save_method: bool = False


async def offered(session: AsyncSession, settings: Settings, project_id: UUID) -> dict[str, Any]:
    """What a project may pay with, and how much."""
    currency = await standing.currency_of(session, project_id)
    least, most = settings.payment_bounds(currency)
    return {
        "currency": currency,
        "minimum": least,
        "maximum": most,
        "suggestions": [
            amount for amount in (2 * least, 4 * least, 10 * least, 20 * least) if amount <= most
        ],
        "gateways": [
            {"name": name, "saves_methods": name in SAVING, "sets_up_methods": name in SETTING_UP}
            for name in _gateways(settings)
            if takes(name, currency)
        ],
        "contact": settings.payment_contact,
        "ask_at": parse_sender(settings.mail_from).addr_spec if settings.mail_from else None,
    }


def door(project_id: UUID) -> str:
    """The name of the lock under which people's payments of a project begin."""
    return f"payments:{project_id}"


async def accept(
    session: AsyncSession, settings: Settings, project_id: UUID, user_id: UUID, wanted: Wanted
) -> tuple[Payment, Job]:
    """Raises `Invalid` for an amount or a gateway that is not offered, `NotFound` for a method of others,
    `Conflict` when too many are open.
    """
    dao = PaymentDAO(session)
    # Meanwhile the project keeps its currency, and is not deleted.
    await dao.lock(door(project_id))
    if not await ProjectDAO(session).kept(project_id):
        raise NotFound("There is no such project.")
    currency = await standing.currency_of(session, project_id)
    check_gateway(settings, wanted.gateway, currency)
    check_amount(settings, wanted.gateway, wanted.amount, wanted.currency, currency)
    if wanted.method_id is not None:
        await _check_method(session, project_id, wanted.gateway, wanted.method_id)
    if await dao.open_of(project_id) >= MOST_OPEN:
        raise Conflict("Finish the payments that are open, or wait until they end.", code="too_many_payments")
    payment, job = await start(
        session,
        settings,
        project_id,
        user_id,
        Payment(
            gateway=wanted.gateway,
            amount=wanted.amount,
            currency=currency,
            method_id=wanted.method_id,
            save_method=wanted.save_method and wanted.method_id is None and wanted.gateway in SAVING,
        ),
    )
    await record(
        session,
        Action.PAYMENT_CREATED,
        object_type="payment",
        object_id=payment.id,
        object_name=payment.gateway,
        project_id=project_id,
        after={"amount": payment.amount, "currency": currency},
    )
    return payment, job


async def start(
    session: AsyncSession, settings: Settings, project_id: UUID, user_id: UUID | None, payment: Payment
) -> tuple[Payment, Job]:
    """Fill in what all have in common, and have it collected."""
    job = await queue.accept(session, COLLECT, project_id=project_id, user_id=user_id)
    payment.id, payment.job_id = new_id(), job.id
    payment.project_id, payment.user_id = project_id, user_id
    payment.state = PaymentState.ACCEPTED
    payment.next_check_at = now() + FIRST_CHECK
    payment.pay_until = now() + timedelta(hours=settings.payment_expire_hours)
    await PaymentDAO(session).add(payment)
    return payment, job


async def set_up(
    session: AsyncSession, settings: Settings, project_id: UUID, user_id: UUID, gateway: str
) -> tuple[MethodSetup, Job]:
    """A method to be saved without a payment. Raises `Invalid`."""
    currency = await standing.currency_of(session, project_id)
    check_gateway(settings, gateway, currency)
    if gateway not in SETTING_UP:
        raise invalid_field(
            ["body", "gateway"], "This gateway saves methods with a payment only.", "not_supported"
        )
    job = await queue.accept(session, SETUP, project_id=project_id, user_id=user_id)
    setup = MethodSetup(
        id=new_id(),
        project_id=project_id,
        user_id=user_id,
        job_id=job.id,
        gateway=gateway,
        state=PaymentState.ACCEPTED,
        next_check_at=now() + FIRST_CHECK,
    )
    await SetupDAO(session).add(setup)
    await record(
        session,
        Action.PAYMENT_METHOD_ASKED,
        object_type="payment_method",
        object_id=setup.id,
        object_name=gateway,
        project_id=project_id,
    )
    return setup, job


def check_gateway(settings: Settings, gateway: str, currency: str) -> None:
    """Raises `Invalid`."""
    if gateway not in _gateways(settings) or not takes(gateway, currency):
        raise invalid_field(["body", "gateway"], "This way to pay is not offered.", "gateway_not_offered")


def check_amount(settings: Settings, gateway: str, amount: int, given: str, currency: str) -> None:
    """Raises `Invalid`."""
    if given != currency:
        raise invalid_field(["body", "currency"], f"This project pays in {currency}.", "wrong_currency")
    least, most = settings.payment_bounds(currency)
    if not least <= amount <= most:
        low, high = money.plain(least, currency), money.plain(most, currency)
        message = f"A payment is between {low} and {high} {currency}."
        raise invalid_field(["body", "amount"], message, "amount_out_of_bounds")
    if amount % step(gateway, currency):
        message = "The last decimal has to be zero."
        raise invalid_field(["body", "amount"], message, "amount_too_fine")


def _gateways(settings: Settings) -> tuple[str, ...]:
    """None where nobody is charged anything."""
    return settings.gateways() if settings.billing_enabled else ()


async def _check_method(session: AsyncSession, project_id: UUID, gateway: str, method_id: UUID) -> None:
    method = await methods.owned(session, project_id, method_id)
    if method.gateway != gateway:
        message = "This method belongs to another way to pay."
        raise invalid_field(["body", "method_id"], message, "method_of_other_gateway")
