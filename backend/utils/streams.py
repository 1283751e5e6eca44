"""Live streams: wait for a notice, read again, send what is new."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from backend.utils.notify import Notices

LONGEST_SECONDS = 900
"""After this the client connects anew, with a token that is still good."""


async def changes(
    notices: Notices, channel: str, payload: str, *, patience: float = 5.0
) -> AsyncIterator[None]:
    """Yields at once, then after each notice, and every `patience` seconds in case one was missed."""
    end = time.monotonic() + LONGEST_SECONDS
    with notices.subscribed(channel, payload) as noticed:
        while time.monotonic() < end:
            noticed.clear()
            yield
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(noticed.wait(), patience)
