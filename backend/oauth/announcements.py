"""Telling every process that what it remembers of an identity is stale."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID
from weakref import WeakSet

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from backend.oauth.dao import SessionDAO

CHANNEL = "identity"
EVERYONE = "*"


class Memory(Protocol):
    def forget(self, who: str) -> None: ...


_here: WeakSet[Memory] = WeakSet()


def remembers(memory: Memory) -> None:
    """Of this process: it is told with the commit, before whoever asked has an answer and asks again."""
    _here.add(memory)


async def announce(session: AsyncSession, who: UUID | str) -> None:
    """Call it in the transaction that changes a user, a role, a membership or a session.

    `who` is the id of the user or of the OAuth session, or `EVERYONE`.
    """
    await SessionDAO(session).notify(CHANNEL, str(who))

    def committed(_: Session) -> None:
        for memory in tuple(_here):
            memory.forget(str(who))

    event.listen(session.sync_session, "after_commit", committed, once=True)
