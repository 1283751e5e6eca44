"""The single point of persistence: what keeps things, behind one small interface.

`Store` is the idea: get, put and delete by key. `BaseDAO` is it over the database,
`LocalFiles` over a directory. Statements are built in the domains' dao modules and
executed here only.
"""

from __future__ import annotations

import asyncio
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Executable,
    Insert,
    Row,
    Select,
    Table,
    bindparam,
    delete,
    func,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from backend.dao.fixed import Fixed
from backend.database import Base

BATCH = 5_000
"""Rows at most that one transaction removes of what is too old."""

AnySelect = Select[*tuple[Any, ...]]
Values = tuple[type[Base], dict[str, Any]]
"""A row to insert: all its columns that have no default of the database's own, by name."""

K = TypeVar("K")
V = TypeVar("V")
M = TypeVar("M", bound=Base)


class Store(ABC, Generic[K, V]):
    @abstractmethod
    async def get(self, key: K) -> V | None: ...

    @abstractmethod
    async def put(self, key: K, value: V) -> None: ...

    @abstractmethod
    async def delete(self, key: K) -> None: ...


class BaseDAO(Store[Any, M]):
    """Persistence of one model inside the caller's transaction; it flushes and never commits."""

    model: ClassVar[type[Base]]

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def get(self, key: Any) -> M | None:
        row: Any = await self.session.get(self.model, key)
        return row

    async def get_locked(self, key: Any) -> M | None:
        """The row under a lock held until the transaction ends, freshly read.

        Rows that refer to it may be written meanwhile: its key does not change.
        """
        statement = select(self.model).where(self.model.id == key)  # type: ignore[attr-defined]
        locked = statement.with_for_update(key_share=True)
        return await self.one(locked.execution_options(populate_existing=True))

    async def put(self, key: Any, value: M) -> None:
        value.id = key  # type: ignore[attr-defined]
        await self.add(value)

    async def add(self, *rows: M) -> None:
        self.session.add_all(rows)
        await self.session.flush()

    async def insert_rows(self, *rows: Values) -> None:
        """Insert rows, of several tables too, by one statement: one round trip, and no objects to keep.

        For what every request of a kind writes; the statement is built once.
        """
        # What waits to be written comes first, as with `add`: these rows may refer to it.
        await self.session.flush()
        shapes = tuple((cast(Table, model.__table__), tuple(values)) for model, values in rows)
        parameters = {
            f"{name}_{at}": value for at, (_, values) in enumerate(rows) for name, value in values.items()
        }
        await self.session.execute(_inserting(shapes), parameters)

    async def delete(self, key: Any) -> None:
        row = await self.get(key)
        if row is not None:
            await self.session.delete(row)
            await self.session.flush()

    async def flush(self) -> None:
        await self.session.flush()

    async def one(self, statement: AnySelect) -> M | None:
        return (await self.session.execute(statement)).scalars().one_or_none()

    async def all(self, statement: AnySelect) -> Sequence[M]:
        return (await self.session.execute(statement)).scalars().all()

    async def row(self, statement: Executable, parameters: Any = None) -> Row[Any] | None:
        return (await self.session.execute(statement, parameters)).one_or_none()

    async def rows(self, statement: Executable, parameters: Any = None) -> Sequence[Row[Any]]:
        return (await self.session.execute(statement, parameters)).all()

    async def scalar(self, statement: Executable, parameters: Any = None) -> Any:
        return (await self.session.execute(statement, parameters)).scalar_one_or_none()

    async def execute(self, statement: Executable, parameters: Any = None) -> int:
        """Run a statement that returns no rows; gives how many it touched."""
        result = await self.session.execute(statement, parameters)
        return result.rowcount if isinstance(result, CursorResult) else 0

    async def run_fixed(self, statement: Fixed, values: Mapping[str, Any]) -> int:
        """`execute` for what much goes through: the driver's own cursor, in the same transaction."""
        arguments = statement.arguments(values)

        def run(session: Session) -> int:
            connection = session.connection()
            cursor = connection.connection.cursor()
            try:
                cursor.execute(statement.sql, arguments)
            except connection.dialect.loaded_dbapi.Error as error:
                raise _as_raised(connection, statement.sql, error) from error
            return cursor.rowcount

        return await self.session.run_sync(run)

    async def delete_some(self, condition: ColumnElement[bool], limit: int = BATCH) -> int:
        """Delete at most so many rows that meet the condition, passing over those that are in use."""
        key = inspect(self.model).primary_key[0]
        some = select(key).where(condition).limit(limit).with_for_update(skip_locked=True)
        return await self.execute(delete(self.model).where(key.in_(some.scalar_subquery())))

    async def try_lock(self, name: str) -> bool:
        """`lock` for those who do not wait: whether nobody else holds the name."""
        return bool(await self.scalar(select(func.pg_try_advisory_xact_lock(func.hashtextextended(name, 0)))))

    async def lock(self, name: str) -> None:
        """Serialise with everyone who asks for the same name, until this transaction ends."""
        await self.session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))

    async def notify(self, channel: str, payload: str) -> None:
        """Tell listeners, once this transaction commits; see `backend.utils.notify`."""
        await self.session.execute(
            text("SELECT pg_notify(:channel, :payload)"), {"channel": channel, "payload": payload}
        )


@lru_cache(maxsize=256)
def _inserting(shapes: tuple[tuple[Table, tuple[str, ...]], ...]) -> Insert:
    """Parameters are named by column and place, since several tables have an `id`."""
    *others, last = (
        insert(table).values({name: bindparam(f"{name}_{at}") for name in columns})
        for at, (table, columns) in enumerate(shapes)
    )
    return last.add_cte(*(one.cte(f"row_{at}") for at, one in enumerate(others)))


def _as_raised(connection: Connection, sql: str, error: Exception) -> BaseException:
    """What a statement raises that is run in the usual way."""
    dialect = connection.dialect
    away = dialect.is_disconnect(error, None, None)  # type: ignore[arg-type]
    if away:
        connection.invalidate(error)
    return DBAPIError.instance(
        *(sql, None, error, dialect.loaded_dbapi.Error),
        hide_parameters=True,
        connection_invalidated=away,
        dialect=dialect,
    )


class LocalFiles(Store[str, bytes]):
    """Files below one directory, for uploads; keys are `a/b/c` of plain names."""

    _KEY = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*", re.ASCII)

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, key: str) -> Path:
        if not self._KEY.fullmatch(key):
            raise ValueError(f"not a storage key: {key!r}")
        return self.root / key

    async def get(self, key: str) -> bytes | None:
        try:
            return await asyncio.to_thread(self._path(key).read_bytes)
        except (FileNotFoundError, IsADirectoryError):
            return None

    async def put(self, key: str, value: bytes) -> None:
        await asyncio.to_thread(self._write, self._path(key), value)

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    @staticmethod
    def _write(path: Path, value: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Its name is no key, and no other write has it.
        temporary = path.with_name(f".{os.urandom(8).hex()}.part")
        try:
            with temporary.open("wb") as file:
                file.write(value)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
