"""Looking into units: what they take, how they ended, and a terminal inside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime

from backend.engines.errors import EngineError, Reason

SHORTEST, LONGEST = 2, 500
"""Columns and rows of a terminal."""


@dataclass(frozen=True, slots=True)
class UnitStats:
    """What a unit has used since it began, and holds now; of one that cannot be looked at there is none."""

    deployment_id: str
    service_id: str
    process: str
    replica: int
    life: str
    """Another one has counted from zero."""
    cpu_seconds: float
    memory_bytes: int
    """Without what the kernel would give back at once."""
    memory_limit: int | None
    received_bytes: int | None = None
    """None where units share the machine's network."""
    sent_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class UnitExit:
    """The end of one life of a unit that nobody asked to end."""

    deployment_id: str
    service_id: str
    process: str
    replica: int
    at: datetime
    reason: Reason


class Terminal(ABC):
    """A shell in a unit. `read` and `write` may be awaited at once, each by one task."""

    @abstractmethod
    async def read(self) -> bytes:
        """What it printed next; empty once it has ended."""

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Waits while the shell takes no more."""

    @abstractmethod
    async def resize(self, columns: int, rows: int) -> None: ...

    @abstractmethod
    async def close(self) -> None:
        """End the shell and what it started in the foreground. Twice is fine."""


class Insight(ABC):
    """What an engine can tell of its units beside whether they run."""

    @abstractmethod
    async def stats(self) -> list[UnitStats]:
        """Of all units that run and that can be looked at from here. Called every few seconds: cheap."""

    @abstractmethod
    async def exits(self) -> list[UnitExit]:
        """Those that the engine still knows of, again and again; the same one always with the same time.

        Codes: engine_unavailable.
        """

    @abstractmethod
    async def terminal(
        self, deployment_id: str, process: str, replica: int, *, columns: int, rows: int
    ) -> Terminal:
        """Open a shell beside the unit's own program, with its variables, files and limits.

        Codes: unit_stopped (it does not run), unit_elsewhere (not on this machine), no_shell,
        engine_unavailable.
        """


def bounded(size: int) -> int:
    return max(SHORTEST, min(size, LONGEST))


def not_running() -> EngineError:
    return EngineError("unit_stopped", "This part of the service does not run now.", detail="not_running")


def no_shell() -> EngineError:
    return EngineError("no_shell", "The image of this service has no shell, so nothing can be opened in it.")
