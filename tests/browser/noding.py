"""Nodes as the API would tell of a swarm: the stack of these tests runs on one machine."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Route, expect

from tests.browser.panel import Panel
from tests.support.swarm import FIRST, SECOND

GIB = 2**30


def _service(name: str, project: str) -> dict[str, Any]:
    return {"id": "0199c2d4-9f3e-7c51-b2a4-3d5e6f708192", "name": name, "project_name": project}


def _node(node_id: str, name: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": node_id,
        "name": name,
        "state": "ready",
        "why": "",
        "availability": "active",
        "role": "worker",
        "leader": False,
        "here": False,
        "address": "198.51.100.12",
        "architecture": "x86_64",
        "version": "26.1.5+dfsg1",
        "cpu_millis": 8000,
        "memory_bytes": 16 * GIB,
        "sold_cpu_millis": 2500,
        "sold_memory_bytes": 5 * GIB,
        "units": 9,
        "volumes": 0,
        "labels": {},
        "disk": None,
        "image_bytes": None,
        "drain": None,
    } | changes


_FIRST = _node(
    FIRST,
    "harbour-master.internal.example.com",
    role="manager",
    leader=True,
    here=True,
    sold_memory_bytes=15 * GIB,
    units=31,
    volumes=2,
    labels={"disk": "ssd", "rack": "3"},
    disk={"total_bytes": 200 * GIB, "free_bytes": 84 * GIB},
    image_bytes=23 * GIB,
)
_DRAIN = {
    "state": "moving",
    "units": 9,
    "moved": 4,
    "started_at": "2026-11-22T10:00:00Z",
    "finished_at": None,
}
_NODES = {
    "supported": True,
    "registry": "https://registry.example.org:5000",
    "nodes": [
        _FIRST,
        _node(SECOND, "node-2", availability="drain", drain=_DRAIN),
        _node("x" * 25, "node-3", state="down", why='heartbeat failure for node in "unknown" state', units=0),
    ],
    "waiting": [
        {
            "service": _service("ferry-bookings", "Harbour"),
            "process": "web",
            "replica": 1,
            "node": "node-3",
            "why": "no suitable node (scheduling constraints not satisfied on 2 nodes)",
        }
    ],
}
_PLACED = [
    {
        "service": _service(name, "Harbour"),
        "process": process,
        "replica": 1,
        "running": running,
        "memory_bytes": GIB // 2,
        "cpu_millis": 500,
    }
    for name, process, running in (("tide-tables", "web", True), ("ferry-bookings", "worker", False))
]
_PINNED = [
    {
        "id": "0199c2d4-9f3e-7c51-b2a4-3d5e6f708193",
        "name": "bookings",
        "service": _service("ferry-bookings", "Harbour"),
        "size_bytes": 5 * GIB,
        "used_bytes": GIB,
    }
]


async def _answer(panel: Panel, pattern: str, body: Any) -> None:
    async def answer(route: Route) -> None:
        await route.fulfill(json=body)

    await panel.page.route(pattern, answer)


async def several(panel: Panel) -> None:
    await _answer(panel, "**/api/v1/admin/nodes", _NODES)
    await panel.page.reload()
    await expect(panel.part("node-card")).to_have_count(3)


async def join(panel: Panel) -> None:
    await several(panel)
    command = f"docker swarm join --token SWMTKN-1-{'4k' * 25}-{'x7' * 12} 198.51.100.11:2377"
    await _answer(panel, "**/api/v1/admin/node-join-order", {"command": command})
    await panel.part("add-node").click()
    await expect(panel.part("once")).to_be_visible()


async def one(panel: Panel) -> None:
    await _answer(panel, f"**/api/v1/admin/nodes/{FIRST}", {**_FIRST, "placed": _PLACED, "pinned": _PINNED})
    await several(panel)
    await panel.part("node-card").first.locator("h2 a").click()
    await expect(panel.part("placed-unit")).to_have_count(2)


async def drain(panel: Panel) -> None:
    await one(panel)
    await panel.part("drain-node").click()
    await expect(panel.part("dialog")).to_be_visible()
