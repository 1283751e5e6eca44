"""Lists: one declared set of filters and sorts each, filled by keyset, as JSON in one pass.

A list request is the hottest there is, so its statement is compiled once per shape (which filters,
which sort, which direction), runs on a bare asyncpg connection and goes to orjson without models
in between. Page 1,000 costs what page 1 costs. The cursor is opaque: direction, sort, the edge
row's sort value and id.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from fastapi_pagination.cursor import CursorPage
from fastapi_pagination.customization import CustomizedPage, UseExcludedFields, UseIncludeTotal, UseName
from sqlalchemy import ColumnElement, bindparam, tuple_
from sqlalchemy.dialects.postgresql import asyncpg as dialect

from backend.dao.base import AnySelect
from backend.exceptions import BadRequest
from backend.utils.json import to_json

DIALECT = dialect.dialect(paramstyle="numeric_dollar")

Page = CustomizedPage[CursorPage, UseIncludeTotal(False), UseExcludedFields("total"), UseName("Page")]
"""The document's name for a page of anything: `Page[ServiceView]`."""

Shape = tuple[frozenset[str], str, bool]
Compiled = tuple[str, tuple[str, ...], dict[str, Any]]


def _words(value: Any) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError("not a text that the database could hold")
    return value


def whole(value: Any) -> int:
    if type(value) is not int or abs(value) >= 2**31:
        raise ValueError("not a number of the database")
    return value


def moment(value: Any) -> datetime:
    return datetime.fromisoformat(value).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Sort:
    column: Any
    parse: Callable[[Any], Any] = _words
    """From the cursor's JSON back to what the column compares with; anybody may write a cursor."""


@dataclass(frozen=True, slots=True)
class Query:
    """What one request asks for: values of the present filters, the sort (`-` is descending), the page."""

    sort: str
    size: int
    cursor: str | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)


class Listing:
    """`select` yields the columns and is bound by `filters[name](bindparam)`; `id_column` breaks ties."""

    def __init__(
        self,
        select: AnySelect,
        *,
        id_column: Any,
        filters: Mapping[str, Callable[[Any], ColumnElement[bool]]],
        sorts: Mapping[str, Sort],
        shape: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        self._select = select
        self._id = id_column
        self._filters = filters
        self._sorts = sorts
        self._shape = shape or _plain
        self._compile = lru_cache(maxsize=256)(self._compile_shape)

    async def page(self, pool: asyncpg.Pool, query: Query) -> bytes:
        """The JSON of one page. Raises `BadRequest` for a cursor that is not ours."""
        backwards, after = _read_cursor(query.cursor, self._place(query))
        sql, values = self._bound(query, backwards, after)
        rows: Sequence[Any] = await pool.fetch(sql, *values)
        return self._render(list(rows), query, backwards, after is not None)

    async def walk(self, pool: asyncpg.Pool, query: Query) -> AsyncIterator[list[dict[str, Any]]]:
        """All rows to the last, in lists of at most `query.size`; no connection is held between two."""
        while True:
            sql, values = self.statement(query)
            rows: Sequence[Any] = await pool.fetch(sql, *values)
            yield [self._shape(row) for row in rows[: query.size]]
            if len(rows) <= query.size:
                return
            query = replace(query, cursor=_cursor("n", self._place(query), rows[query.size - 1]))

    def statement(self, query: Query) -> tuple[str, list[Any]]:
        """What `page` sends to the database: SQL and parameters. It asks for one row more than the page."""
        return self._bound(query, *_read_cursor(query.cursor, self._place(query)))

    def _bound(self, query: Query, backwards: bool, after: tuple[Any, str] | None) -> tuple[str, list[Any]]:
        filters = {name: value for name, value in query.filters.items() if value is not None}
        sql, names, constants = self._compile((frozenset(filters), query.sort, backwards), after is not None)
        values = {**constants, **filters, "limit_": query.size + 1}
        if after is not None:
            try:
                values["after_value"] = self._sorts[query.sort.lstrip("-")].parse(after[0])
                values["after_id"] = str(UUID(after[1]))
            except (ValueError, TypeError, OverflowError):
                raise _bad_cursor() from None
        return sql, [values[name] for name in names]

    def _place(self, query: Query) -> str:
        """What a cursor is for: which rows, in which order."""
        return f"{self._id.table.name}:{query.sort}"

    def _render(self, rows: list[Any], query: Query, backwards: bool, inner: bool) -> bytes:
        more, place = len(rows) > query.size, self._place(query)
        del rows[query.size :]
        if backwards:
            rows.reverse()
        following = (rows and (more or backwards)) and _cursor("n", place, rows[-1])
        previous = (rows and (more if backwards else inner)) and _cursor("p", place, rows[0])
        return to_json(
            {
                "items": [self._shape(row) for row in rows],
                "current_page": query.cursor,
                "current_page_backwards": None,
                "previous_page": previous or None,
                "next_page": following or None,
            }
        )

    def _compile_shape(self, shape: Shape, inner: bool) -> Compiled:
        names, sort, backwards = shape
        column = self._sorts[sort.lstrip("-")].column
        descending = sort.startswith("-") != backwards
        statement = self._select.add_columns(column.label("sort_value_"))
        for name in sorted(names):
            statement = statement.where(self._filters[name](_value(name)))
        if inner:
            edge = tuple_(_value("after_value", column.type), _value("after_id", self._id.type))
            here = tuple_(column, self._id)
            statement = statement.where(here < edge if descending else here > edge)
        order = (column.desc(), self._id.desc()) if descending else (column.asc(), self._id.asc())
        statement = statement.order_by(*order).limit(_value("limit_"))
        compiled = statement.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})
        return str(compiled), tuple(compiled.positiontup or ()), dict(compiled.params)


def _value(name: str, kind: Any = None) -> Any:
    return bindparam(name, type_=kind, required=False)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "sort_value_"}


def _cursor(direction: str, place: str, row: Any) -> str:
    raw = orjson.dumps([direction, place, row["sort_value_"], str(row["id"])])
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _read_cursor(cursor: str | None, place: str) -> tuple[bool, tuple[Any, str] | None]:
    if not cursor:
        return False, None
    try:
        raw = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        direction, made_for, value, identity = raw
    except (binascii.Error, ValueError, TypeError):
        raise _bad_cursor() from None
    if direction not in ("n", "p") or made_for != place or not isinstance(identity, str):
        raise _bad_cursor()
    return direction == "p", (value, identity)


def _bad_cursor() -> BadRequest:
    return BadRequest("The cursor is not one of this list and sort.", code="bad_cursor")
