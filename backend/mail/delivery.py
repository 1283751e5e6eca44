"""Sending one letter: claim it, hand it over, write down how that went.

Whoever sends holds a lease and the number of the attempt. Killed anywhere, it loses nothing: the lease
runs out, the relay queues the letter again. SMTP has no transaction, so a letter can come twice, in one
case: the server has taken it, and its answer, or our note of that, was lost (worker killed, connection
cut, time over, database away for longer than the lease). Such letters bear the same Message-ID.

What is in a letter is erased once it was sent or refused. One that was given up because servers were away
is kept until it is a day old, sealed, so that the operator may repair the servers and try it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from jinja2 import TemplateError
from loguru import logger
from sqlalchemy import Row

from backend.config import Settings
from backend.database import LOST, Database, now
from backend.mail.catalogue import Channel, Values, template_of
from backend.mail.dao import LetterDAO
from backend.mail.models import LetterState
from backend.mail.outbox import unseal
from backend.mail.rendering import Rendered, render
from backend.mail.transports import Attached, DeliveryError, Outgoing, Transports
from backend.utils.crypto import SealBroken

Attach = Callable[[Values], Awaitable[Attached]]
"""Makes a file of a letter's values, each time that it is sent."""
BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 900, 1800, 3600, 7200))
MAX_ATTEMPTS = len(BACKOFF) + 1
PROBE = timedelta(minutes=1)
"""While a server is away one letter at a time asks whether it is back; the others wait at most this long."""
KEPT = timedelta(days=1)
"""How old a letter may be when it is sent."""
_LONGEST_SUBJECT = 200
_LONGEST_ERROR = 400


async def deliver(
    letter_id: UUID,
    database: Database,
    transports: Transports,
    settings: Settings,
    attach: Mapping[str, Attach] = MappingProxyType({}),
) -> None:
    """`attach` has the makers of files that go with letters, by template.

    Never raises for what the server did; raises database errors, which the relay makes good."""
    lease = timedelta(seconds=settings.letter_lease_seconds)
    row = await _claim(letter_id, database, transports, lease)
    if row is None:
        return
    error = None
    try:
        ended = await _sent(row, transports, settings, lease, attach.get(row.template))
        logger.info("{} {} {} sent", row.channel, row.id, row.template)
    except DeliveryError as caught:
        error, ended = caught, _not_sent(row, caught)
        logger.warning(
            "{} {} {} not sent, attempt {}: {}, {}",
            *(row.channel, row.id, row.template, row.attempts, error.code, ended["state"].value),
        )
    async with database.transaction() as session:
        if not await LetterDAO(session).settle(row.id, row.attempts, **ended):
            logger.warning("{} {} was taken up by another worker meanwhile", row.channel, row.id)
    if error is not None and error.about_server:
        async with database.transaction() as session:
            until = min(ended.get("due_at", now()), now() + PROBE)
            await LetterDAO(session).postpone(row.channel, until)


async def _claim(
    letter_id: UUID, database: Database, transports: Transports, lease: timedelta
) -> Row[Any] | None:
    async with database.transaction() as session:
        dao = LetterDAO(session)
        if await dao.channel_of(letter_id) in transports:
            return await dao.claim(letter_id, lease)
        await dao.hold(letter_id)
        return None


async def _sent(
    row: Row[Any], transports: Transports, settings: Settings, lease: timedelta, attach: Attach | None
) -> dict[str, Any]:
    rendered = _rendered(row, settings)
    attached = await _attached(row, attach) if attach is not None else None
    outgoing = Outgoing(row.id, row.template, row.locale, row.recipient, rendered, attached)
    try:
        async with asyncio.timeout((lease / 2).total_seconds()):
            message_id = await transports[Channel(row.channel)].send(outgoing)
    except TimeoutError as error:
        raise DeliveryError("timed_out", "", final=False) from error
    return {
        "state": LetterState.SENT,
        "sent_at": now(),
        "content": None,
        "subject": rendered.subject and rendered.subject[:_LONGEST_SUBJECT],
        "message_id": message_id,
        "error_code": None,
        "error": None,
    }


def _rendered(row: Row[Any], settings: Settings) -> Rendered:
    try:
        template = template_of(row.template, Channel(row.channel))
        values = unseal(row.id, row.content)
        return render(template, row.locale, values, panel_url=settings.panel_url, recipient=row.recipient)
    except SealBroken as error:
        raise DeliveryError("not_readable", "sealed with another SECRET_KEY", final=True) from error
    except (TemplateError, ValueError) as error:
        logger.error("{} cannot be rendered: {}", row.template, type(error).__name__)
        raise DeliveryError("not_rendered", type(error).__name__, final=False) from error


async def _attached(row: Row[Any], attach: Attach) -> Attached:
    try:
        return await attach(unseal(row.id, row.content))
    except LOST:
        raise
    except Exception as error:
        logger.opt(exception=error).error("what goes with {} {} cannot be made", row.template, row.id)
        raise DeliveryError("not_rendered", type(error).__name__, final=False) from error


def _not_sent(row: Row[Any], error: DeliveryError) -> dict[str, Any]:
    said: dict[str, Any] = {"error_code": error.code, "error": error.words[:_LONGEST_ERROR] or None}
    if error.final:
        return {**said, "state": LetterState.FAILED, "content": None}
    if row.attempts >= MAX_ATTEMPTS:
        return {**said, "state": LetterState.FAILED}
    later = now() + BACKOFF[row.attempts - 1]
    return {**said, "state": LetterState.QUEUED, "due_at": later, "published_at": None}
