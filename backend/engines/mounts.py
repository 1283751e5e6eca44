"""What a release finds in its file system beside its build: volumes, whose data stays, and secret files.

The part of the engine contract (`base.py`) that is about volumes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class VolumeSpec:
    """What a volume should be. It is as large as the largest size that was ever asked for."""

    volume_id: str
    service_id: str
    project_id: str
    size_bytes: int
    made: bool = False
    """It was made before: where its data is gone, that is said (`volume_missing`), and an app does not find
    an empty folder in its place."""


@dataclass(frozen=True, slots=True)
class Volume:
    volume_id: str
    node: str
    """Where its data lies: what mounts it runs there. Empty where there is but one place."""
    bounded: bool
    """Whether the kernel refuses what is written beyond its size; else somebody has to watch."""
    grown: bool = True
    """False for one that could not be made larger while a release has it: `ensure_volume` it once more
    when none runs."""


@dataclass(frozen=True, slots=True)
class VolumeMount:
    volume_id: str
    path: str
    """Absolute, as the app sees it."""
    node: str = ""
    """As `ensure_volume` answered."""


@dataclass(frozen=True, slots=True)
class VolumeUsage:
    used_bytes: int
    size_bytes: int
    """What the app may fill: a little less than was asked for, where a file system takes its part."""


@dataclass(frozen=True, slots=True)
class SecretFile:
    """Read-only for the app, and never in clear on a disk."""

    path: str
    content: bytes = field(repr=False)


class VolumeStore(ABC):
    """Nothing but `remove_volume` ever deletes a volume: neither `remove_service` nor `reap` do."""

    @abstractmethod
    async def ensure_volume(self, spec: VolumeSpec) -> Volume:
        """Make it, or let it grow to the size; data stays, a smaller size changes nothing.

        While a release that mounts it runs, too. Codes: volume_failed, engine_unavailable (retry).
        """

    @abstractmethod
    async def remove_volume(self, volume_id: str) -> None:
        """Delete it with its data. Unknown ids are fine. Codes: volume_in_use (retry), engine_unavailable."""

    @abstractmethod
    async def volume_usage(self, volume_ids: Sequence[str]) -> dict[str, VolumeUsage]:
        """How full each is; those that do not exist are left out. Codes: engine_unavailable."""

    @abstractmethod
    def export_volume(self, volume_id: str) -> AsyncIterator[bytes]:
        """Its content as a tar archive (paths from `.`), with owners and modes; stop whoever writes first.

        Closing the iterator ends what it started. Codes: volume_missing, engine_unavailable.
        """

    @abstractmethod
    async def import_volume(self, volume_id: str, stream: AsyncIterator[bytes]) -> None:
        """Put the content of such an archive in place of what is there. The volume exists and is not in use.

        Cut off in the middle, it is half done: call it again. Codes: volume_missing, volume_full,
        archive_invalid, engine_unavailable.
        """
