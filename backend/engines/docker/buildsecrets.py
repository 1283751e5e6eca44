"""Build secrets, `RUN --mount=type=secret`, for the classic builder: handed to the one container that asks.

BuildKit mounts a secret into the container of one command (docs.docker.com/reference/dockerfile, “RUN
--mount=type=secret”). The classic builder mounts nothing, but runs each command in a container of its own: so
the command waits there until the engine has put the secrets into the container's `/dev/shm`, which is memory,
with links where they are looked for. After it the links are taken away, and only then is the layer made. No
layer, history, argument or cache has a value. The cache goes by the command, as BuildKit's does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from docker import APIClient

from backend.engines.base import EngineError
from backend.engines.docker.client import Conflict, Daemon, NotFound
from backend.engines.docker.variables import invalid

FLAG = re.compile(r"--mount=(?=(?:\S*,)?type=secret(?:,|$))(\S+)")
MOST = 20
"""Secrets of one command."""
PATIENCE = 60.0
"""Seconds that a command's container gets to start."""
POLL = 0.05
LONGEST_VARIABLES = 100_000
"""Bytes; Linux hands over no longer one."""

_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,127}", re.ASCII)
_TARGET = re.compile(r"(?:/[\w.-]+)+", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_]\w{0,127}", re.ASCII)
_MODE = re.compile(r"0?[0-7]{3}")
_OWNER = re.compile(r"[0-9]{1,9}")
_TRUTH = {"": True, "true": True, "1": True, "false": False, "0": False}
_TARGETS = ("target", "dst", "destination")
_KNOWN = frozenset({"type", "id", "source", *_TARGETS, "env", "required", "mode", "uid", "gid"})

_PAUSE = "sleep 0.05 2>/dev/null || sleep 1"
# In the command's container, by its user. The command is in the arguments: nothing is quoted anew.
_WAIT = f"""until [ -e /dev/shm/.gavan/ready ]; do
  [ ! -e /dev/shm/.gavan-failed ] || exit 70
  {_PAUSE}
done
. /dev/shm/.gavan/variables
"$@"
status=$?
: >/dev/shm/.gavan-over
while [ -e /dev/shm/.gavan/ready ]; do {_PAUSE}; done
exit $status"""
# There too, by root: `target mode owner` of each, the values in GAVAN_SECRET_0, ….
_HAND = f"""set -e
trap '[ $? = 0 ] || : >/dev/shm/.gavan-failed' EXIT
umask 022
mkdir /dev/shm/.gavan
printf %s "$GAVAN_SECRET_VARIABLES" >/dev/shm/.gavan/variables
number=0 made= linked= aside=
while [ $# -gt 0 ]; do
  file=/dev/shm/.gavan/$number
  : >$file
  chmod 600 $file
  eval "printf %s \\"\\$GAVAN_SECRET_$number\\"" >$file
  chown $3 $file
  chmod $2 $file
  parent=${{1%/*}}
  while [ -n "$parent" ] && [ ! -d "$parent" ]; do
    made="$made $parent"
    parent=${{parent%/*}}
  done
  [ -z "${{1%/*}}" ] || mkdir -p "${{1%/*}}"
  if [ -e "$1" ] || [ -L "$1" ]; then
    mv "$1" "$1.gavan-aside"
    aside="$aside $1"
  fi
  ln -s $file "$1"
  linked="$linked $1"
  number=$((number + 1))
  shift 3
done
: >/dev/shm/.gavan/ready
until [ -e /dev/shm/.gavan-over ]; do {_PAUSE}; done
set +e
for link in $linked; do rm -f "$link"; done
for path in $aside; do mv "$path.gavan-aside" "$path"; done
[ -z "$made" ] || rmdir $made 2>/dev/null
rm -f /dev/shm/.gavan/ready"""


@dataclass(frozen=True, slots=True)
class Mount:
    """One secret of a command; `target` is empty for one that is wanted as a variable only."""

    id: str
    target: str
    variable: str
    required: bool
    mode: str
    owner: str


@dataclass(frozen=True, slots=True)
class Asking:
    """A command that takes secrets: as its author wrote it, and as its container has it."""

    line: str
    command: tuple[str, ...]
    mounts: tuple[Mount, ...]


def mount(options: str) -> Mount:
    """What stands behind `--mount=`. Raises `build_failed`."""
    given: dict[str, str] = {}
    for pair in options.split(","):
        name, _, value = pair.partition("=")
        value = value.strip("\"'")
        if name not in _KNOWN:
            raise invalid(f"a secret has an option that is not understood: {name[:50]!r}")
        given[name] = value
    targets = [given[name] for name in _TARGETS if name in given]
    variable = given.get("env", "")
    identity = (
        given.get("id") or given.get("source") or (targets[0].rpartition("/")[2] if targets else variable)
    )
    target = targets[0] if targets else ("" if variable else f"/run/secrets/{identity}")
    if not _ID.fullmatch(identity):
        raise invalid("a secret has no id of letters, digits and . _ -")
    if (target and not _TARGET.fullmatch(target)) or "/../" in f"{target}/" or "/./" in f"{target}/":
        raise invalid(f"the secret {identity} has no plain absolute path as its target")
    if variable and not _VARIABLE.fullmatch(variable):
        raise invalid(f"the secret {identity} is wanted as a variable whose name cannot be one")
    required, mode = given.get("required", "false"), given.get("mode", "0400")
    uid, gid = given.get("uid", "0"), given.get("gid", "0")
    fitting = _MODE.fullmatch(mode) and _OWNER.fullmatch(uid) and _OWNER.fullmatch(gid)
    if required not in _TRUTH or not fitting:
        raise invalid(f"the secret {identity} has a mode, an owner or a “required” that cannot be")
    return Mount(identity, target, variable, _TRUTH[required], mode, f"{uid}:{gid}")


def asking(line: str, mounts: Sequence[Mount], shell: Sequence[str], words: str) -> tuple[str, Asking]:
    """What RUN runs for the builder, and what its container will be known by."""
    if len(mounts) > MOST:
        raise invalid(f"a command takes more than {MOST} secrets")
    if len({one.target for one in mounts if one.target}) < sum(bool(one.target) for one in mounts):
        raise invalid("two secrets of a command have the same target")
    command = ("/bin/sh", "-c", _WAIT, "sh", *(_listed(words) or (*shell, words)))
    return json.dumps(command), Asking(line, command, tuple(mounts))


def _listed(words: str) -> list[str] | None:
    """The command of the form `["a", "b"]`; Docker takes for text what is no list of texts."""
    try:
        found = json.loads(words)
    except (ValueError, RecursionError):
        return None
    fitting = isinstance(found, list) and found and all(isinstance(word, str) for word in found)
    return found if fitting else None


def value(secrets: Mapping[str, str], identity: str) -> str | None:
    """Of the variable with that name, or with the name as variables are written: NPM_TOKEN for npm-token."""
    written = re.sub(r"[.-]", "_", identity).upper()
    return secrets.get(identity, secrets.get(written))


def missing(asked: Iterable[Asking], secrets: Mapping[str, str]) -> list[str]:
    """Ids that no variable has the name of. Raises `build_failed` for one that is required."""
    absent = [one for each in asked for one in each.mounts if value(secrets, one.id) is None]
    for one in absent:
        if one.required:
            raise EngineError(
                "build_failed",
                f"The Dockerfile needs the secret {one.id}: set a variable of that name.",
                detail="secret_missing",
                secret=one.id,
            )
    return list(dict.fromkeys(one.id for one in absent))


async def hand(
    daemon: Daemon, container: str, marks: Mapping[str, str], asked: Asking, secrets: Mapping[str, str]
) -> None:
    """Into the container that runs the command, as soon as it runs; into no other.

    `marks` are labels that it bears. Returns when it has ended by itself, too. Raises `build_failed`,
    `engine_unavailable`.
    """
    words, environment = _order(asked, secrets)

    def begin(client: APIClient) -> None:
        script = ["/bin/sh", "-c", _HAND, "sh", *words]
        made = client.exec_create(container, script, user="0", environment=environment)
        client.exec_start(made["Id"], detach=True)

    deadline = time.monotonic() + PATIENCE
    while (facts := await daemon.find(lambda client: client.inspect_container(container))) is not None:
        config, state = facts["Config"], facts["State"]
        # Its id was read from the output, which commands can imitate.
        mine = marks.items() <= (config["Labels"] or {}).items()
        if not mine or tuple(config["Cmd"] or ()) != asked.command or state["Status"] in ("exited", "dead"):
            return
        if state["Running"]:
            with contextlib.suppress(Conflict, NotFound):
                await daemon.call(begin)
                return
        if time.monotonic() > deadline:
            raise invalid("a command that takes secrets did not start")
        await asyncio.sleep(POLL)


def _order(asked: Asking, secrets: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment of the script."""
    words: list[str] = []
    environment: dict[str, str] = {}
    variables = ""
    for one in asked.mounts:
        if (found := value(secrets, one.id)) is None:
            continue
        if one.variable:
            variables += f"export {one.variable}={shlex.quote(found)}\n"
        if one.target:
            environment[f"GAVAN_SECRET_{len(words) // 3}"] = found
            words += [one.target, one.mode, one.owner]
    if len(variables.encode()) > LONGEST_VARIABLES:
        raise invalid("the secrets that a command takes as variables are too long together")
    return words, {**environment, "GAVAN_SECRET_VARIABLES": variables}
