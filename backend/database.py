"""The database: SQLAlchemy's engine for everything, and a bare asyncpg pool for hot reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy import DateTime, MetaData, event, func
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as SQLAlchemyTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backend.config import Settings
from backend.utils.ids import new_id


class Base(DeclarativeBase):
    """Relationships of the models declare `lazy="raise"`: what a query needs, it says."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {datetime: DateTime(timezone=True)}


Id = Annotated[UUID, mapped_column(primary_key=True, default=new_id)]


def now() -> datetime:
    return datetime.now(UTC)


_AWAY = (
    ConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
LOST = (DBAPIError, OSError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What statements raise while the database goes away, for those who can wait for it."""


def is_away(error: BaseException) -> bool:
    """Whether the error says that the database cannot be reached now, rather than what it was asked."""
    if isinstance(error, SQLAlchemyTimeout | asyncpg.QueryCanceledError):
        return True
    if isinstance(error, DBAPIError):
        causes = (error.orig, error.orig and error.orig.__cause__)
        return error.connection_invalidated or any(cause and is_away(cause) for cause in causes)
    if isinstance(error, ValueError):
        # asyncpg refuses an argument before it is sent.
        return False
    # Of the file errors only that of a socket: it names no file.
    missing_socket = isinstance(error, FileNotFoundError) and error.filename is None
    return isinstance(error, _AWAY) or missing_socket


class Timestamps:
    created_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now(), onupdate=now)


class _PooledConnection(asyncpg.Connection):
    # Readers change no session state, so the round trip that resets it is spared.
    def get_reset_query(self) -> str:
        return ""


async def _prepare_reader(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("uuid", schema="pg_catalog", encoder=str, decoder=str, format="text")
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=orjson.loads)


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """A connection that the server ended is replaced before it is used.

    asyncpg knows as soon as the socket says so; SQLAlchemy's own ping would cost every
    transaction three round trips.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the server ended the connection")


class Database:
    """One per process (and per event loop): open it, use it, close it."""

    def __init__(self, settings: Settings, *, pool_size: int | None = None, idle: bool = False) -> None:
        """`idle`: its event loop stands still at times, and sees no connection end meanwhile."""
        self._dsn = settings.database_url.get_secret_value()
        size = pool_size or settings.database_pool_size
        self._size = size
        self.engine = create_async_engine(
            settings.sqlalchemy_url(),
            pool_size=size,
            max_overflow=0,
            pool_pre_ping=idle,
            # Errors are logged, and what a statement was given may be a secret.
            hide_parameters=True,
            connect_args={"timeout": 10, "command_timeout": 60},
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False, autoflush=False)
        self._singles = async_sessionmaker(
            self.engine.execution_options(isolation_level="AUTOCOMMIT"),
            expire_on_commit=False,
            autoflush=False,
        )
        self._reader: asyncpg.Pool | None = None

    async def reader(self) -> asyncpg.Pool:
        """Autocommit connections for reading only; uuids arrive as text."""
        if self._reader is None:
            self._reader = await asyncpg.create_pool(
                self._dsn,
                min_size=1,
                max_size=self._size,
                connection_class=_PooledConnection,
                init=_prepare_reader,
                server_settings={"default_transaction_read_only": "on"},
                command_timeout=30,
            )
        return self._reader

    def session(self) -> AsyncSession:
        return self._sessions()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Commits at the end, rolls back on any error. Never hold it over a network call."""
        session = self._sessions()
        try:
            yield session
            await session.commit()
        except BaseException:
            # To its end, even if whoever waits for it is called off once more.
            await asyncio.shield(session.close())
            raise
        # Its connection was given back by the commit: nothing is left to wait for.
        session.sync_session.close()

    @asynccontextmanager
    async def single(self) -> AsyncIterator[AsyncSession]:
        """For a single statement, which is a transaction by itself: it spares the two round trips that
        begin and end one."""
        async with self._singles() as session:
            yield session

    async def listen(self) -> asyncpg.Connection:
        """A connection of its own for LISTEN; the caller closes it."""
        return await asyncpg.connect(self._dsn, timeout=10)

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.terminate()
        await self.engine.dispose()
