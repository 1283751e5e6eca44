"""Letting an application write to its database, and then having none of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import async_sessionmaker

from backend.database import Database


@asynccontextmanager
async def undone(database: Database) -> AsyncIterator[None]:
    """Transactions inside share one connection, are kept as savepoints and rolled back at the end.

    Whoever reads by other connections (lists, the principal) sees the database as it was before;
    one request at a time.
    """
    kept = database._sessions
    async with database.engine.connect() as connection:
        everything = await connection.begin()
        database._sessions = async_sessionmaker(
            bind=connection, expire_on_commit=False, autoflush=False, join_transaction_mode="create_savepoint"
        )
        try:
            yield
        finally:
            database._sessions = kept
            await everything.rollback()
