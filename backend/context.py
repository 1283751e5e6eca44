"""What a request works with: the process's long-lived parts, and one transaction of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import Settings
from backend.database import Database
from backend.engines.base import Engine
from backend.jobs.publisher import Publisher
from backend.utils.notify import Notices


@dataclass(slots=True)
class Parts:
    """Made once at start-up by `backend.main.create_app`, kept at `app.state.parts`."""

    settings: Settings
    database: Database
    notices: Notices
    publisher: Publisher
    engine: Engine

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Committed at its end; what it accepted (jobs, letters) is published right after.

        For capabilities that must not hold one while they hash, or that commit although they refuse.
        """
        async with self.database.transaction() as session:
            yield session
        self.publisher.publish_soon(session)


async def get_parts(request: Request) -> Parts:
    # A plain function would be sent through a thread for each request.
    return request.app.state.parts


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """One transaction: committed before the response leaves, rolled back on any error.

    Jobs that were accepted in it are published right after the commit.
    """
    parts = await get_parts(request)
    async with parts.transaction() as session:
        yield session


PartsDep = Annotated[Parts, Depends(get_parts)]
SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]
