"""One console from its ticket to its record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

from loguru import logger

from backend.audit.actor import Actor
from backend.consoles import ending, standing, tickets
from backend.consoles.relay import Bounds, Relay, Wire
from backend.consoles.tickets import Admitted
from backend.context import Parts
from backend.database import is_away
from backend.oauth.announcements import CHANNEL, EVERYONE


async def admit(parts: Parts, ticket: str, actor: Actor) -> Admitted | None:
    """None for a ticket that is not good, or of somebody who may no longer."""
    async with parts.transaction() as session:
        console = await tickets.redeem(session, ticket, actor)
    if console is None:
        return None
    if (why := await standing.trouble(parts.database, console)) is not None:
        await over(parts, console, why, actor)
        return None
    return console


async def serve(
    parts: Parts,
    console: Admitted,
    wire: Wire,
    columns: int,
    rows: int,
    opened: Callable[[], Awaitable[None]],
) -> str:
    """Give the terminal until it is over; why it is. Raises `EngineError` when there is none to give."""
    terminal = await parts.engine.terminal(
        str(console.deployment_id), console.process, console.replica, columns=columns, rows=rows
    )
    settings = parts.settings
    bounds = Bounds(settings.console_idle_minutes * 60, settings.console_longest_minutes * 60)

    async def trouble() -> str | None:
        try:
            await standing.touch(parts.database, console)
            return await standing.trouble(parts.database, console)
        except Exception as error:
            if not is_away(error):
                raise
            # Nobody knows whether they still may.
            return "unavailable"

    try:
        await opened()
        with ExitStack() as stack:
            # One event for all that may be about them.
            about = (str(console.user_id), str(console.session_id), EVERYONE)
            noticed = asyncio.Event()
            for who in about:
                stack.enter_context(parts.notices.subscribed(CHANNEL, who, noticed))
            return await Relay(terminal, wire, bounds, trouble=trouble, noticed=noticed).run()
    finally:
        await asyncio.shield(terminal.close())


async def over(parts: Parts, console: Admitted, why: str, actor: Actor) -> None:
    """On record; what cannot be written now is found out later."""
    try:
        async with parts.transaction() as session:
            await ending.close(session, console.id, why, actor=actor)
    except Exception as error:
        if not is_away(error):
            raise
        logger.warning("the end of console {} is not on record yet", console.id)
