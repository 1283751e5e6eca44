"""Messages of gateways: kept as they came, then applied once, whichever order and number they come in.

Only that something happened is taken from a message. What happened is asked of the gateway, so that the
last message and the first lead to the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import orjson
from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.payments import disputing, refunding, setting_up, settling
from backend.billing.payments.dao import PaymentDAO, SetupDAO
from backend.billing.payments.desk import Desk
from backend.billing.payments.gateways.base import (
    OPERATOR,
    About,
    Gateway,
    GatewayError,
    GatewayRefused,
    Notice,
    Tampered,
)
from backend.billing.payments.gateways.registry import inbox_of
from backend.billing.payments.message_dao import MessageDAO
from backend.billing.payments.message_models import GatewayMessage, MessageState
from backend.billing.payments.models import Payment
from backend.config import Settings
from backend.database import now
from backend.exceptions import BadRequest, NotFound
from backend.jobs.publisher import publish_later
from backend.utils.crypto import Vault
from backend.utils.ids import new_id

APPLY = "payments.apply"
QUEUE = "billing"
PATIENCE = timedelta(days=3)
_PURPOSE = "gateway messages"
_SECRET = (
    *("secret", "number", "cvc", "email", "phone", "name", "address", "ip", "iban", "fingerprint"),
    *("billing_details", "customer_details", "shipping", "url"),
)
_MASK = "•••"


def read(settings: Settings, gateway: str, headers: Mapping[str, str], body: bytes, address: str) -> Notice:
    """Raises `NotFound` for a gateway that is not configured, `BadRequest` for what it did not send."""
    inbox = inbox_of(settings, gateway)
    if inbox is None:
        raise NotFound("There is no such payment gateway.")
    try:
        return inbox.read(headers, body, address)
    except Tampered:
        raise BadRequest("This did not come from the gateway.", code="message_not_genuine") from None


async def keep(
    session: AsyncSession, settings: Settings, gateway: str, notice: Notice, body: bytes
) -> UUID | None:
    """None for a copy. What is kept is applied by a worker right after, or by the next poll."""
    message_id = new_id()
    sealed = _vault(settings).seal(body.decode("utf-8", "replace"), str(message_id))
    ignored = notice.about is About.OTHER
    kept = await MessageDAO(session).keep(
        id=message_id,
        gateway=gateway,
        event_id=notice.event_id,
        kind=notice.kind,
        about=notice.about,
        ref=notice.ref,
        owner=notice.owner,
        body=sealed,
        state=MessageState.IGNORED if ignored else MessageState.RECEIVED,
        received_at=now(),
        copies=1,
        attempts=0,
        next_try_at=now(),
    )
    if kept is not None and not ignored:
        publish_later(session, APPLY, kept, QUEUE)
    return kept


def masked(settings: Settings, message: GatewayMessage) -> object:
    """The message as it came, without what is nobody's business."""
    return _masked(orjson.loads(_vault(settings).open(message.body, str(message.id))))


async def apply(desk: Desk, message_id: UUID) -> None:
    """Never raises for what the gateway does; the poll tries again."""
    async with desk.database.transaction() as session:
        message = await MessageDAO(session).get(message_id)
    if message is None or message.state != MessageState.RECEIVED:
        return
    try:
        state, payment_id = await _applied(desk, message)
    except GatewayRefused as refused:
        if refused.code in OPERATOR:
            logger.error("{} cannot be asked about its message {}: {}", *_named(message), refused.code)
            return
        logger.warning("{} does not know what its message {} is about: {}", *_named(message), refused.code)
        state, payment_id = MessageState.UNKNOWN, None
    except GatewayError as error:
        logger.warning("{} could not be asked about its message {}: {}", *_named(message), error)
        return
    if state is MessageState.RECEIVED:
        return
    async with desk.database.transaction() as session:
        dao = MessageDAO(session)
        row = await dao.get_locked(message_id)
        assert row is not None
        row.state, row.payment_id, row.applied_at = state, payment_id, now()
        await dao.flush()


async def _applied(desk: Desk, message: GatewayMessage) -> tuple[MessageState, UUID | None]:
    """Raises `GatewayError`."""
    if message.about == About.SETUP:
        return await _applied_setup(desk, message), None
    gateway = desk.gateways.named(message.gateway)
    if message.ref is None:
        return MessageState.UNKNOWN, None
    if message.about == About.DISPUTE:
        dispute = await gateway.look_dispute(message.ref)
        payment = await _payment(desk, message.gateway, dispute.charge_ref)
        if payment is None:
            return _later(message), None
        async with desk.transaction() as session:
            await disputing.apply(session, await _locked(session, payment.id), dispute)
        return MessageState.APPLIED, payment.id
    if message.about == About.REFUND:
        payment = await _payment(desk, message.gateway, message.ref, message.owner)
        if payment is None:
            return _later(message), None
        refunds = await gateway.refunds_of(message.ref)
        async with desk.transaction() as session:
            placed = await refunding.apply_all(session, await _locked(session, payment.id), refunds)
        return MessageState.APPLIED if placed else _later(message), payment.id
    return await _applied_payment(desk, gateway, message)


def _later(message: GatewayMessage) -> MessageState:
    """What it is about may be on its way: a refund may be told of before its payment."""
    return MessageState.RECEIVED if now() - message.received_at < PATIENCE else MessageState.UNKNOWN


async def _applied_payment(
    desk: Desk, gateway: Gateway, message: GatewayMessage
) -> tuple[MessageState, UUID | None]:
    assert message.ref is not None
    payment = await _payment(desk, message.gateway, message.ref, message.owner)
    if payment is None:
        return MessageState.UNKNOWN, None
    # A page of the gateway's is asked about as such, not about the charge that came of it.
    facts = await gateway.look(payment.gateway_ref or message.ref)
    if facts.payment_id != payment.id:
        logger.error("{}: message {} is about somebody else's payment", *_named(message))
        return MessageState.UNKNOWN, None
    async with desk.transaction() as session:
        await settling.apply(session, await _locked(session, payment.id), facts)
    return MessageState.APPLIED, payment.id


async def _applied_setup(desk: Desk, message: GatewayMessage) -> MessageState:
    if message.owner is None or message.ref is None:
        return MessageState.UNKNOWN
    async with desk.database.transaction() as session:
        known = await SetupDAO(session).get(message.owner)
    if known is None or known.gateway != message.gateway:
        return MessageState.UNKNOWN
    facts = await desk.gateways.named(message.gateway).look_setup(message.ref)
    async with desk.transaction() as session:
        setup = await SetupDAO(session).get_locked(known.id)
        assert setup is not None
        await setting_up.settle(session, setup, facts)
    return MessageState.APPLIED


async def _payment(desk: Desk, gateway: str, ref: str, owner: UUID | None = None) -> Payment | None:
    """Of that gateway, by its name there or, while we do not know that yet, by ours."""
    async with desk.database.transaction() as session:
        dao = PaymentDAO(session)
        found = await dao.by_ref(gateway, ref)
        if found is None and owner is not None:
            found = await dao.get(owner)
    return found if found is not None and found.gateway == gateway else None


async def _locked(session: AsyncSession, payment_id: UUID) -> Payment:
    payment = await PaymentDAO(session).get_locked(payment_id)
    assert payment is not None
    return payment


def _named(message: GatewayMessage) -> tuple[str, str]:
    return message.gateway, message.kind


def _masked(value: object, name: str = "", *, hide: bool = False) -> object:
    hide = hide or any(name == word or name.endswith(f"_{word}") for word in _SECRET)
    if isinstance(value, dict):
        return {key: _masked(one, key, hide=hide) for key, one in value.items()}
    if isinstance(value, list):
        return [_masked(one, hide=hide) for one in value]
    return _MASK if hide and isinstance(value, str) else value


def _vault(settings: Settings) -> Vault:
    return Vault(settings.master_key, _PURPOSE)
