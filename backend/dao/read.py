"""Single rows for answers, in the shape that lists have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from backend.dao.base import AnySelect


async def shaped(
    session: AsyncSession, statement: AnySelect, shape: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> dict[str, Any] | None:
    row = (await session.execute(statement)).mappings().one_or_none()
    return None if row is None else shape(dict(row))
