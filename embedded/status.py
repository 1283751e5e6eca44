"""`make status`: how each part is, for people and for programs."""

from __future__ import annotations

import json
from typing import Any

from embedded import docker, processes, settings, state
from embedded.console import say
from embedded.layout import Layout
from embedded.parts import parts_of
from embedded.supervisor import Supervisor
from embedded.web import Edge

STATES = {
    "RUNNING": "running",
    "STARTING": "starting",
    "BACKOFF": "restarting",
    "STOPPING": "stopping",
    "FATAL": "failed",
}
UNWATCHED = "unwatched"
"""It runs, but the supervisor that would start it again is gone."""


def status(layout: Layout) -> dict[str, Any]:
    """Addresses, `parts: {name: {state, pid, uptime_seconds}}`, and `healthy`: all run, the API is ready.
    Docker is a part that is not ours, where customers' services run there.

    A supervisor that was killed leaves its parts running: their pid files say so.
    """
    env = settings.read(layout.env_file)
    known = Supervisor(layout, timeout=5).processes()
    parts = {}
    for part in parts_of(env):
        info = known.get(part.name, {})
        running = processes.leader(layout.run / f"{part.name}.pid")
        parts[part.name] = {
            "state": STATES.get(info.get("statename", ""), UNWATCHED if running and not known else "stopped"),
            "pid": running.pid if running else None,
            "uptime_seconds": info["now"] - info["start"] if info.get("pid") else None,
        }
    if docker.is_engine(env):
        answers = not docker.trouble(env)
        parts["docker"] = {"state": "running" if answers else "stopped", "pid": None, "uptime_seconds": None}
    panel = env.get("PANEL_URL")
    example = state.load(layout).get("example")
    all_run = all(part["state"] == "running" for part in parts.values())
    return {
        "panel_url": panel,
        "api_url": f"{panel}/api/v1" if panel else None,
        "docs_url": f"{panel}/api/docs" if panel else None,
        "example_url": env["APPS_URL"].replace("{name}", example) if example and panel else None,
        "parts": parts,
        "healthy": all_run and Edge(int(env["EDGE_PORT"])).status("/api/v1/ready") == 200,
    }


def show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say(json.dumps(found))
        return
    for name, part in found["parts"].items():
        sign = "●" if part["state"] == "running" else "◐" if part["state"] == UNWATCHED else "○"
        since = f"for {_span(part['uptime_seconds'])}" if part["uptime_seconds"] is not None else ""
        pid = f"pid {part['pid']}" if part["pid"] else ""
        say(f"  {sign} {name:<10} {part['state']:<11} {pid:<12} {since}".rstrip())
    if found["healthy"]:
        say(f"\n  Panel {found['panel_url']} · API {found['docs_url']}")
        if found["example_url"]:
            say(f"  Example app {found['example_url']}")
    elif any(part["state"] == UNWATCHED for part in found["parts"].values()):
        say("\n  The supervisor is gone: what dies now stays dead. make up brings it back.")
    else:
        say("\n  Not everything runs: make up")


def _span(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
