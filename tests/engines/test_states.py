"""What Swarm says of tasks, read as a unit: the cases that are hard to bring about on a real daemon."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backend.engines.base import UnitState
from backend.engines.docker import names, revival, states

SERVICE = {
    "Spec": {
        "Labels": {names.DEPLOYMENT: "d", names.SERVICE: "s"},
        "Mode": {"Replicated": {"Replicas": 1}},
        "EndpointSpec": {"Ports": [{"PublishedPort": 20001}]},
    }
}


RESTARTS = 6


def tried(rounds: int) -> dict[str, Any]:
    labels = {**SERVICE["Spec"]["Labels"], names.ROUNDS: str(rounds)}  # type: ignore[dict-item]
    spec = {**SERVICE["Spec"], "Name": "s", "Labels": labels, "TaskTemplate": {"ForceUpdate": 3}}
    return {"Spec": spec, "UpdatedAt": "2026-11-22T10:00:00.123456789Z"}


def task(
    state: str,
    *,
    age: float = 1,
    desired: str = "running",
    error: str = "",
    code: int | None = None,
    since: float = 0,
) -> dict[str, Any]:
    """Created `age` seconds ago, and in its state `since` so many."""
    created, changed = (datetime.now(UTC) - timedelta(seconds=ago) for ago in (age, since))
    status: dict[str, Any] = {"State": state, "Timestamp": f"{changed:%Y-%m-%dT%H:%M:%S.%f}Z"}
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


def read(*tasks: dict[str, Any], oom: bool = False, rounds: int = 0) -> tuple[UnitState, str]:
    service, lives = tried(rounds), states.ordered(list(tasks))
    ended = states.last_end(service, lives, lambda _: oom, RESTARTS)
    unit = states.unit_of(service, lives, "10.0.0.1", ended, RESTARTS)
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


def crashed(since: float) -> dict[str, Any]:
    return task("failed", age=since + 2, desired="shutdown", code=1, since=since)


def test_pauses_grow_until_it_is_given_up() -> None:
    assert [states.pause_of(tried(rounds)) for rounds in range(7)] == [10, 20, 40, 80, 160, 300, 300]
    state, words = read(crashed(5), rounds=2)
    assert state is UnitState.BACKOFF
    assert "after 40 seconds" in words
    state, words = read(crashed(5), rounds=RESTARTS)
    assert state is UnitState.FATAL
    assert "exit status 1" in words
    assert "not started again by itself" in words


@pytest.mark.parametrize(
    ("last", "rounds", "expected"),
    [
        (lambda: crashed(5), 0, None),
        (lambda: crashed(11), 0, ("1", 4)),
        (lambda: crashed(11), 1, None),
        (lambda: crashed(301), RESTARTS - 1, (str(RESTARTS), 4)),
        (lambda: crashed(9999), RESTARTS, None),
        (lambda: task("running", age=9), 2, None),
        (lambda: task("running", age=99, since=90), 2, ("0", 3)),
        (lambda: task("running", age=99, since=90), 0, None),
        (lambda: task("ready", desired="ready"), 2, None),
    ],
)
def test_when_it_is_tried_again(
    last: Callable[[], dict[str, Any]], rounds: int, expected: tuple[str, int] | None
) -> None:
    service = tried(rounds)
    wanted = revival.next_trial(service, [last()], RESTARTS)
    found = wanted and (wanted["labels"][names.ROUNDS], wanted["task_template"]["ForceUpdate"])
    assert found == expected
