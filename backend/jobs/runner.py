"""Running one job: claim it, keep its lease, do the work, end it in one final state.

The work may be cut off anywhere by `kill -9`; then the lease runs out, the relay queues the job
again and the handler runs once more over the same ids. The fence makes sure that a worker which
only seemed dead writes nothing any more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar
from uuid import UUID

from loguru import logger
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.database import LOST, Database, is_away, now
from backend.jobs.dao import JobDAO
from backend.jobs.models import JobState
from backend.logger import job_id as job_id_in_log

MAX_RETRIES = 3
MAX_ATTEMPTS = 25
"""Crashes included: a job that takes its worker down each time must end too."""
BACKOFF = (2.0, 10.0, 30.0)
UNEXPECTED = "Something went wrong on our side. It was logged; please try again."


class JobError(Exception):
    """The work failed for a reason that the customer is told; `parameters` say it in other languages."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retry: bool = False,
        parameters: dict[str, str | int] | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.retry = code, message, retry
        self.parameters = parameters or {}


class Cancelled(Exception):
    """The customer called the job off."""


class LeaseLost(Exception):
    """Another worker has the job now: write nothing, touch nothing."""


@dataclass(slots=True)
class Claimed:
    """A job that is ours, and the way to write about it."""

    database: Database
    id: UUID
    kind: str
    fence: int
    attempts: int
    project_id: UUID
    service_id: UUID | None
    deployment_id: UUID | None
    cancelled: bool

    @asynccontextmanager
    async def transaction(self, **values: Any) -> AsyncIterator[AsyncSession]:
        """A transaction that commits only while the job is ours; `values` are written to its row."""
        async with self.database.transaction() as session:
            dao = JobDAO(session)
            if self.service_id is not None:
                await dao.lock_service(self.service_id)
            if not await dao.write(self.id, self.fence, **values):
                raise LeaseLost
            yield session

    async def progress(self, step: str, percent: int) -> None:
        async with self.transaction(step=step, progress=percent):
            pass


T = TypeVar("T")
Work = Callable[[Claimed], Awaitable[None]]
Settle = Callable[[Claimed], Awaitable[bool]]


class Fail(Protocol):
    def __call__(self, job: Claimed, error: JobError) -> Awaitable[bool]: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of job does.

    `fail` and `cancel` leave the truth behind when the work did not end well; they say False when
    it had done what it was for before, so that the job succeeded all the same.
    """

    work: Work
    fail: Fail
    cancel: Settle | None = None


Waiting = tuple[UUID, str]
"""Id and queue of a job that waited for the one that ended; the relay would find it, only later."""


async def run(job_id: UUID, database: Database, kinds: dict[str, Kind], lease: timedelta) -> Waiting | None:
    """Never raises for what the work did; raises database errors, which the relay makes good."""
    job = await _claim(job_id, database, lease)
    if job is None:
        return None
    token = job_id_in_log.set(str(job.id))
    try:
        kind = kinds[job.kind]
        logger.info("{} started, attempt {}", job.kind, job.attempts)
        return await _work(job, kind, lease)
    except LeaseLost:
        logger.warning("lease lost, leaving the job to its new worker")
        return None
    finally:
        job_id_in_log.reset(token)


async def _claim(job_id: UUID, database: Database, lease: timedelta) -> Claimed | None:
    try:
        async with database.transaction() as session:
            jobs = JobDAO(session)
            # What the broker names is a free worker's turn; which deployment has it is decided here.
            row = await jobs.claim(await jobs.fairest(job_id), lease)
            if row is None:
                return None
            await jobs.notify("job", str(row.id))
    except IntegrityError:
        # Two workers claimed two jobs of one service in the same instant; the other won.
        return None
    values = row._asdict()
    cancelled = values.pop("cancel_requested_at") is not None
    return Claimed(database=database, cancelled=cancelled, **values)


async def _work(job: Claimed, kind: Kind, lease: timedelta) -> Waiting | None:
    try:
        if job.cancelled:
            raise Cancelled
        if job.attempts > MAX_ATTEMPTS:
            raise JobError("internal_error", UNEXPECTED)
        await _with_lease(job, kind.work, lease)
    except Cancelled:
        if kind.cancel is None or await _settle(job, kind.cancel, lease):
            return await _end(job, JobState.CANCELLED)
    except JobError as error:
        if error.retry and job.attempts <= MAX_RETRIES:
            await _retry(job, error)
            return None
        if await _settle(job, partial(kind.fail, error=error), lease):
            return await _end(job, JobState.FAILED, error)
    return await _end(job, JobState.SUCCEEDED)


async def _settle(job: Claimed, handler: Settle, lease: timedelta) -> bool:
    """Leave the truth behind. What goes wrong here is logged, and the job ends all the same."""
    try:
        return await _with_lease(job, handler, lease, heed_cancel=False)
    except JobError as error:
        logger.error("{} could not be settled: {}", job.kind, error.code)
        return True


async def _with_lease(
    job: Claimed, work: Callable[[Claimed], Awaitable[T]], lease: timedelta, *, heed_cancel: bool = True
) -> T:
    """Run `work` beside a heartbeat; whichever ends first decides."""
    working = asyncio.ensure_future(_classified(job, work))
    beating = asyncio.ensure_future(_heartbeat(job, lease, heed_cancel))
    try:
        await asyncio.wait({working, beating}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, beating):
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task
    if working.done() and not working.cancelled():
        return working.result()
    beating.result()
    raise LeaseLost


async def _classified(job: Claimed, work: Callable[[Claimed], Awaitable[T]]) -> T:
    try:
        return await work(job)
    except (JobError, Cancelled, LeaseLost):
        raise
    except Exception as error:
        if is_away(error):
            raise
        logger.opt(exception=error).error("{} failed unexpectedly", job.kind)
        raise JobError("internal_error", UNEXPECTED, retry=True) from error


async def _heartbeat(job: Claimed, lease: timedelta, heed_cancel: bool) -> None:
    """Raises `LeaseLost` or `Cancelled`; survives a database that is away for less than the lease."""
    until = now() + lease
    while True:
        await asyncio.sleep(min(1.0, lease.total_seconds() / 4))
        wanted: datetime = now() + lease
        try:
            async with job.database.transaction() as session:
                row = await JobDAO(session).extend(job.id, job.fence, wanted)
        except LOST as error:
            if now() >= until:
                raise LeaseLost from error
            continue
        if row is None:
            raise LeaseLost
        until = wanted
        if heed_cancel and row.cancel_requested_at is not None:
            raise Cancelled


async def _retry(job: Claimed, error: JobError) -> None:
    wait = BACKOFF[min(job.attempts, len(BACKOFF)) - 1]
    logger.warning("{}: {}; again in {} s", job.kind, error.code, wait)
    async with job.transaction(
        state=JobState.QUEUED,
        run_at=now() + timedelta(seconds=wait),
        published_at=None,
        lease_until=None,
        error_code=error.code,
        error_message=error.message[:2000],
        error_parameters=error.parameters or None,
    ):
        pass


async def _end(job: Claimed, state: JobState, error: JobError | None = None) -> Waiting | None:
    values: dict[str, Any] = {
        "state": state,
        "finished_at": now(),
        "lease_until": None,
        "error_code": error.code if error else None,
        "error_message": error.message[:2000] if error else None,
        "error_parameters": (error.parameters or None) if error else None,
    }
    if state is JobState.SUCCEEDED:
        values["progress"] = 100
    async with job.transaction(**values) as session:
        following = await JobDAO(session).next_of(job.service_id) if job.service_id else None
    logger.info("{} {}", job.kind, state)
    return (following.id, following.queue) if following is not None else None
