"""Money that an administrator received: cash, a cheque, a gateway that the panel does not know."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.trail import record
from backend.billing.ledger import limits, standing
from backend.billing.payments import settling
from backend.billing.payments.accepting import check_amount
from backend.billing.payments.dao import PaymentDAO
from backend.billing.payments.models import Payment, PaymentState
from backend.config import Settings
from backend.exceptions import Conflict, NotFound
from backend.projects.dao import ProjectDAO
from backend.utils.ids import new_id

GATEWAY = "manual"


async def receive(
    session: AsyncSession,
    settings: Settings,
    user_id: UUID,
    *,
    project_id: UUID,
    amount: int,
    currency: str,
    reason: str,
) -> Payment:
    """Raises `NotFound`, `Invalid`, and `Conflict` for what needs a second pair of eyes."""
    if amount > limits.alone(settings, currency):
        raise Conflict(
            "So much needs a second pair of eyes: propose it as a manual entry of the ledger.",
            code="second_pair_of_eyes",
        )
    if not await ProjectDAO(session).kept(project_id):
        raise NotFound("There is no such project.")
    check_amount(settings, GATEWAY, amount, currency, await standing.currency_of(session, project_id))
    payment = Payment(
        id=new_id(),
        project_id=project_id,
        user_id=user_id,
        gateway=GATEWAY,
        currency=currency,
        amount=amount,
        state=PaymentState.ACCEPTED,
        note=reason,
    )
    await PaymentDAO(session).add(payment)
    await settling.credit(session, payment)
    await record(
        session,
        Action.PAYMENT_RECORDED,
        object_type="payment",
        object_id=payment.id,
        object_name=GATEWAY,
        project_id=project_id,
        after={"amount": amount, "currency": currency, "reason": reason},
    )
    return payment
