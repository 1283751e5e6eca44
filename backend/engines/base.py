"""The contract between Gavan and the places where services run.

An engine knows nothing of the database: it takes a specification and returns
facts. Every method is idempotent (names are derived from ids, and the engine
looks before it creates), so a job may call it again after a crash at any point.
One contract test (`tests/engines/`) runs against every engine.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from backend.engines.access import Access as Access
from backend.engines.errors import EngineError as EngineError
from backend.engines.errors import Reason as Reason
from backend.engines.errors import Retry as Retry

Report = Callable[[str], Awaitable[None]]
"""Takes one line of the deployment's log, without the newline."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one release may take. Memory and disk in bytes, CPU in thousandths of a core."""

    memory_bytes: int
    disk_bytes: int
    cpu_millis: int
    pids: int


@dataclass(frozen=True, slots=True)
class FetchSpec:
    """A git source: `ref` is a branch, a tag or a commit, None the default branch; `commit` pins what an
    earlier attempt resolved."""

    deployment_id: str
    service_id: str
    url: str
    ref: str | None = None
    commit: str | None = None
    root: str = ""
    """The folder that is deployed, as `apps/web`; nothing beside it is written."""
    access: Access | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    commit: str
    """Full hexadecimal object id."""
    subject: str
    """First line of the commit message, at most 200 characters."""
    host_key: str | None = None
    """Of an ssh server that was visited for the first time: give it as `Access.host_key` from now on."""


@dataclass(frozen=True, slots=True)
class BuildSpec:
    deployment_id: str
    service_id: str
    project_id: str
    """Build caches are kept per project: what one customer's build writes, no other reads."""
    limits: Limits


@dataclass(frozen=True, slots=True)
class Built:
    kind: str
    """What was recognised: `procfile`, `python`, `node`, `go`, `static`, or `dockerfile`, the tree's own."""
    command: str
    """The command line that serves the app; `PORT` is in its environment. An image runs its own instead."""
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    """What decides whether a release is fit to serve."""

    deployment_id: str
    service_id: str
    health_path: str = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSpec(CheckSpec):
    project_id: str
    """Releases of one project may share a network; those of two never do."""
    service_name: str = ""
    """By which the project's other releases find this one, where they share a network."""
    build_id: str
    """The deployment whose build runs: its own id, or that of a kept release which is brought back."""
    command: str
    limits: Limits
    env: Mapping[str, str] = field(repr=False)


class UnitState(enum.StrEnum):
    """A unit is one running release. `BACKOFF` is between two restarts, `FATAL` is given up."""

    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    EXITED = "exited"
    STOPPED = "stopped"
    FATAL = "fatal"


ALIVE = frozenset({UnitState.STARTING, UnitState.RUNNING, UnitState.BACKOFF})
"""It runs, or comes back by itself."""


@dataclass(frozen=True, slots=True)
class Unit:
    deployment_id: str
    service_id: str
    state: UnitState
    address: str
    """`host:port` on which the release listens, or will."""
    pid: int | None = None
    started_at: datetime | None = None
    reason: Reason | None = None
    """Why it is not running."""
    listening: bool | None = None
    """Whether the unit itself, and nobody else, listens at `address`; None where it was not looked at."""


@dataclass(frozen=True, slots=True)
class LogLine:
    cursor: str
    """Opaque position just behind this line."""
    text: str
    deployment_id: str
    """Of the release that printed it."""


@dataclass(frozen=True, slots=True)
class LogPage:
    lines: list[LogLine]
    next: str
    """Ask with it for what comes later; stable across rotation."""
    truncated: bool = False
    """The asked position is gone (rotated away); the page begins at the oldest kept line."""


@dataclass(frozen=True, slots=True)
class Caution:
    """Something that the operator should know of an engine: a stable code, and English words."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class EngineInfo:
    name: str
    isolation: str
    """`bubblewrap`, `containers` or `none`."""
    warnings: list[Caution]


class Engine(ABC):
    """Errors are `EngineError`; cancelling the awaiting task ends what the call started."""

    name: str

    @abstractmethod
    async def info(self) -> EngineInfo: ...

    @abstractmethod
    async def examine(self) -> None:
        """Find out by trying what `info` then says of this place. Takes seconds; for now and then.

        Codes: engine_unavailable (what was found before is said until it is too old).
        """

    @abstractmethod
    async def fetch(self, spec: FetchSpec, report: Report) -> Fetched:
        """Put the source of `spec` into the deployment's folder. A second call starts over.

        Codes: source_forbidden, source_unreachable (retry), source_auth_required, source_auth_failed,
        source_host_key_changed, source_not_found, source_branch_missing, source_root_missing,
        source_submodule_failed, source_empty, source_too_large, source_timeout.
        """

    @abstractmethod
    async def build(self, spec: BuildSpec, report: Report) -> Built:
        """Make the fetched source runnable. A second call of a finished build returns at once.

        Codes: app_unrecognised, build_failed, build_timeout, build_too_large, build_tool_missing.
        """

    @abstractmethod
    async def start(self, spec: ReleaseSpec, report: Report) -> Unit:
        """Start the release beside what serves now; returns the present unit when it runs already.

        Codes: release_missing (its files are gone), engine_unavailable (retry).
        """

    @abstractmethod
    async def wait_healthy(self, spec: CheckSpec, report: Report, *, timeout: float) -> Unit:
        """Return once the unit answers below 500 on `health_path`, twice in a row.

        Codes: unit_exited, unit_not_listening, health_failed. The message quotes the unit's last log lines.
        """

    @abstractmethod
    async def inspect(self, deployment_id: str) -> Unit | None: ...

    @abstractmethod
    async def units(self) -> list[Unit]:
        """All units known to the engine, with `listening`: what the reconciler compares with the database."""

    @abstractmethod
    async def restart(self, deployment_id: str) -> Unit:
        """End the unit's process and start it again; also revives a `FATAL` or stopped one."""

    @abstractmethod
    async def stop(self, deployment_id: str) -> None:
        """SIGTERM, then SIGKILL after a grace. The files stay, so `restart` works. Unknown ids are fine."""

    @abstractmethod
    async def rest(self) -> int:
        """Stop all units for as long as the panel is down; `restart` brings each back. How many ran.

        Beside data (builds, logs) nothing of them is left in the machine.
        """

    @abstractmethod
    async def remove(self, deployment_id: str) -> None:
        """Stop the unit and delete source, build and runtime files. Unknown ids are fine.

        Only what is the deployment's own: a build that its unit had of another one stays. Nobody asks
        to remove a deployment whose build a unit of another one runs, or may yet.
        """

    @abstractmethod
    async def remove_service(self, service_id: str) -> None:
        """Remove all units of a service, and its logs and folders. Unknown ids are fine."""

    @abstractmethod
    async def reap(self, known: set[str]) -> list[str]:
        """Remove what belongs to no deployment in `known` (ids) and is older than ten minutes; returns ids.

        For the reconciler, now and then: `known` is every deployment whose files may still be wanted.
        """

    @abstractmethod
    async def builds(self) -> set[str]:
        """Ids of the deployments whose finished build is there, so that `start` can run it (`build_id`).

        What is missing in the answer is taken as deleted. Codes: engine_unavailable (not to be told now).
        """

    @abstractmethod
    async def revive(self) -> None:
        """Start again what ended by itself and has waited long enough; the reconciler calls it each round.

        Codes: engine_unavailable.
        """

    @abstractmethod
    async def collect_logs(self) -> None:
        """Keep what would be lost with units that end; the reconciler calls it each round. Never raises."""

    @abstractmethod
    async def read_log(self, service_id: str, *, after: str | None, limit: int) -> LogPage:
        """What the service's releases printed. `after=None` gives the newest `limit` lines."""


@dataclass(frozen=True, slots=True)
class ProcessEngineSettings:
    """What the `process` engine needs of the configuration; see `.env.example` for each."""

    home: Path
    supervisor_socket: Path
    secret: bytes = field(repr=False)
    """32 bytes; environments at rest are sealed with it."""
    allowed_private: tuple[str, ...] = ()
    """`host:port` or CIDR that sources may be fetched from although the address is not public."""
    fetch_timeout: float = 120
    fetch_max_bytes: int = 512 * 2**20
    build_timeout: float = 900
    build_max_bytes: int = 2 * 2**30
    port_range: tuple[int, int] = (20000, 29999)
