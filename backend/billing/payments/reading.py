"""Payments with what came of them, as they are shown."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.payments import messages
from backend.billing.payments.dao import DisputeDAO, PaymentDAO, RefundDAO, SetupDAO
from backend.billing.payments.message_dao import MessageDAO
from backend.billing.payments.views import (
    line_of,
    payment_of,
    shape_dispute,
    shape_for_administrators,
    shape_line,
    shape_refund,
)
from backend.config import Settings
from backend.dao.read import shaped
from backend.exceptions import NotFound


async def setup(session: AsyncSession, project_id: UUID, setup_id: UUID) -> dict[str, Any]:
    """Raises `NotFound`."""
    found = await SetupDAO(session).of(project_id, setup_id)
    if found is None:
        raise NotFound("There is no such payment method.")
    names = ("id", "gateway", "state", "action_url", "failure_code", "method_id")
    return {name: getattr(found, name) for name in names}


async def whole(session: AsyncSession, payment_id: UUID) -> dict[str, Any]:
    """For administrators. Raises `NotFound`."""
    found = await shaped(session, payment_of(payment_id), shape_for_administrators)
    if found is None:
        raise NotFound("There is no such payment.")
    payment = await PaymentDAO(session).get(payment_id)
    assert payment is not None
    refunds = await RefundDAO(session).all_of(payment_id)
    disputes = await DisputeDAO(session).all_of(payment_id)
    return found | {
        "taken_amount": payment.taken_amount,
        "taken_currency": payment.taken_currency,
        "refunds": [shape_refund(one) for one in refunds],
        "disputes": [shape_dispute(one) for one in disputes],
    }


async def line(session: AsyncSession, line_id: UUID) -> dict[str, Any] | None:
    return await shaped(session, line_of(line_id), shape_line)


async def message(session: AsyncSession, settings: Settings, message_id: UUID) -> dict[str, Any]:
    """Raises `NotFound`."""
    found = await MessageDAO(session).get(message_id)
    if found is None:
        raise NotFound("There is no such message.")
    names = (
        "id",
        "gateway",
        "kind",
        "state",
        "copies",
        "attempts",
        "payment_id",
        "received_at",
        "applied_at",
    )
    return {name: getattr(found, name) for name in names} | {"body": messages.masked(settings, found)}
