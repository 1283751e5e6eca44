"""Whether a repository can be read, asked before anything is deployed. No transaction is open meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

from backend.config import Settings
from backend.engines import fetching
from backend.engines.base import Access, Engine, EngineError
from backend.exceptions import Unavailable

SECONDS = 15.0
AT_ONCE = 4
"""Of one process; each is a child of its own."""
PATIENCE = 5.0

_places = asyncio.Semaphore(AT_ONCE)


async def check(
    settings: Settings, engine: Engine, url: str, ref: str | None, access: Access | None, image: str | None
) -> dict[str, Any]:
    """What `SourceCheck` shows. Raises `Unavailable` when too many are asked at once."""
    try:
        await asyncio.wait_for(_places.acquire(), PATIENCE)
    except TimeoutError:
        message = "Too many repositories are being checked. Please try again in a moment."
        raise Unavailable(message, code="source_checks_busy", headers={"Retry-After": "5"}) from None
    try:
        if image is not None:
            found = await fetching.look_at_image(
                image,
                access,
                architecture=await engine.architecture(),
                allowed_private=settings.git_allowed_private,
                max_bytes=settings.image_max_bytes,
                timeout=SECONDS,
            )
        else:
            found = await fetching.look(
                url, ref, access, allowed_private=settings.git_allowed_private, timeout=SECONDS
            )
    except EngineError as error:
        return {
            "readable": False,
            "kind": None,
            "commit": None,
            "digest": None,
            "host_key": None,
            "reason_code": error.code,
            "reason": error.message,
            "reason_parameters": error.parameters or None,
        }
    finally:
        _places.release()
    return {
        "readable": True,
        "kind": found.kind,
        "commit": found.commit,
        "digest": found.digest,
        "host_key": found.host_key and found.host_key.partition(" ")[2],
        "reason_code": None,
        "reason": None,
        "reason_parameters": None,
    }
