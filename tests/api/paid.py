"""A project that has paid: one of everything that paths of payments name."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.payments import auto_top_up, messages, settling
from backend.billing.payments.auto_top_up import Wish
from backend.billing.payments.dao import MethodDAO, PaymentDAO, RefundDAO, SetupDAO
from backend.billing.payments.gateways.base import About, Notice
from backend.billing.payments.message_dao import BankLineDAO
from backend.billing.payments.message_models import BankLine
from backend.billing.payments.models import (
    MethodSetup,
    Payment,
    PaymentMethod,
    PaymentState,
    Refund,
    RefundState,
)
from backend.billing.payments.statements import digest_of
from backend.config import Settings
from backend.database import now
from backend.utils.ids import new_id


async def have_paid(session: AsyncSession, settings: Settings, project_id: UUID) -> dict[str, str]:
    """Ids by the names that paths have for them."""
    methods = [
        PaymentMethod(
            id=new_id(), project_id=project_id, gateway="stripe", gateway_ref=f"pm_{number}", kind="card"
        )
        for number in range(2)
    ]
    await MethodDAO(session).add(*methods)
    wish = Wish(methods[1].id, threshold=1000, amount=2000, monthly_limit=10_000, currency="EUR")
    await auto_top_up.put(session, settings, project_id, None, wish)
    setup = MethodSetup(id=new_id(), project_id=project_id, gateway="stripe", state=PaymentState.CANCELLED)
    await SetupDAO(session).add(setup)
    payment = Payment(
        id=new_id(),
        project_id=project_id,
        gateway="stripe",
        gateway_ref="cs_1",
        charge_ref="pi_1",
        currency="EUR",
        amount=50_000,
        state=PaymentState.ACCEPTED,
    )
    await PaymentDAO(session).add(payment)
    await settling.credit(session, payment)
    refund = Refund(id=new_id(), payment_id=payment.id, amount=500, state=RefundState.FAILED)
    await RefundDAO(session).add(refund)
    line = BankLine(
        id=new_id(),
        digest=digest_of(now().date(), "EUR", 700, "a gift"),
        booked_on=now().date(),
        currency="EUR",
        amount=700,
        purpose="a gift",
        payer="Ada",
        state="unmatched",
    )
    await BankLineDAO(session).add(line)
    notice = Notice("evt_1", "payout.paid", About.OTHER)
    message_id = await messages.keep(session, settings, "stripe", notice, b'{"id": "evt_1"}')
    return {
        "payment_id": str(payment.id),
        "refund_id": str(refund.id),
        "method_id": str(methods[0].id),
        "setup_id": str(setup.id),
        "bank_line_id": str(line.id),
        "message_id": str(message_id),
    }
