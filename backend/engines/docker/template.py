"""A release as a Swarm service: what its container may do, where it may write, how it is begun.

docs/decisions/0022-docker-engine.md says why it is so.
"""

from __future__ import annotations

import hashlib
import hmac
import posixpath
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from docker.types import (
    ContainerSpec,
    Healthcheck,
    Mount,
    Resources,
    RestartPolicy,
    SecretReference,
    TaskTemplate,
)

from backend.engines.base import ProcessSpec, ReleaseSpec, Restart
from backend.engines.docker import mounts, names
from backend.engines.docker.entry import container_script
from backend.engines.scale import WEB
from backend.engines.startup import checked_environment

PORT = 8080
"""On which every app listens inside its container."""
HOME = "/home/gavan"
STOP_GRACE = 10
"""Seconds between SIGTERM and SIGKILL."""
RESTART_DELAY = 5
"""Seconds for which Swarm leaves a release alone that ended; it knows no growing ones."""
SHORT_LIFE = 60.0
"""Seconds. Lives shorter than this, one after the other, are a crash loop."""
LOOP = 3
"""So many of them; after which Swarm gives up, and `revival.py` goes on."""
LOG_BYTES, LOG_FILES = 4 * 2**20, 2
"""What Docker keeps of a container's output until it is collected."""
RUN_BYTES = 16 * 2**20
ENVIRONMENT = "/run/secrets/environment"
_CONDITIONS = {Restart.ALWAYS: "any", Restart.ON_FAILURE: "on-failure", Restart.NEVER: "none"}
_ONE_WEB = ProcessSpec()

_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Image:
    id: str
    """Never a mere name: for a name, Swarm would ask the public registry first."""
    command: Sequence[str]
    """Its entrypoint and command together."""
    has_shell: bool
    has_home: bool
    """Whether it says itself where HOME is."""
    volumes: Sequence[str] = ()
    """Paths for each of which Docker would make a folder on its disk that nothing bounds."""
    node: str = ""
    """The only one that has it; empty if all can get it."""


def script_of_environment(spec: ReleaseSpec) -> bytes:
    """The customer's variables as a shell script, which a Swarm secret carries."""
    env = checked_environment(spec.env)
    # bash keeps names for itself: unset they lose their meaning (RANDOM, OPTIND), but not those that it never
    # lets go (UID). Said by `command`, that is no error that ends the shell, and the app with it.
    lines = [
        f"command unset {name} 2>/dev/null\ncommand export {name}={_quoted(value)}\n"
        for name, value in env.items()
        if name != "PORT"
    ]
    return "".join(lines).encode("utf-8", "surrogateescape")


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def secret_name(instance: str, spec: ReleaseSpec, key: bytes) -> str:
    """Names its content, so that other variables are another secret; keyed, for anybody may read names."""
    digest = hmac.digest(key, script_of_environment(spec), hashlib.sha256).hex()
    return f"{names.release_name(instance, spec.deployment_id)}-{digest[:8]}"


def service(
    instance: str,
    spec: ReleaseSpec,
    image: Image,
    *,
    network: str,
    secret: tuple[str, str] | None,
    port: int,
    files: Sequence[SecretReference] = (),
    process: ProcessSpec = _ONE_WEB,
    replica: int = 1,
) -> dict[str, Any]:
    """The arguments of `create_service` and `update_service`, for one unit.

    `secret`, an id and a name, holds the variables; without one they are plain. `files` are secrets too.
    """
    if process.command:
        image = replace(image, command=_given(process.command, image))
    environment = _environment(spec, image, plain=secret is None)
    labels = names.labels(
        instance,
        deployment=spec.deployment_id,
        service=spec.service_id,
        project=spec.project_id,
        process=process.name,
        replica=str(replica),
    )
    visited = process.name == WEB
    container = ContainerSpec(
        image=image.id,
        command=_command(image) if secret else image.command if process.command else None,
        env=[f"{name}={value}" for name, value in environment.items()],
        labels=labels,
        user=spec.user or None,
        init=True,
        read_only=True,
        # The daemon would do the image's own past the unit's limits, each millisecond if it says so.
        healthcheck=Healthcheck(test=["NONE"]),
        cap_drop=["ALL"],
        mounts=[*_mounts(spec, image), *mounts.of_volumes(instance, spec.volumes)],
        stop_grace_period=STOP_GRACE * _SECOND,
        secrets=[
            *([SecretReference(*secret, filename=ENVIRONMENT, mode=0o444)] if secret else ()),
            *files,
        ],
    )
    container["Ulimits"] = [{"Name": "core", "Soft": 0, "Hard": 0}]
    resources = Resources(cpu_limit=spec.limits.cpu_millis * 10**6, mem_limit=spec.limits.memory_bytes)
    resources["Limits"]["Pids"] = spec.limits.pids
    task = TaskTemplate(
        container,
        resources=resources,
        restart_policy=RestartPolicy(
            _CONDITIONS[spec.restart],
            delay=RESTART_DELAY * _SECOND,
            max_attempts=LOOP - 1,
            window=int(LOOP * (SHORT_LIFE + RESTART_DELAY)) * _SECOND,
        ),
        log_driver={
            "Name": "json-file",
            "Options": {"max-size": str(LOG_BYTES), "max-file": str(LOG_FILES)},
        },
        placement=mounts.placement(spec.volumes, image.node),
        # The service's own changes with each release.
        networks=[
            {"Target": network, "Aliases": [spec.service_name] if visited and spec.service_name else []}
        ],
    )
    inner = spec.port or PORT
    published = {"Protocol": "tcp", "TargetPort": inner, "PublishedPort": port, "PublishMode": "host"}
    return {
        "name": names.unit_name(instance, spec.deployment_id, process.name, replica),
        "labels": labels,
        "mode": {"Replicated": {"Replicas": 1}},
        "task_template": task,
        "endpoint_spec": {"Mode": "dnsrr", "Ports": [published] if visited else []},
    }


def _given(command: str, image: Image) -> list[str]:
    """A command of the customer's, in place of all that the image says."""
    return ["/bin/sh", "-c", container_script(command)] if image.has_shell else shlex.split(command)


def _command(image: Image) -> list[str]:
    return ["/bin/sh", "-c", f". {ENVIRONMENT}\nexec {shlex.join(image.command)}"]


def _environment(spec: ReleaseSpec, image: Image, *, plain: bool) -> dict[str, str]:
    """What is no secret; with `plain`, also what should be one."""
    return {
        **({} if image.has_home else {"HOME": HOME}),
        "HOST": "0.0.0.0",  # noqa: S104
        **(checked_environment(spec.env) if plain else {}),
        "PORT": str(spec.port or PORT),
    }


def _mounts(spec: ReleaseSpec, image: Image) -> list[Mount]:
    """The places that may be written to. They are memory, so the memory limit bounds them all together."""
    scratch = min(spec.limits.disk_bytes, spec.limits.memory_bytes // 2)
    volumes = {posixpath.normpath(path): scratch for path in image.volumes}
    sizes = {**volumes, "/tmp": scratch, HOME: scratch, "/run": RUN_BYTES}  # noqa: S108
    return [
        Mount(path, None, type="tmpfs", tmpfs_size=sizes[path], tmpfs_mode=0o1777)
        for path in mounts.without(list(sizes), spec.volumes)
    ]
