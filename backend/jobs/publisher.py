"""Publishing accepted work to the broker, after its transaction committed: jobs, and letters to send.

Only the fast way: whatever is not published here (broker down, process killed) is found
by a relay, because the row in `jobs` or `letters` is the outbox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

_ACCEPTED = "accepted"
"""Key in `session.info`: what this transaction accepted."""

Accepted = tuple[str, UUID, str]
"""The task, the id of the row that it takes, the queue."""
Send = Callable[[str, UUID, str], None]


def publish_later(session: AsyncSession, task: str, row_id: UUID, queue: str) -> None:
    """Have the task sent once the session's transaction has committed."""
    session.info.setdefault(_ACCEPTED, []).append((task, row_id, queue))


class Publisher:
    """kombu blocks, so it gets a thread of its own and never the event loop."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="publisher")

    def publish_soon(self, session: AsyncSession) -> None:
        accepted = session.info.pop(_ACCEPTED, ())
        if accepted:
            self._thread.submit(self._publish, tuple(accepted))

    def _publish(self, accepted: Iterable[Accepted]) -> None:
        for task, row_id, queue in accepted:
            try:
                self._send(task, row_id, queue)
            except Exception as error:
                logger.warning("{} {} waits for the relay: {}", task, row_id, type(error).__name__)

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)
