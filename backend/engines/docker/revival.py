"""Tries releases again that keep ending, less and less often, until they are given up.

Swarm starts a release again after a few seconds, and no more once it ended three times in a row. From there
on the reconciler does, after pauses that grow, each time for as many lives as Swarm allows. How often that
was is written at the service itself, where a restart of the panel does not lose it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from backend.engines.docker import names, states
from backend.engines.docker.states import Service, Task


def next_trial(service: Service, tasks: list[Task], restarts: int) -> dict[str, Any] | None:
    """What the service is to become now; None for what it is. `tasks` in order."""
    if states.stays_down(service, tasks):
        return None
    rounds = states.rounds_of(service)
    given_up = states.given_up_at(service, tasks)
    if given_up is not None:
        waited = (datetime.now(UTC) - given_up).total_seconds()
        if rounds < restarts and waited >= states.pause_of(service):
            return _changed(service, rounds + 1, again=True)
    elif rounds and tasks and states.runs_well(tasks[-1]):
        return _changed(service, 0, again=False)
    return None


def _changed(service: Service, rounds: int, *, again: bool) -> dict[str, Any]:
    """Labels of a service are none of its tasks' business: only `again` begins a new life."""
    spec = service["Spec"]
    task = spec["TaskTemplate"]
    return {
        "name": spec["Name"],
        "labels": {**spec["Labels"], names.ROUNDS: str(rounds)},
        "mode": spec["Mode"],
        "task_template": {**task, "ForceUpdate": task.get("ForceUpdate", 0) + again},
        "endpoint_spec": spec["EndpointSpec"],
    }
