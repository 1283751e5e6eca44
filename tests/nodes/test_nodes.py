"""Nodes as administrators see and change them, and how one is emptied."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from backend.config import Settings
from backend.database import Database
from backend.engines.base import EngineError
from backend.engines.nodes import Availability, Waiting
from backend.nodes import draining
from backend.utils.ids import new_id
from tests.services.conftest import ada, harbour
from tests.services.releases import Harbour
from tests.support.people import Person, UserFactory
from tests.support.swarm import FIRST, SECOND, Swarm, first_node, node, placed

__all__ = ["ada", "harbour"]
GIB = 2**30
JOIN = "node-join-order"
REGISTRY = "https://registry.example.org"


@pytest.fixture
def swarm(app: FastAPI, settings: Settings) -> Swarm:
    made = Swarm()
    app.state.parts.engine = made
    app.state.parts.settings = settings.model_copy(update={"docker_registry": REGISTRY})
    return made


@pytest.fixture
async def chief(user_factory: UserFactory) -> Person:
    return await user_factory(roles=("user", "admin"))


class Ask:
    def __init__(self, client: httpx.AsyncClient, who: Person) -> None:
        self._client, self._who = client, who

    async def __call__(self, method: str, path: str = "", body: Any = None) -> httpx.Response:
        return await self._client.request(
            method,
            f"/api/v1/admin/{path if path == JOIN else 'nodes' + path}",
            json=body,
            headers=self._who.headers,
        )

    async def become(self, node_id: str, availability: str, **more: Any) -> httpx.Response:
        return await self("POST", f"/{node_id}/availability", {"availability": availability, **more})


@pytest.fixture
def ask(client: httpx.AsyncClient, chief: Person) -> Ask:
    return Ask(client, chief)


@pytest.fixture
async def live(harbour: Harbour, database: Database) -> tuple[UUID, UUID]:
    """Service and deployment of a release that serves."""
    await harbour.order()
    async with database.transaction() as session:
        await session.execute(text("UPDATE services SET status = 'running'"))
    return UUID(harbour.service_id), UUID(harbour.made[0])


@pytest.fixture
def actions(database: Database) -> Any:
    async def said() -> list[tuple[str, Any, Any]]:
        async with database.transaction() as session:
            rows = await session.execute(
                text("SELECT action, before, after FROM audit_events WHERE action LIKE 'node.%' ORDER BY id")
            )
            return [tuple(row) for row in rows]

    return said


async def test_what_is_where(ask: Ask, swarm: Swarm, live: tuple[UUID, UUID]) -> None:
    service_id, deployment_id = live
    swarm.known[FIRST] = first_node(placed(deployment_id, service_id), placed(uuid4(), uuid4()))
    swarm.waiting = (Waiting(str(deployment_id), str(service_id), "web", 2, SECOND, "no suitable node"),)
    found = (await ask("GET")).json()
    assert [(one["name"], one["units"], one["sold_memory_bytes"]) for one in found["nodes"]] == [
        ("node-1", 2, GIB),
        ("node-2", 0, 0),
    ]
    assert found["registry"] == REGISTRY
    [waiting] = found["waiting"]
    assert (waiting["node"], waiting["service"]["id"]) == ("node-2", str(service_id))
    one = (await ask("GET", f"/{FIRST}")).json()
    assert [unit["service"] and unit["service"]["id"] for unit in one["placed"]] == [str(service_id), None]
    assert one["disk"]["free_bytes"] == 80 * GIB
    assert (await ask("GET", f"/{SECOND}")).json()["disk"] is None


async def test_one_machine(ask: Ask) -> None:
    found = (await ask("GET")).json()
    assert found == {"supported": False, "registry": None, "nodes": [], "waiting": []}
    for answer in (
        await ask("GET", f"/{FIRST}"),
        await ask.become(FIRST, "pause"),
        await ask("PUT", f"/{FIRST}/labels", {"labels": {}}),
        await ask("DELETE", f"/{FIRST}"),
        await ask("POST", JOIN, {}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "not_supported_here")


async def test_a_node_is_emptied(
    ask: Ask, swarm: Swarm, live: tuple[UUID, UUID], database: Database, actions: Any
) -> None:
    service_id, deployment_id = live
    unit = placed(deployment_id, service_id)
    swarm.known[FIRST] = first_node(unit)
    answer = await ask.become(FIRST, "drain")
    assert answer.json()["drain"] | {"started_at": 0} == {
        "state": "moving",
        "units": 1,
        "moved": 0,
        "started_at": 0,
        "finished_at": None,
    }
    assert swarm.asked == [(FIRST, Availability.DRAIN)]
    await draining.follow(database, swarm)  # type: ignore[arg-type]

    async def drain() -> tuple[str, int]:
        shown = (await ask("GET", f"/{FIRST}")).json()["drain"]
        return shown["state"], shown["moved"]

    assert await drain() == ("moving", 0)
    # It starts elsewhere, and is not well yet.
    swarm.known[FIRST] = replace(swarm.known[FIRST], units=())
    swarm.known[SECOND] = node(SECOND, "node-2", units=(replace(unit, running=False),))
    await draining.follow(database, swarm)  # type: ignore[arg-type]
    assert await drain() == ("moving", 0)
    swarm.known[SECOND] = node(SECOND, "node-2", units=(unit,))
    async with database.transaction() as session:
        await session.execute(text("UPDATE services SET status = 'crashed'"))
    await draining.follow(database, swarm)  # type: ignore[arg-type]
    assert await drain() == ("moving", 0)
    async with database.transaction() as session:
        await session.execute(text("UPDATE services SET status = 'running'"))
    await draining.follow(database, swarm)  # type: ignore[arg-type]
    assert await drain() == ("drained", 1)
    assert (await ask.become(FIRST, "active")).json()["availability"] == "active"
    assert await actions() == [
        ("node.availability_changed", {"availability": "active"}, {"availability": "drain"}),
        ("node.availability_changed", {"availability": "drain"}, {"availability": "active"}),
    ]


async def test_what_was_cut_off_is_finished(ask: Ask, swarm: Swarm, database: Database) -> None:
    """The panel is killed between writing down and telling the swarm."""
    swarm.known[FIRST] = first_node(placed(uuid4(), uuid4()))
    await ask.become(FIRST, "drain")
    swarm.known[FIRST] = replace(swarm.known[FIRST], availability=Availability.ACTIVE)
    await draining.follow(database, swarm)  # type: ignore[arg-type]
    assert swarm.known[FIRST].availability is Availability.DRAIN
    # By hand, past the panel.
    swarm.known[FIRST] = replace(swarm.known[FIRST], availability=Availability.ACTIVE)
    await draining.follow(database, swarm)  # type: ignore[arg-type]
    assert swarm.known[FIRST].availability is Availability.ACTIVE
    assert (await ask("GET", f"/{FIRST}")).json()["drain"]["state"] == "ended"


async def test_volumes_hold_a_node_back(
    ask: Ask, swarm: Swarm, live: tuple[UUID, UUID], harbour: Harbour, database: Database, actions: Any
) -> None:
    service_id, deployment_id = live
    swarm.known[FIRST] = first_node(placed(deployment_id, service_id))
    async with database.transaction() as session:
        await session.execute(
            text(
                "INSERT INTO volumes (id, project_id, service_id, name, path, size_bytes, node, made_bytes,"
                " created_at, updated_at)"
                " SELECT :id, project_id, id, 'data', '/data', 1, :node, 1, now(), now()"
                " FROM services WHERE id = :service"
            ),
            {"id": new_id(), "node": FIRST, "service": service_id},
        )
    refused = await ask.become(FIRST, "drain")
    assert (refused.status_code, refused.json()["code"]) == (409, "node_has_volumes")
    assert len(refused.json()["parameters"]["services"]) == 1
    assert swarm.asked == []
    [pinned] = (await ask("GET", f"/{FIRST}")).json()["pinned"]
    assert (pinned["name"], pinned["service"]["id"]) == ("data", str(service_id))
    assert (await ask.become(FIRST, "drain", accept_standstill=True)).status_code == 200
    swarm.known[FIRST] = replace(swarm.known[FIRST], state="down")
    assert (await ask("DELETE", f"/{FIRST}")).json()["code"] == "node_has_volumes"
    assert len(await actions()) == 1


async def test_nobody_would_take_it(ask: Ask, swarm: Swarm, app: FastAPI, settings: Settings) -> None:
    swarm.known[FIRST] = first_node(placed(uuid4(), uuid4()))
    await ask.become(SECOND, "pause")
    assert (await ask.become(FIRST, "drain")).json()["code"] == "node_is_last"
    await ask.become(SECOND, "active")
    app.state.parts.settings = settings
    assert (await ask.become(FIRST, "drain")).json()["code"] == "node_without_registry"


async def test_labels_and_removal(ask: Ask, swarm: Swarm, actions: Any) -> None:
    answer = await ask("PUT", f"/{SECOND}/labels", {"labels": {"rack": "3", "disk": ""}})
    assert answer.json()["labels"] == {"disk": "", "rack": "3"}
    for wrong in ({"A B": "x"}, {"ok": "a b"}, {"": "x"}, {f"l{at}": "" for at in range(21)}, ["disk"], None):
        assert (await ask("PUT", f"/{SECOND}/labels", {"labels": wrong})).status_code == 422
    assert (await ask("DELETE", f"/{SECOND}")).json()["code"] == "node_not_down"
    swarm.known[SECOND] = replace(swarm.known[SECOND], state="down")
    assert (await ask("DELETE", f"/{SECOND}")).status_code == 204
    assert (await ask("DELETE", f"/{SECOND}")).status_code == 404
    assert [action for action, *_ in await actions()] == ["node.labels_changed", "node.removed"]


async def test_the_token_is_shown_and_on_record(ask: Ask, swarm: Swarm, actions: Any) -> None:
    first = (await ask("POST", JOIN, {})).json()["command"]
    second = (await ask("POST", JOIN, {"rotate": True})).json()["command"]
    assert first != second
    assert await actions() == [("node.token_shown", None, None), ("node.token_rotated", None, None)]


async def test_a_swarm_that_is_away(ask: Ask, swarm: Swarm, database: Database) -> None:
    swarm.trouble = EngineError("engine_unavailable", "Docker does not answer.")
    assert (await ask("GET")).status_code == 503
    assert (await ask.become(FIRST, "drain")).status_code == 503
    await draining.follow(database, swarm)  # type: ignore[arg-type]


async def test_hostile_ids(ask: Ask, swarm: Swarm) -> None:
    assert (await ask("GET", "/nothere")).status_code == 404
    for wrong in ("x" * 65, "%00", "..%2f..", "ü", "a-b"):
        assert (await ask("GET", f"/{wrong}")).status_code in (404, 422)
    for body in ({}, {"availability": "off"}, {"availability": None}, {"availability": "drain", "more": 1}):
        assert (await ask("POST", f"/{FIRST}/availability", body)).status_code == 422
