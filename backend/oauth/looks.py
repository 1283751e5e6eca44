"""What supporters look at in other people's accounts, for the record."""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

from backend.audit.actions import Action
from backend.audit.actor import Actor
from backend.audit.trail import Result, record
from backend.database import Database

REMEMBERED = 10_000
"""Places at most; the oldest is noted again."""


class Looks:
    """Notes what is looked at, each place once a session: pages ask again every few seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: OrderedDict[tuple[UUID | None, str], None] = OrderedDict()

    async def note(self, actor: Actor, method: str, path: str, result: Result) -> None:
        place = (actor.session_id, f"{method} {path}"[:200])
        if place in self._noted:
            return
        async with self._database.transaction() as session:
            await record(
                session,
                Action.VIEW_AS_LOOKED,
                object_type="request",
                object_name=place[1],
                result=result,
                actor=actor,
            )
        self._noted[place] = None
        if len(self._noted) > REMEMBERED:
            self._noted.popitem(last=False)
