"""Starts one unit: `python -I launch.py <unit folder> <instance> [task]`, all that supervisord is told of it.

Opens the sealed release, ends what an earlier life of the unit left running, slows down an app
that dies again and again, then becomes the sandbox. Imports little: every start waits for it.
"""

from __future__ import annotations

import base64
import json
import marshal
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from backend.engines import processes, sandbox, sealed  # noqa: E402

STABLE_AFTER = 60
"""Seconds after which a start counts as one that worked."""
PATIENCE, GIVE_UP = 5, 15
"""Short-lived starts in a row before each further one waits, and before there are no more."""
BEGUN = "begun"
"""Beside a task's unit: made by whoever begins it, and nobody does twice."""

# Keeps the exit status where no bubblewrap reports it; the handler, unlike "ignore", is not inherited.
MONITOR = """trap : TERM INT HUP; "$@"; s=$?; printf '{"exit-code": %d}\\n' "$s" >>"$0"; exit "$s\""""


def main() -> None:
    unit = Path(sys.argv[1])
    deployment_id = unit.parent.name
    kind = sys.argv[3] if len(sys.argv) > 3 else "unit"
    # Of a unit beside the first, its name follows.
    marker = f"{kind}:{deployment_id}{unit.name.removeprefix('unit')}@{sys.argv[2]}"
    status = unit / "status"
    if kind == "task":
        begin_once(unit.parent / BEGUN)
    last = read_status(status)
    ended = processes.end_leftovers(marker, last.get("pid"), last.get("ticks"), grace=3)
    if ended:
        print("Ended a process that an earlier start had left running.", flush=True)
    short = last.get("short_starts", 0) + 1 if time.time() - last.get("started", 0) < STABLE_AFTER else 0
    facts: dict[str, Any] = {
        "pid": os.getpid(),
        "ticks": processes.start_ticks(os.getpid()),
        "started": time.time(),
        "short_starts": short,
        "previous_exit": last.get("exit-code", last.get("previous_exit")),
        "previous_exit_at": _moment_of(status) if "exit-code" in last else last.get("previous_exit_at"),
    }
    if short >= GIVE_UP:
        facts["started"] = last["started"]
        fail(status, facts, "it ended again and again")
    if short > PATIENCE:
        write_status(status, {**facts, "waiting": True})
        time.sleep(min(2 ** (short - PATIENCE - 1), 30))
        facts["started"] = time.time()
    try:
        secret = base64.b64decode(os.environ["ENGINE_SECRET"], validate=True)
        release = sealed.unseal(secret, deployment_id, (unit / "release.sealed").read_bytes())
    except (KeyError, ValueError, OSError, sealed.SealBroken) as error:
        fail(status, facts, f"its release cannot be opened ({type(error).__name__})")
    write_status(status, facts)
    try:
        become(unit, status, marker, release)
    except OSError as error:
        fail(status, facts, f"its sandbox cannot be entered ({error.strerror})")


def become(unit: Path, status: Path, marker: str, release: dict[str, Any]) -> NoReturn:
    # Of the deployment whose build it is; releases that were sealed before there were rollbacks do not say.
    tree = Path(release.get("tree", unit.parent / "tree"))
    cwd = Path(release["stage"]["cwd"])
    isolation = sandbox.Isolation(tuple(release["isolation"]))
    release["stage"]["env"][processes.MARKER] = marker
    order = os.memfd_create("order", 0)
    with open(order, "wb", closefd=False) as file:
        file.write(marshal.dumps(release["stage"]))
    os.lseek(order, 0, os.SEEK_SET)
    # Supervisord may poll its end of this pipe, and would turn in circles if nobody held the other one.
    held = os.dup(0)
    os.set_inheritable(held, True)
    os.dup2(order, 0)
    os.close(order)
    words = sandbox.stage_words(isolation)
    if isolation.arguments:
        report = os.open(status, os.O_WRONLY | os.O_APPEND)
        os.set_inheritable(report, True)
        home = unit.parents[2]
        words = [
            *sandbox.enter(
                isolation,
                home=home,
                writable=[tree],
                cwd=cwd,
                status_fd=report,
                held_fd=held,
                shown=sandbox.show(release),
            ),
            *words,
        ]
        # bubblewrap waits outside for the app: it must not die of the SIGTERM that the app gets too.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    else:
        words = ["/bin/sh", "-c", MONITOR, str(status), *words]
    env = {"PATH": os.defpath, "LANG": "C.UTF-8", processes.MARKER: marker}
    os.execve(words[0], words, env)  # noqa: S606


def begin_once(note: Path) -> None:
    try:
        os.close(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        sys.exit(1)


def _moment_of(path: Path) -> float:
    """The exit status was the last that was written there."""
    return path.stat().st_mtime


def read_status(path: Path) -> dict[str, Any]:
    """The launcher's facts, and what was added to them: bubblewrap's or the monitor's `exit-code`."""
    merged: dict[str, Any] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return merged
    for line in lines:
        try:
            merged.update(json.loads(line))
        except ValueError:
            continue
    return merged


def write_status(path: Path, facts: dict[str, Any]) -> None:
    sealed.write_atomically(path, json.dumps(facts).encode() + b"\n", durable=False)


def fail(path: Path, facts: dict[str, Any], why: str) -> NoReturn:
    write_status(path, {**facts, "failed": why})
    print(f"The app was not started: {why}.", flush=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
