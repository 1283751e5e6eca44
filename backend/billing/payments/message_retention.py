"""How long the messages of gateways are kept: they name people, and what came of them is in the ledger."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.payments.message_dao import MessageDAO
from backend.billing.payments.message_models import GatewayMessage, MessageState
from backend.config import get_settings
from backend.database import now


async def prune(session: AsyncSession) -> int:
    """Never one that was not applied yet."""
    before = now() - timedelta(days=get_settings().gateway_message_retention_days)
    old = and_(GatewayMessage.received_at < before, GatewayMessage.state != MessageState.RECEIVED)
    return await MessageDAO(session).delete_some(old)
