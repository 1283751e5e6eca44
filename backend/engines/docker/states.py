"""What Swarm says of a release's tasks, as a unit. A task is one life of its container."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from backend.engines.base import Reason, Unit, UnitState
from backend.engines.docker import names
from backend.engines.docker.template import RESTART_DELAY
from backend.engines.exits import exited

Task = dict[str, Any]
Service = dict[str, Any]

COMING = frozenset({"new", "pending", "allocated", "assigned", "accepted", "preparing", "ready", "starting"})
SHORT_LIFE = 60.0
"""Seconds. Lives shorter than this, one after the other, are a crash loop."""
LOOP = 3
PLACED_WITHIN = 15.0
"""Seconds after which a task that no node takes is more than a queue."""

STOPPED = Reason("unit_stopped", "It was stopped.")
IMAGE_GONE = Reason("release_missing", "The files of this release are gone; deploy again.")


def moment(text: str) -> datetime:
    """Docker's times have up to nine digits of a second."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}").replace(tzinfo=UTC)


def ordered(tasks: list[Task]) -> list[Task]:
    """Oldest first, without those that ended because the release was halted."""
    lives = (task for task in tasks if task["DesiredState"] != "remove")
    return sorted(lives, key=lambda task: moment(task["CreatedAt"]))


def port_of(service: Service) -> int:
    return int(service["Spec"]["EndpointSpec"]["Ports"][0]["PublishedPort"])


def replicas(service: Service) -> int:
    return int(service["Spec"]["Mode"]["Replicated"]["Replicas"])


def memory_of(task: Task) -> int:
    return int(task["Spec"]["Resources"]["Limits"]["MemoryBytes"])


def container_id(task: Task) -> str:
    return str((task["Status"].get("ContainerStatus") or {}).get("ContainerID", ""))


def last_end(tasks: list[Task], was_oom: Callable[[str], bool]) -> Reason | None:
    """How the latest life that is over ended."""
    over = [task for task in tasks if task["Status"]["State"] not in COMING | {"running"}]
    if not over:
        return None
    reason = _end(over[-1], was_oom)
    if len(over) >= LOOP and all(_lived(task) < SHORT_LIFE for task in over[-LOOP:]):
        words = f"{reason.message} It keeps ending, and is started again every {RESTART_DELAY} seconds."
        return Reason(
            reason.code, words, {"detail": "crash_loop", "seconds": RESTART_DELAY, **reason.parameters}
        )
    return reason


def unit_of(service: Service, tasks: list[Task], host: str, ended: Reason | None) -> Unit:
    """`tasks` in order; `ended` is what `last_end` says of them."""
    labels = service["Spec"]["Labels"]
    state, reason, pid, since = UnitState.STARTING, None, None, None
    newest = tasks[-1] if tasks else None
    if replicas(service) == 0:
        state, reason = UnitState.STOPPED, STOPPED
    elif newest is not None:
        state, reason = _state(newest, ended)
    if state is UnitState.RUNNING and newest is not None:
        pid = newest["Status"]["ContainerStatus"]["PID"] or None
        since = moment(newest["Status"]["Timestamp"])
    return Unit(
        deployment_id=labels[names.DEPLOYMENT],
        service_id=labels[names.SERVICE],
        state=state,
        address=f"{host}:{port_of(service)}",
        pid=pid,
        started_at=since,
        reason=reason,
    )


def _state(task: Task, ended: Reason | None) -> tuple[UnitState, Reason | None]:
    status = task["Status"]
    if status["State"] == "running":
        return UnitState.RUNNING, None
    if status["State"] not in COMING or (task["DesiredState"] == "ready" and ended is not None):
        # Over, and its successor waits, or does not even exist yet.
        return UnitState.BACKOFF, ended
    why = str(status.get("Err", ""))
    waited = (datetime.now(UTC) - moment(task["CreatedAt"])).total_seconds()
    if status["State"] == "pending" and why and waited > PLACED_WITHIN:
        message = f"No node can take the app: {why}."
        return UnitState.BACKOFF, Reason("engine_unavailable", message, {"detail": "no_node", "why": why})
    return UnitState.STARTING, None


def _end(task: Task, was_oom: Callable[[str], bool]) -> Reason:
    status = task["Status"]
    error = str(status.get("Err", ""))
    if "No such image" in error:
        return IMAGE_GONE
    if status["State"] == "rejected" or error.startswith("starting container failed"):
        why = error[:300] or status["State"]
        return Reason("unit_exited", f"It was not started: {why}.", {"detail": "not_started", "why": why})
    code = int((status.get("ContainerStatus") or {}).get("ExitCode", 0))
    if code and was_oom(container_id(task)):
        limit = memory_of(task)
        words = f"It used more memory than the {limit >> 20} MiB of its plan and was killed."
        return Reason(
            "unit_exited", words, {"because": "out_of_memory", "limit_bytes": limit, "exit_status": code}
        )
    if code == 137:
        words = "It was killed (SIGKILL), and not for lack of memory."
        return Reason("unit_exited", words, {"because": "killed_by_signal", "exit_status": code})
    return exited(code)


def _lived(task: Task) -> float:
    return (moment(task["Status"]["Timestamp"]) - moment(task["CreatedAt"])).total_seconds()
