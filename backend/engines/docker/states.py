"""What Swarm says of a release's tasks, as a unit. A task is one life of its container."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from backend.engines.base import Reason, Unit, UnitState
from backend.engines.docker import names
from backend.engines.docker.template import LOOP, PORT, RESTART_DELAY, SHORT_LIFE
from backend.engines.exits import by_policy, exited

Task = dict[str, Any]
Service = dict[str, Any]

COMING = frozenset({"new", "pending", "allocated", "assigned", "accepted", "preparing", "ready", "starting"})
_MOMENT = re.compile(r"(.+?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")
FIRST_PAUSE, LONGEST_PAUSE = 10, 300
SUCCEEDED_WITHIN = 3.0
PLACED_WITHIN = 15.0
"""Seconds after which a task that no node takes is more than a queue."""

PINNED = "node.id=="

STOPPED = Reason("unit_stopped", "It was stopped.")
IMAGE_GONE = Reason("release_missing", "The files of this release are gone; deploy again.")


def moment(text: str) -> datetime:
    """Docker's times have up to nine digits of a second; those of networks are in the daemon's own zone."""
    whole, fraction, zone = _MOMENT.fullmatch(text).groups(default="")  # type: ignore[union-attr]
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}{zone}").astimezone(UTC)


def ordered(tasks: list[Task]) -> list[Task]:
    """Oldest first, without those that ended because the release was halted."""
    lives = (task for task in tasks if task["DesiredState"] != "remove")
    return sorted(lives, key=lambda task: moment(task["CreatedAt"]))


def port_of(service: Service) -> int:
    """0 for a unit that nobody visits."""
    published = service["Spec"]["EndpointSpec"].get("Ports")
    return int(published[0]["PublishedPort"]) if published else 0


def inner_port_of(service: Service) -> int:
    """On which the app listens inside its container."""
    published = service["Spec"]["EndpointSpec"].get("Ports")
    return int(published[0]["TargetPort"]) if published else PORT


def replicas(service: Service) -> int:
    return int(service["Spec"]["Mode"]["Replicated"]["Replicas"])


def memory_of(task: Task) -> int:
    return int(task["Spec"]["Resources"]["Limits"]["MemoryBytes"])


def container_id(task: Task) -> str:
    return str((task["Status"].get("ContainerStatus") or {}).get("ContainerID", ""))


def rounds_of(service: Service) -> int:
    """How often the release was tried again after a crash loop."""
    return int(service["Spec"]["Labels"].get(names.ROUNDS, 0))


def pause_of(service: Service) -> int:
    """Seconds from the end of a crash loop to the next trial: longer each time."""
    return int(min(FIRST_PAUSE * 2 ** min(rounds_of(service), 10), LONGEST_PAUSE))


def given_up_at(service: Service, tasks: list[Task]) -> datetime | None:
    """When the last life ended of a release that Swarm does not start again by itself."""
    if not replicas(service) or not tasks or tasks[-1]["Status"]["State"] in COMING | {"running"}:
        return None
    ended = moment(tasks[-1]["Status"]["Timestamp"])
    # A successor, if there will be one, comes to exist in the same moment, whenever it is to start.
    changed = max(ended, moment(service["UpdatedAt"]))
    return ended if (datetime.now(UTC) - changed).total_seconds() > SUCCEEDED_WITHIN else None


def stays_down(service: Service, tasks: list[Task]) -> bool:
    """Whether the unit ended by itself and its restart policy leaves it alone."""
    if not replicas(service) or not tasks:
        return False
    policy = (service["Spec"].get("TaskTemplate", {}).get("RestartPolicy") or {}).get("Condition", "any")
    ended = tasks[-1]["Status"]["State"]
    return (policy == "none" and ended in ("complete", "failed", "rejected")) or (
        policy == "on-failure" and ended == "complete"
    )


def last_end(
    service: Service, tasks: list[Task], was_oom: Callable[[str], bool], restarts: int
) -> Reason | None:
    """How the latest life that is over ended, and what comes of it: there are so many `restarts`."""
    over = [task for task in tasks if task["Status"]["State"] not in COMING | {"running"}]
    if not over:
        return None
    reason = end_of(over[-1], was_oom)
    if stays_down(service, tasks):
        return by_policy(reason)
    given_up = given_up_at(service, tasks) is not None
    if given_up and rounds_of(service) >= restarts:
        words = f"{reason.message} It kept ending, and is not started again by itself any more."
        return Reason(reason.code, words, {"detail": "given_up", **reason.parameters})
    if given_up or (len(over) >= LOOP and all(_lived(task) < SHORT_LIFE for task in over[-LOOP:])):
        seconds = pause_of(service) if given_up else RESTART_DELAY
        words = f"{reason.message} It keeps ending, and is started again after {seconds} seconds."
        return Reason(reason.code, words, {"detail": "crash_loop", "seconds": seconds, **reason.parameters})
    return reason


def unit_of(service: Service, tasks: list[Task], host: str, ended: Reason | None, restarts: int) -> Unit:
    """`tasks` in order; `ended` is what `last_end` says of them."""
    labels = service["Spec"]["Labels"]
    process, replica = names.unit_of(labels)
    state, reason, pid, since = UnitState.STARTING, None, None, None
    newest = tasks[-1] if tasks else None
    if replicas(service) == 0:
        state, reason = UnitState.STOPPED, STOPPED
    elif newest is not None:
        state, reason = _state(newest, ended)
        if stays_down(service, tasks):
            state, reason = UnitState.EXITED, ended
        elif given_up_at(service, tasks) is not None and rounds_of(service) >= restarts:
            state = UnitState.FATAL
    if state is UnitState.RUNNING and newest is not None:
        pid = newest["Status"]["ContainerStatus"]["PID"] or None
        since = moment(newest["Status"]["Timestamp"])
    return Unit(
        deployment_id=labels[names.DEPLOYMENT],
        service_id=labels[names.SERVICE],
        state=state,
        address=f"{host}:{port_of(service)}" if port_of(service) else "",
        pid=pid,
        started_at=since,
        reason=reason,
        process=process,
        replica=replica,
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
        if constraint_node(task):
            message = "Its data, or its image, is on a node that takes no apps now; it waits for that node."
            return UnitState.BACKOFF, Reason("engine_unavailable", message, {"detail": "node_away"})
        message = f"No node can take the app: {why}."
        return UnitState.BACKOFF, Reason("engine_unavailable", message, {"detail": "no_node", "why": why})
    return UnitState.STARTING, None


def constraint_node(task: Task) -> str:
    """The id of the one node that may take it; empty for any."""
    constraints = (task["Spec"].get("Placement") or {}).get("Constraints") or ()
    return next((one.removeprefix(PINNED).strip() for one in constraints if one.startswith(PINNED)), "")


def end_of(task: Task, was_oom: Callable[[str], bool]) -> Reason:
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
    labels = task["Spec"].get("ContainerSpec", {}).get("Labels") or {}
    return exited(code, names.unit_of(labels)[0])


def runs_well(task: Task) -> bool:
    """Whether it has run longer than lives in a crash loop do."""
    lived = (datetime.now(UTC) - moment(task["Status"]["Timestamp"])).total_seconds()
    return task["Status"]["State"] == "running" and lived > SHORT_LIFE


def _lived(task: Task) -> float:
    return (moment(task["Status"]["Timestamp"]) - moment(task["CreatedAt"])).total_seconds()
