"""Letters about payments, to whoever gets the project's invoices."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.invoices.parties import buyer_of
from backend.billing.money import formatted
from backend.billing.payments.models import AutoTopUp, Dispute, Payment
from backend.config import get_settings
from backend.mail import outbox


async def received(session: AsyncSession, payment: Payment) -> None:
    await _write(
        session,
        payment.project_id,
        "payment_received",
        {"amount": (payment.amount, payment.currency)},
        method=payment.method_words or "",
    )


async def disputed(session: AsyncSession, payment: Payment, dispute: Dispute) -> None:
    await _write(
        session, payment.project_id, "payment_disputed", {"amount": (dispute.amount, payment.currency)}
    )


async def automatic_failed(session: AsyncSession, wish: AutoTopUp, code: str) -> None:
    """`code` is why it stopped; what a person can do about it differs in one case only."""
    await _write(
        session,
        wish.project_id,
        "auto_top_up_failed",
        {"amount": (wish.amount, wish.currency)},
        reason="authentication" if code == "authentication_required" else "declined",
    )


async def ceiling_met(session: AsyncSession, wish: AutoTopUp) -> None:
    await _write(
        session,
        wish.project_id,
        "auto_top_up_ceiling",
        {"amount": (wish.amount, wish.currency), "limit": (wish.monthly_limit, wish.currency)},
    )


async def _write(
    session: AsyncSession,
    project_id: UUID,
    template: str,
    amounts: dict[str, tuple[int, str]],
    **values: str,
) -> None:
    buyer = await buyer_of(session, project_id)
    if (to := buyer.recipient) is None:
        return
    words = {name: formatted(minor, currency, to.locale) for name, (minor, currency) in amounts.items()}
    url = f"{get_settings().panel_url}/billing/payments?project={project_id}"
    project = str(buyer.printed["project"])
    await outbox.write(
        session,
        template,
        to=to.email,
        locale=to.locale,
        user_id=to.user_id,
        name=to.name,
        project=project,
        url=url,
        **words,
        **values,
    )
