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
from typing import Literal

from backend.engines.access import Access as Access
from backend.engines.errors import EngineError as EngineError
from backend.engines.errors import Reason as Reason
from backend.engines.errors import Retry as Retry
from backend.engines.insight import Insight as Insight
from backend.engines.insight import Terminal as Terminal
from backend.engines.insight import UnitExit as UnitExit
from backend.engines.insight import UnitStats as UnitStats
from backend.engines.loglines import BadCursor as BadCursor
from backend.engines.loglines import LogFound as LogFound
from backend.engines.loglines import LogLine as LogLine
from backend.engines.loglines import LogPage as LogPage
from backend.engines.mounts import SecretFile as SecretFile
from backend.engines.mounts import Volume as Volume
from backend.engines.mounts import VolumeMount as VolumeMount
from backend.engines.mounts import VolumeSpec as VolumeSpec
from backend.engines.mounts import VolumeStore
from backend.engines.mounts import VolumeUsage as VolumeUsage
from backend.engines.nodes import NodeKeeper
from backend.engines.scale import ONE_WEB, WEB, unit_name
from backend.engines.scale import HealthKind as HealthKind
from backend.engines.scale import ProcessSpec as ProcessSpec
from backend.engines.scale import Restart as Restart
from backend.engines.tasks import TaskResult as TaskResult
from backend.engines.tasks import TaskRunner
from backend.engines.tasks import TaskSpec as TaskSpec

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
    """A source. Of git, `ref` is a branch, a tag or a commit, None the default branch. `commit` pins what an
    earlier attempt resolved: a commit, or the digest of an image or archive."""

    deployment_id: str
    service_id: str
    url: str
    """Of a repository; the name of an image; how its owner calls an archive."""
    ref: str | None = None
    commit: str | None = None
    root: str = ""
    """The folder that is deployed, as `apps/web`; nothing beside it is written."""
    access: Access | None = None
    kind: Literal["git", "image", "archive"] = "git"
    archive_id: str = ""
    """Of the uploaded file in the engine's home."""
    project_id: str = ""
    """Whose images that are here already need not be fetched again."""


@dataclass(frozen=True, slots=True)
class Fetched:
    commit: str | None
    """Full hexadecimal object id; only git has one."""
    subject: str | None
    """First line of the commit message, at most 200 characters."""
    host_key: str | None = None
    """Of an ssh server that was visited for the first time: give it as `Access.host_key` from now on."""
    digest: str | None = None
    """`sha256:…` of an image or an archive."""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """Of a build by a Dockerfile."""

    dockerfile: str = ""
    """Its path in the source, if it is not `Dockerfile`."""
    target: str = ""
    """The stage that is built, if not the last one."""
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BuildSpec:
    deployment_id: str
    service_id: str
    project_id: str
    """Build caches are kept per project: what one customer's build writes, no other reads. What runs a
    stranger's code is a project of its own here."""
    limits: Limits
    options: BuildOptions = BuildOptions()
    logins: tuple[Access, ...] = ()
    """To registries of base images; each is shown to its `origin`, the registry's host, alone."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What a Dockerfile's commands may ask for by name, for as long as they run."""


@dataclass(frozen=True, slots=True)
class Built:
    kind: str
    """What was recognised: `procfile`, `python`, `node`, `go`, `static`, or `dockerfile`, the tree's own;
    `image` for one that needs no building."""
    command: str
    """The command line that serves the app; `PORT` is in its environment. An image runs its own instead."""
    size_bytes: int
    processes: Mapping[str, str] = field(default_factory=dict)
    """Command by name of what else the source says it runs, as a Procfile's `worker`; `release`, if it has
    one, among them."""
    port: int | None = None
    """On which it says that it listens; None for the engine's usual one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    """What decides whether a release is fit to serve."""

    deployment_id: str
    service_id: str
    health_path: str = "/"
    health: HealthKind = HealthKind.HTTP
    health_command: str = ""
    port: int | None = None
    """On which the app in a container listens, if not on the engine's usual one."""


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
    processes: tuple[ProcessSpec, ...] = ONE_WEB
    restart: Restart = Restart.ALWAYS
    user: str = ""
    """Of the image, as whom it runs; empty for the one that it says itself."""
    volumes: tuple[VolumeMount, ...] = ()
    """Whose data all releases of the service see. Two that write at once would harm it: the old one is
    stopped before the new one starts."""
    files: tuple[SecretFile, ...] = ()


class UnitState(enum.StrEnum):
    """`BACKOFF` is between two restarts, `FATAL` is given up, `EXITED` is not started again on purpose."""

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
    """One running copy of one process of a release."""

    deployment_id: str
    service_id: str
    state: UnitState
    address: str
    """`host:port` on which the unit listens, or will; empty unless its process is `web`."""
    pid: int | None = None
    started_at: datetime | None = None
    reason: Reason | None = None
    """Why it is not running."""
    listening: bool | None = None
    """Whether the unit itself, and nobody else, listens at `address`; None where it was not looked at."""
    process: str = WEB
    replica: int = 1
    """Counts a process's units from 1."""

    @property
    def name(self) -> str:
        return unit_name(self.process, self.replica)


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


class Engine(VolumeStore, TaskRunner, Insight, NodeKeeper, ABC):
    """Errors are `EngineError`; cancelling the awaiting task ends what the call started."""

    name: str
    abilities: frozenset[str] = frozenset()
    """What it can beyond the rest of this contract: `images`, `replicas`, `volumes`, `console`, `metrics`,
    `ports`, `tasks`, `nodes`. What an engine cannot is declined with 409 `not_supported_here`."""

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

        Codes: source_unsupported (this engine has no such sources), archive_invalid, source_forbidden,
        source_unreachable (retry), source_auth_required, source_auth_failed, source_host_key_changed,
        source_not_found, source_branch_missing, source_root_missing, source_submodule_failed, source_empty,
        source_too_large, source_timeout.
        """

    async def architecture(self) -> str:
        """Of the machines that images run on, as registries say it. Only with the ability `images`."""
        raise NotImplementedError

    @abstractmethod
    async def build(self, spec: BuildSpec, report: Report) -> Built:
        """Make the fetched source runnable. A second call of a finished build returns at once.

        Codes: app_unrecognised, build_failed, build_timeout, build_too_large, build_tool_missing.
        """

    @abstractmethod
    async def start(self, spec: ReleaseSpec, report: Report) -> Unit:
        """Start the release's units beside what serves now; those that run already are left alone.
        Returns the first of `web`.

        Codes: release_missing (its files are gone), engine_unavailable (retry).
        """

    @abstractmethod
    async def wait_healthy(self, spec: CheckSpec, report: Report, *, timeout: float) -> Unit:
        """Return once all units of the release are well, with the first of `web`.

        Each of `web` answers twice in a row, below 500 on `health_path`; or takes connections, or its
        `health_command` ends with 0. The others have stayed up for some seconds.
        Codes: unit_exited, unit_not_listening, health_failed. The message quotes the unit's last log lines.
        """

    @abstractmethod
    async def scale(self, spec: ReleaseSpec, report: Report) -> list[Unit]:
        """Have just the units that `spec.processes` names: start what is missing, end and forget the rest.

        The others run on, with what they were started with. Codes: as `start`.
        """

    @abstractmethod
    async def inspect(self, deployment_id: str) -> Unit | None:
        """The first unit of `web`, or for want of it of what there is."""

    @abstractmethod
    async def release_units(self, deployment_id: str) -> list[Unit]:
        """All units of one release, as `units` says of all releases."""

    @abstractmethod
    async def units(self) -> list[Unit]:
        """All units known to the engine, with `listening`: what the reconciler compares with the database."""

    @abstractmethod
    async def restart(self, deployment_id: str) -> Unit:
        """End all units of the release and start them again; also revives `FATAL` and stopped ones."""

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

    @abstractmethod
    async def search_log(
        self,
        service_id: str,
        matches: Callable[[str], bool],
        *,
        unit: str | None,
        before: str | None,
        limit: int,
    ) -> LogFound:
        """Those lines (of one unit) that match, the newest first, as far as one call looks: maybe none.

        `before` is where an earlier call ended. Raises BadCursor when it is none.
        """


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
