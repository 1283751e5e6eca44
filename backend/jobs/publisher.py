"""Publishing accepted jobs to the broker, after their transaction committed.

Only the fast way: whatever is not published here (broker down, process killed) is found
by the relay, because the row in `jobs` is the outbox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

ACCEPTED = "accepted_jobs"
"""Key in `session.info`: the (id, queue) of the jobs that this transaction accepted."""

Send = Callable[[UUID, str], None]


class Publisher:
    """kombu blocks, so it gets a thread of its own and never the event loop."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="publisher")

    def publish_soon(self, session: AsyncSession) -> None:
        accepted = session.info.pop(ACCEPTED, ())
        if accepted:
            self._thread.submit(self._publish, tuple(accepted))

    def _publish(self, accepted: Iterable[tuple[UUID, str]]) -> None:
        for job, queue in accepted:
            try:
                self._send(job, queue)
            except Exception as error:
                logger.warning("job {} waits for the relay: {}", job, type(error).__name__)

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)
