"""One-off commands in a release's build: release commands and cron jobs. A part of the engine contract.

A task is known by its id. Whoever asks again after a crash is given what became of it: it never runs
twice, and when nobody can tell any more how it ended, that is what is said.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backend.engines.errors import EngineError, Reason, Retry

if TYPE_CHECKING:
    from backend.engines.base import ReleaseSpec, Report

MAX_LINES = 10_000
MAX_LINE = 2_000
"""Of its output that is reported; what a task prints beyond that is lost, and nothing waits for it."""
POLL = 0.25
LOST = Reason("task_lost", "It began, and nobody can tell any more how it ended.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    task_id: str
    release: ReleaseSpec
    """Whose build, variables, volumes, network and limits it has; whether that runs makes no difference."""
    command: str
    timeout: float
    """Seconds from its beginning, however often it is asked after."""
    seen_lines: int = 0
    """Of its output that were reported before a crash."""


@dataclass(frozen=True, slots=True)
class TaskResult:
    exit_code: int | None
    """None where it did not end by itself, or nobody can tell."""
    reason: Reason | None
    """Why it did not succeed."""


class TaskRunner(ABC):
    @abstractmethod
    async def run_task(self, spec: TaskSpec, report: Report) -> TaskResult:
        """Run it, or go on watching it, until it is over; each line of its output is reported.

        Cancelling the awaiting task leaves it running. Codes: release_missing, engine_unavailable (retry).
        """

    @abstractmethod
    async def stop_task(self, task_id: str) -> None:
        """End it if it runs, and delete what there is of it but that it was. Unknown ids are fine.

        Called once its result is written down, for no second call will find it.
        """

    @abstractmethod
    async def tasks(self) -> set[str]:
        """Ids of those for which `stop_task` was not called yet."""


def ended(code: int) -> TaskResult:
    """An exit status as a result; above 128 it was a signal."""
    if code == 0:
        return TaskResult(0, None)
    known = {
        126: "Its command cannot be executed (exit status 126).",
        127: "Its command was not found (exit status 127).",
        134: "It aborted itself (SIGABRT), as programs do that run out of memory.",
        137: "It was killed (SIGKILL), most likely because it ran out of memory.",
        139: "It crashed (SIGSEGV).",
        143: "It was asked to end (SIGTERM) and did.",
    }
    because = f"exit_{code}" if code in known else "exit_other"
    words = known.get(code, f"It ended with exit status {code}.")
    return TaskResult(code, Reason("task_failed", words, {"because": because, "exit_status": code}))


def timed_out(timeout: float) -> TaskResult:
    seconds = round(timeout)
    return TaskResult(
        None, Reason("task_timeout", f"It took longer than {seconds} seconds.", {"seconds": seconds})
    )


def not_started(why: str) -> EngineError:
    return EngineError(
        "engine_unavailable",
        f"The task could not be started ({why}); this is tried again by itself.",
        retry=Retry.BACKOFF,
        detail="task_refused",
    )


class Output:
    """Bytes as lines to `report`: without those that were reported before, and no more than there may be."""

    def __init__(self, report: Callable[[str], Awaitable[None]], seen_lines: int) -> None:
        self._report, self._skip = report, seen_lines
        self._rest = b""
        self._count = 0

    @property
    def full(self) -> bool:
        return self._count > MAX_LINES

    async def feed(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            await self._line(line)
        while len(self._rest) > MAX_LINE and not self.full:
            piece, self._rest = self._rest[:MAX_LINE], self._rest[MAX_LINE:]
            await self._line(piece)

    async def end(self) -> None:
        if self._rest:
            rest, self._rest = self._rest, b""
            await self._line(rest)

    async def _line(self, line: bytes) -> None:
        if self.full:
            return
        self._count += 1
        if self._count <= self._skip:
            return
        if self.full:
            await self._report(f"— the output is cut here: it has reached {MAX_LINES} lines —")
        else:
            await self._report(line[:MAX_LINE].rstrip(b"\r").decode(errors="replace"))
