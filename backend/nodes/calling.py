"""What an engine says against a request about nodes, as the API says it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from backend.engines.base import Engine, EngineError
from backend.exceptions import Conflict, NotFound, Unavailable

T = TypeVar("T")

ABILITY = "nodes"
WITHIN = 20.0


def supported(engine: Engine) -> None:
    if ABILITY not in engine.abilities:
        raise Conflict("This installation runs on one machine.", code="not_supported_here")


async def asked(question: Awaitable[T]) -> T:
    try:
        return await asyncio.wait_for(question, WITHIN)
    except EngineError as error:
        if error.code == "node_missing":
            raise NotFound(error.message) from None
        if error.code == "node_conflict":
            raise Conflict(error.message, code=f"node_{error.parameters.get('detail', 'conflict')}") from None
        raise Unavailable(error.message, code="engine_unavailable") from None
    except TimeoutError:
        raise Unavailable("The engine does not answer in time.", code="engine_unavailable") from None
