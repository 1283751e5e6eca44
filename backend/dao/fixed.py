"""A statement that is written once and run without what SQLAlchemy does around each run of one.

For the few that everything else waits for, such as a posting of the ledger: compiled here at import, prepared
by the driver once for each connection, and run inside the caller's transaction (`BaseDAO.run_fixed`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, cast

from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

_DIALECT = asyncpg_dialect()
Convert = Callable[[Any], Any]


class Fixed:
    """It returns no rows; its parameters, two at least, are given by name."""

    def __init__(self, statement: ClauseElement) -> None:
        compiled = cast(SQLCompiler, statement.compile(dialect=_DIALECT))
        # What was written into the statement itself is a parameter too.
        known: Mapping[str, Any] = compiled.params
        self.sql = str(compiled)
        names = tuple(compiled.positiontup or ())
        self._usual = {name: known[name] for name in names}
        self._in_order = itemgetter(*names)
        self._convert = [
            (at, convert) for at, name in enumerate(names) if (convert := _converter(compiled, name))
        ]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """In the order in which the statement names them."""
        arguments = list(self._in_order({**self._usual, **values}))
        for at, convert in self._convert:
            arguments[at] = convert(arguments[at])
        return arguments


def _converter(compiled: SQLCompiler, name: str) -> Convert | None:
    return cast("Convert | None", compiled.binds[name].type.dialect_impl(_DIALECT).bind_processor(_DIALECT))
