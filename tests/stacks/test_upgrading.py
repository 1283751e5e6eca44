"""Versions that add something, drop something, or take their images from elsewhere."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from backend.config import Settings
from backend.database import Database
from backend.processes.dao import ProcessDAO
from backend.services.models import DeploymentState, Order
from backend.volumes.dao import VolumeDAO
from tests.stacks.conftest import FIRST, SECOND, Quay, Templates, give_credit

UNIT = SECOND.replace(
    'processes = { worker = { command = "tides worker", replicas = "${parameter.workers}" } }',
    'processes = { worker = { command = "tides work", replicas = "${parameter.workers}" },'
    ' clock = { command = "tides clock" } }',
)
CACHE = """
[services.cache]
title = { en = "Cache", ru = "Кэш" }
image = "registry.example.com/cache:1.0"
plan = "dinghy"
port = 6379
needs = ["db"]
health = { kind = "tcp" }

[services.cache.volumes.data]
path = "/data"
size_gib = 1
"""
ADDING = SECOND.replace('needs = ["db"]', 'needs = ["db", "cache"]') + CACHE
DROPPING = SECOND[: SECOND.index("[services.db]")].replace('needs = ["db"]\n', "")
DROPPING = DROPPING.replace("${service.db.host}:${service.db.port}", "elsewhere:5432")
NO_WORKER = SECOND.replace(
    'processes = { worker = { command = "tides worker", replicas = "${parameter.workers}" } }\n', ""
)


async def live(quay: Quay, **changes: Any) -> dict[str, Any]:
    stack = await quay.ordered(**changes)
    for part in [one["part"] for one in stack["services"]]:
        await quay.end(stack["id"], part)
    return stack


async def upgrade(quay: Quay, stack: dict[str, Any], status: int = 202, **wanted: Any) -> dict[str, Any]:
    answer = await quay.ask("POST", f"/stacks/{stack['id']}/upgrade", {"version": 2, **wanted})
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def processes(database: Database, service_id: str) -> dict[str, tuple[int, str | None]]:
    async with database.transaction() as session:
        rows = await ProcessDAO(session).of(UUID(service_id))
        return {row.name: (row.replicas, row.command) for row in rows}


async def held(quay: Quay) -> int:
    shown = (await quay.ask("GET", f"/projects/{quay.ada.project_id}/billing/balance")).json()
    return int(shown["standings"][0]["held"])


class TestUnits:
    async def test_what_a_version_adds_is_paid_for(
        self, quay: Quay, templates: Templates, database: Database
    ) -> None:
        """A unit more costs the plan once more, and is held as scaling holds it."""
        stack = await live(quay)
        app = (await quay.shown(stack["id"]))["app"]
        templates.write(2, UNIT)
        before = await held(quay)
        await give_credit(database, quay, before + 699)
        assert (await upgrade(quay, stack, 409))["code"] == "insufficient_funds"
        assert (await quay.ask("GET", f"/stacks/{stack['id']}")).json()["version"] == 1
        assert await processes(database, app["id"]) == {"worker": (1, "tides worker")}
        await give_credit(database, quay, before + 700)
        await upgrade(quay, stack)
        assert await held(quay) == before + 700
        found = await processes(database, app["id"])
        assert found == {"worker": (1, "tides work"), "clock": (1, "tides clock")}

    async def test_more_workers_by_a_parameter_unless_it_was_scaled_otherwise(
        self, quay: Quay, templates: Templates, database: Database
    ) -> None:
        first, second = await live(quay), await live(quay)
        apps = [(await quay.shown(stack["id"]))["app"]["id"] for stack in (first, second)]
        scaled = {"processes": [{"name": "worker", "replicas": 2, "command": "tides worker"}]}
        answer = await quay.ask("PUT", f"/services/{apps[1]}/processes", scaled)
        assert answer.status_code == 200, answer.text
        templates.write(2, SECOND)
        before = await held(quay)
        for stack in (first, second):
            await upgrade(quay, stack, parameters={"workers": 3})
        assert await held(quay) == before + 2 * 700
        counts = [(await processes(database, app))["worker"][0] for app in apps]
        assert counts == [3, 2]

    async def test_what_a_version_drops_is_not_paid_for(
        self, quay: Quay, templates: Templates, database: Database
    ) -> None:
        stack = await live(quay, parameters={"workers": 2})
        app = (await quay.shown(stack["id"]))["app"]
        templates.write(2, NO_WORKER.replace("${parameter.workers}", "1"))
        before = await held(quay)
        await upgrade(quay, stack)
        assert await processes(database, app["id"]) == {}
        assert await held(quay) == before - 2 * 700


class TestServices:
    async def test_one_that_a_version_adds_is_ordered_with_it(
        self, quay: Quay, templates: Templates, database: Database
    ) -> None:
        stack = await live(quay)
        templates.write(2, ADDING)
        offered = (await quay.ask("GET", f"/stacks/{stack['id']}")).json()["upgrade"]
        assert [(one["name"], one["plan_id"]) for one in offered["added"]] == [
            (f"{stack['name']}-cache", "dinghy")
        ]
        before = await held(quay)
        # A dinghy and a GiB.
        await give_credit(database, quay, before + 309)
        assert (await upgrade(quay, stack, 409))["code"] == "insufficient_funds"
        assert set(await quay.shown(stack["id"])) == {"app", "db"}
        await give_credit(database, quay, before + 310)
        await upgrade(quay, stack)
        assert await held(quay) == before + 310
        shown = await quay.shown(stack["id"])
        assert {part: one["waiting"] for part, one in shown.items()} == {
            "app": True,
            "db": False,
            "cache": True,
        }
        for part in ("db", "cache"):
            await quay.end(stack["id"], part)
        assert not (await quay.shown(stack["id"]))["app"]["waiting"]
        async with database.transaction() as session:
            assert len(await VolumeDAO(session).of(UUID(shown["cache"]["id"]))) == 1
            ordered = await session.execute(
                select(Order).where(Order.service_id == UUID(shown["cache"]["id"]))
            )
            assert ordered.scalar_one().price_minor == 300

    async def test_a_taken_name_leaves_all_as_it_was(self, quay: Quay, templates: Templates) -> None:
        stack = await live(quay, name="shore")
        await quay.ordered(name="shore-cache")
        templates.write(2, ADDING)
        assert (await upgrade(quay, stack, 409))["code"] == "name_taken"
        assert (await quay.ask("GET", f"/stacks/{stack['id']}")).json()["version"] == 1

    async def test_one_that_a_version_drops_stays_until_its_owner_deletes_it(
        self, quay: Quay, templates: Templates, database: Database
    ) -> None:
        stack = await live(quay)
        templates.write(2, DROPPING)
        offered = (await quay.ask("GET", f"/stacks/{stack['id']}")).json()["upgrade"]
        assert offered["dropped"] == [{"part": "db", "name": f"{stack['name']}-db"}]
        await upgrade(quay, stack)
        shown = await quay.shown(stack["id"])
        assert (shown["db"]["dropped"], shown["app"]["dropped"]) == (True, False)
        assert (shown["db"]["status"], shown["app"]["waiting"]) == ("running", False)
        variables = await quay.variables(shown["app"]["id"])
        assert variables["DATABASE_URL"].endswith("elsewhere:5432/tides")
        async with database.transaction() as session:
            assert len(await VolumeDAO(session).of(UUID(shown["db"]["id"]))) == 1
        alone = await quay.ask("DELETE", f"/services/{shown['app']['id']}")
        assert alone.json()["code"] == "service_of_stack"
        assert (await quay.ask("DELETE", f"/services/{shown['db']['id']}")).status_code == 202

    async def test_what_was_dropped_is_not_tried_again_and_goes_with_the_stack(
        self, quay: Quay, templates: Templates
    ) -> None:
        stack = await live(quay)
        templates.write(2, DROPPING)
        await quay.end(stack["id"], "db", DeploymentState.FAILED)
        await upgrade(quay, stack)
        await quay.end(stack["id"], "app")
        assert not (await quay.shown(stack["id"]))["db"]["behind"]
        again = await quay.ask("POST", f"/stacks/{stack['id']}/deployments")
        assert again.json()["code"] == "nothing_to_deploy"
        gone = await quay.ask("POST", f"/stacks/{stack['id']}/removal", {"name": stack["name"]})
        assert len(gone.json()["job_ids"]) == 2

    async def test_what_waited_and_is_dropped_waits_no_more(self, quay: Quay, templates: Templates) -> None:
        templates.write(1, FIRST + CACHE)
        stack = await quay.ordered()
        templates.write(2, SECOND)
        await upgrade(quay, stack)
        cache = (await quay.shown(stack["id"]))["cache"]
        assert (cache["waiting"], cache["dropped"], cache["deployment_state"]) == (False, True, "cancelled")
        assert cache["deployment_reason_code"] == "part_dropped"


async def test_images_come_from_the_operator_s_mirror(
    quay: Quay, templates: Templates, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """Under the same paths; and from another one once it is upgraded after the operator changed it."""

    def mirror(place: str) -> None:
        monkeypatch.setitem(settings.__dict__, "template_registry", place)

    mirror("mirror.example.net/hub")
    stack = await live(quay)
    shown = await quay.shown(stack["id"])
    assert shown["app"]["image"] == "mirror.example.net/hub/tides:1.0"
    body = {"source": {"image": "registry.example.org/mine:1"}}
    assert (await quay.ask("PATCH", f"/services/{shown['db']['id']}", body)).status_code == 200
    templates.write(2, SECOND)
    mirror("other.example.net")
    (listed,) = [
        one for one in (await quay.ask("GET", "/stack-templates")).json()["items"] if one["id"] == "tides"
    ]
    assert {one["image"] for one in listed["services"]} == {
        "other.example.net/tides:2.0",
        "other.example.net/postgres:17.6",
    }
    await upgrade(quay, stack)
    shown = await quay.shown(stack["id"])
    assert shown["app"]["image"] == "other.example.net/tides:2.0"
    assert shown["db"]["image"] == "registry.example.org/mine:1"
