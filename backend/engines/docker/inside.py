"""Runs a command inside a unit's container, with the app's variables."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time

from docker import APIClient

from backend.engines.base import EngineError, Unit
from backend.engines.docker import names
from backend.engines.docker.client import Daemon
from backend.engines.docker.template import ENVIRONMENT
from backend.engines.probes import Bad

POLL = 0.1
ELSEWHERE = "its unit runs on another node, where no command can be run"

MARK = "GAVAN_CHECK"

# What docker executes leads a group of its own. Its number is kept in the container, for only there it means
# something: docker leaves running what nobody waits for any more. What began a session of its own is found by
# a variable that it inherited; the second and third look are for what it began meanwhile.
_SWEEP = f"""for look in 1 2 3; do
  for found in $(grep -ls "{MARK}=$1" /proc/[0-9]*/environ); do
    process=${{found%/environ}}
    kill -KILL "${{process#/proc/}}"
  done
done 2>/dev/null"""
_RUN = f"""echo $$ >"$1"
[ ! -e {ENVIRONMENT} ] || . {ENVIRONMENT}
{MARK}="$1" /bin/sh -c "$2"
status=$?
rm -f "$1"
{_SWEEP}
exit $status"""
_END = f"""if read leader <"$1"; then kill -KILL "-$leader"; fi
rm -f "$1"
{_SWEEP}"""


async def run(daemon: Daemon, instance: str, unit: Unit, command: str, timeout: float) -> int:
    """Its exit status; an image needs /bin/sh for it. Raises TimeoutError when it did not end in time.

    However this ends, the command and what it began do not go on.
    """
    container = await daemon.call(lambda client: _container(client, instance, unit))
    if container is None:
        raise Bad(ELSEWHERE, "check_elsewhere")
    mark = f"/tmp/.gavan-{secrets.token_hex(8)}"  # noqa: S108 (in the container)

    def begin(client: APIClient) -> str:
        return _execute(client, container, _RUN, mark, command)

    begun = asyncio.ensure_future(daemon.call(begin))
    try:
        order = await asyncio.shield(begun)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            facts = await daemon.call(lambda client: client.exec_inspect(order))
            if not facts["Running"] and facts["ExitCode"] is not None:
                return int(facts["ExitCode"])
            await asyncio.sleep(POLL)
        raise TimeoutError
    except BaseException:
        # Whoever asks has a time limit of their own, which may come first.
        await asyncio.wait([begun])
        with contextlib.suppress(EngineError):
            await daemon.call(lambda client: _execute(client, container, _END, mark))
        raise


def _execute(client: APIClient, container: str, script: str, *words: str) -> str:
    """Its id; it is not waited for."""
    made = client.exec_create(container, ["/bin/sh", "-c", script, "sh", *words], stdout=False, stderr=False)
    client.exec_start(made["Id"], detach=True)
    return str(made["Id"])


def _container(client: APIClient, instance: str, unit: Unit) -> str | None:
    mine = names.mine(instance, deployment=unit.deployment_id)
    for container in client.containers(filters=mine):
        found = names.release_of(instance, container)
        if found is not None and found[2:] == (unit.process, unit.replica):
            return str(container["Id"])
    return None
