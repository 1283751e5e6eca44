"""Where ENGINE is `docker`, customers' services run in Docker: nothing of ours to start, but to look for."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from collections.abc import Mapping
from urllib.parse import urlsplit

from embedded.commands import Backend
from embedded.console import Failure, step, warn
from embedded.layout import Layout
from embedded.supervisor import UnixConnection

DEFAULT_HOST = "unix:///var/run/docker.sock"
PATIENCE = 10


def is_engine(env: Mapping[str, str]) -> bool:
    return env.get("ENGINE") == "docker"


def trouble(env: Mapping[str, str]) -> str:
    """Why Docker does not answer; empty when it does."""
    address = urlsplit(env.get("DOCKER_HOST", DEFAULT_HOST))
    connection: http.client.HTTPConnection
    if address.scheme == "unix":
        connection = UnixConnection(address.path, PATIENCE)
    elif address.scheme == "tcp" and not env.get("DOCKER_TLS_VERIFY"):
        connection = http.client.HTTPConnection(address.netloc, timeout=PATIENCE)
    else:
        # The panel itself will tell; this has to do with what every Python has.
        return ""
    try:
        connection.request("GET", "/_ping")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    finally:
        connection.close()
    return "" if status == 200 else f"it answers {status}"


def demand(env: Mapping[str, str]) -> None:
    if said := trouble(env):
        host = env.get("DOCKER_HOST", DEFAULT_HOST)
        raise Failure(
            f"Docker does not answer at {host}: {said}",
            "start Docker, or put ENGINE=process into .env",
        )


def guard(layout: Layout, env: Mapping[str, str]) -> None:
    """Put the node's firewall in force where we may, and tell who has to where we may not."""
    if env.get("NODE_FIREWALL") == "off":
        return
    script = layout.root / "node" / "firewall"
    local = env.get("DOCKER_HOST", DEFAULT_HOST).startswith("unix:")
    if local and os.getuid() == 0:
        done = subprocess.run(
            [script, "install"], capture_output=True, text=True, check=False, env={**os.environ, **env}
        )
        if done.returncode:
            warn(f"the node's firewall is not in force: {done.stderr.strip() or done.returncode}")
    with step("trying what customers' containers reach"):
        work = Backend(layout, dict(env), "backend.manage", "examine-engine", "--if", "network_open")
        cautions = json.loads(work.line())["cautions"]
        work.finish()
    if "network_open" in cautions:
        where = "" if local else " on Docker's machine"
        warn(f"customers' containers reach this machine and its network; run{where}: sudo {script} install")


def stop_apps(layout: Layout, env: Mapping[str, str]) -> None:
    """Stop customers' containers; `make up` brings them back."""
    if not layout.venv.exists():
        return
    if trouble(env):
        warn("Docker does not answer: customers' containers stay as they are")
        return
    with step("stopping customers' containers") as line:
        work = Backend(
            layout, dict(env), "backend.manage", "stop-apps", python=layout.venv / "bin" / "python"
        )
        line.more(f"{json.loads(work.line())['stopped']} stopped")
        work.finish()
