"""What Swarm says of tasks, read as a unit: the cases that are hard to bring about on a real daemon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backend.engines.base import UnitState
from backend.engines.docker import names, states

SERVICE = {
    "Spec": {
        "Labels": {names.DEPLOYMENT: "d", names.SERVICE: "s"},
        "Mode": {"Replicated": {"Replicas": 1}},
        "EndpointSpec": {"Ports": [{"PublishedPort": 20001}]},
    }
}


def task(
    state: str, *, age: float = 1, desired: str = "running", error: str = "", code: int | None = None
) -> dict[str, Any]:
    created = datetime.now(UTC) - timedelta(seconds=age)
    status: dict[str, Any] = {"State": state, "Timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}Z"}
    if error:
        status["Err"] = error
    if code is not None or state == "running":
        status["ContainerStatus"] = {"ContainerID": "c", "PID": 7 if state == "running" else 0}
        status["ContainerStatus"]["ExitCode"] = code or 0
    return {
        "CreatedAt": f"{created:%Y-%m-%dT%H:%M:%S.%f}789Z",
        "DesiredState": desired,
        "Status": status,
        "Spec": {"Resources": {"Limits": {"MemoryBytes": 64 * 2**20}}},
    }


def read(*tasks: dict[str, Any], oom: bool = False) -> tuple[UnitState, str]:
    lives = states.ordered(list(tasks))
    unit = states.unit_of(SERVICE, lives, "10.0.0.1", states.last_end(lives, lambda _: oom))
    assert unit.address == "10.0.0.1:20001"
    return unit.state, unit.reason.message if unit.reason else ""


@pytest.mark.parametrize("state", ["new", "pending", "assigned", "preparing", "ready", "starting"])
def test_on_its_way(state: str) -> None:
    assert read(task(state)) == (UnitState.STARTING, "")


def test_nothing_yet_and_running() -> None:
    assert read() == (UnitState.STARTING, "")
    assert read(task("running")) == (UnitState.RUNNING, "")


def test_no_node_takes_it() -> None:
    error = "no suitable node (insufficient resources on 2 nodes)"
    assert read(task("pending", error=error)) == (UnitState.STARTING, "")
    state, words = read(task("pending", age=60, error=error))
    assert state is UnitState.BACKOFF
    assert error in words


def test_between_two_lives() -> None:
    over = task("failed", age=9, desired="shutdown", code=7)
    for follower in ([], [task("ready", desired="ready")]):
        state, words = read(over, *follower)
        assert state is UnitState.BACKOFF
        assert "exit status 7" in words
    assert read(over, task("starting")) == (UnitState.STARTING, "")


@pytest.mark.parametrize(
    ("ended", "oom", "words"),
    [
        (task("failed", code=137), True, "more memory than the 64 MiB"),
        (task("failed", code=137), False, "not for lack of memory"),
        (task("failed", code=139), False, "SIGSEGV"),
        (task("complete", code=0), True, "keep running"),
        (task("rejected", error="No such image: sha256:ab"), False, "files of this release are gone"),
        (task("rejected", error="invalid mount"), False, "was not started: invalid mount"),
        (task("failed", error="starting container failed: x", code=128), False, "not started: starting"),
    ],
)
def test_why_it_ended(ended: dict[str, Any], oom: bool, words: str) -> None:
    state, said = read(ended, oom=oom)
    assert state is UnitState.BACKOFF
    assert words in said


def test_only_short_lives_are_a_crash_loop() -> None:
    short = [task("failed", age=age, desired="shutdown", code=1) for age in (30, 20, 10)]
    assert "keeps ending" in read(*short)[1]
    assert "keeps ending" not in read(*short[1:])[1]
    assert "keeps ending" not in read(task("failed", age=900, code=1), *short[1:])[1]


def test_lives_that_were_ended_on_purpose_do_not_count() -> None:
    assert read(task("complete", desired="remove", code=0)) == (UnitState.STARTING, "")
