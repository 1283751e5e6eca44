"""Stacks from the order to the deletion, by the API."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import func, select

from backend.database import Database
from backend.processes.dao import ProcessDAO
from backend.services.dao import ServiceDAO
from backend.services.models import DeploymentState, Service
from backend.stacks.models import Stack
from backend.volumes.dao import VolumeDAO
from tests.stacks.conftest import FIRST, SECOND, Quay, Templates, give_credit
from tests.support.people import UserFactory


async def counted(database: Database) -> list[int]:
    async with database.transaction() as session:
        return [
            (await session.execute(select(func.count()).select_from(model))).scalar_one()
            for model in (Stack, Service)
        ]


class TestOrdering:
    async def test_makes_all_of_it(self, quay: Quay, database: Database) -> None:
        stack = await quay.ordered(parameters={"harbour": "Oran", "token": "s3cret", "workers": 2})
        name = stack["name"]
        services = {one["part"]: one for one in stack["services"]}
        assert {part: one["name"] for part, one in services.items()} == {"app": name, "db": f"{name}-db"}
        assert services["app"]["url"]
        assert services["db"]["url"] is None
        assert (services["db"]["waiting"], services["app"]["waiting"]) == (False, True)
        assert "s3cret" not in str(stack)
        app = await quay.variables(services["app"]["id"])
        password = (await quay.variables(services["db"]["id"]))["POSTGRES_PASSWORD"]
        assert len(password) == 32
        assert app["DATABASE_URL"] == f"postgres://tides:{password}@{name}-db:5432/tides"
        assert (app["HARBOUR"], app["TOKEN"]) == ("Oran", "s3cret")
        async with database.transaction() as session:
            (volume,) = await VolumeDAO(session).of(UUID(services["db"]["id"]))
            (worker,) = await ProcessDAO(session).of(UUID(services["app"]["id"]))
            row = await ServiceDAO(session).get(UUID(services["db"]["id"]))
            assert row
            assert (row.public, row.run_as, row.health_kind) == (False, "postgres", "tcp")
        assert volume.path == "/var/lib/postgresql/data"
        assert (worker.name, worker.replicas, worker.command) == ("worker", 2, "tides worker")

    @pytest.mark.parametrize(
        ("given", "code"),
        [
            ({"nothing": "x"}, "parameter_unknown"),
            ({"harbour": 7}, "parameter_type"),
            ({"harbour": "Aden\nPATH=/evil"}, "parameter_characters"),
            ({"harbour": "A'; rm -rf /"}, "parameter_pattern"),
            ({"harbour": "${secret.password}"}, "parameter_pattern"),
            ({"harbour": "A" * 201}, "parameter_length"),
            ({"token": "\x00"}, "parameter_characters"),
            ({"workers": "2"}, "parameter_type"),
            ({"workers": True}, "parameter_type"),
            ({"workers": 4}, "parameter_range"),
            ({"workers": -1}, "parameter_range"),
        ],
        ids=repr,
    )
    async def test_refuses_what_does_not_fit(
        self, quay: Quay, database: Database, given: dict[str, Any], code: str
    ) -> None:
        answer = await quay.order(parameters=given)
        assert answer.status_code == 422, answer.text
        assert answer.json()["code"] == code
        assert await counted(database) == [0, 0]

    async def test_quotes_of_a_secret_stay_what_they_are(self, quay: Quay) -> None:
        words = "a'b\"c$(id)`x`\\ ${secret.password} Ω"
        stack = await quay.ordered(parameters={"token": words})
        (app,) = [one for one in stack["services"] if one["part"] == "app"]
        assert (await quay.variables(app["id"]))["TOKEN"] == words

    async def test_all_or_nothing_when_a_name_is_taken(self, quay: Quay, database: Database) -> None:
        await quay.ordered(name="tides")
        answer = await quay.order(name="tides")
        assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
        assert await counted(database) == [1, 2]

    async def test_a_name_has_room_for_what_follows_from_it(self, quay: Quay) -> None:
        assert (await quay.order(name="t" * 38)).json()["code"] == "name_length"

    async def test_all_or_nothing_when_funds_lack(self, quay: Quay, database: Database) -> None:
        """Enough for either service, and not for both."""
        quote = (await quay.ask("POST", "/stacks/preview", {"template_id": "tides"})).json()
        # Cutter and worker, dinghy, and two GiB.
        assert quote["month_minor"] == 700 * 2 + 300 + 2 * 10
        await give_credit(database, quay, quote["held_minor"] - 1)
        answer = await quay.order()
        assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_funds")
        assert await counted(database) == [0, 0]
        await give_credit(database, quay, quote["held_minor"])
        await quay.ordered()
        left = (await quay.ask("POST", "/stacks/preview", {"template_id": "tides"})).json()
        assert left["available_minor"] == 0

    async def test_plans_may_be_larger_and_not_smaller(self, quay: Quay) -> None:
        stack = await quay.ordered(plans={"db": "schooner"})
        assert {one["plan_id"] for one in stack["services"]} == {"cutter", "schooner"}
        for plans, code in (
            ({"app": "dinghy"}, "plan_too_small"),
            ({"app": "nothing"}, "plan_unknown"),
            ({"sea": "dinghy"}, "part_unknown"),
        ):
            assert (await quay.order(plans=plans)).json()["code"] == code

    async def test_once_for_one_key(self, quay: Quay, database: Database) -> None:
        body = {"template_id": "tides", "name": "twice"}
        answers = await asyncio.gather(
            *(quay.ask("POST", "/stacks", body, **{"Idempotency-Key": "k"}) for _ in range(2))
        )
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["stack_id"] for answer in answers}) == 1
        assert await counted(database) == [1, 2]

    async def test_a_stack_is_no_order_of_one_service(self, quay: Quay) -> None:
        body = {"template_id": "tides", "plan_id": "dinghy", "name": "alone"}
        assert (await quay.ask("POST", "/orders", body)).json()["code"] == "template_unknown"

    async def test_an_engine_without_images_says_so(
        self, quay: Quay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.undo()
        (postgres,) = [
            one
            for one in (await quay.ask("GET", "/stack-templates")).json()["items"]
            if one["id"] == "postgres"
        ] or [None]
        if postgres is not None:
            assert (postgres["available"], postgres["missing_abilities"]) == (False, ["images"])


class TestOrder:
    async def test_the_app_waits_for_its_database(self, quay: Quay) -> None:
        stack = await quay.ordered()
        await quay.end(stack["id"], "db", DeploymentState.FAILED)
        shown = await quay.shown(stack["id"])
        assert shown["db"]["behind"]
        assert shown["app"]["waiting"]
        assert (await quay.ask("POST", f"/stacks/{stack['id']}/deployments")).status_code == 202
        shown = await quay.shown(stack["id"])
        assert (shown["db"]["behind"], shown["app"]["waiting"]) == (False, True)
        await quay.end(stack["id"], "db")
        assert not (await quay.shown(stack["id"]))["app"]["waiting"]
        await quay.end(stack["id"], "app")
        answer = await quay.ask("POST", f"/stacks/{stack['id']}/deployments")
        assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_deploy")

    async def test_two_that_become_live_at_once_let_the_third_begin(
        self, quay: Quay, templates: Templates, database: Database
    ) -> None:
        second = FIRST[FIRST.index("[services.db]") :].replace("services.db", "services.cache")
        templates.write(1, FIRST.replace('needs = ["db"]', 'needs = ["db", "cache"]') + second)
        stack = await quay.ordered()
        shown = await quay.shown(stack["id"])

        async def cache() -> None:
            async with database.transaction() as session:
                await quay.leave(session, shown["cache"])

        async with database.transaction() as session:
            await quay.leave(session, shown["db"])
            other = asyncio.create_task(cache())
            await asyncio.wait([other], timeout=1)
        await other
        assert not (await quay.shown(stack["id"]))["app"]["waiting"]

    async def test_no_host_leads_to_a_private_service(self, quay: Quay, database: Database) -> None:
        stack = await quay.ordered()
        for part in ("db", "app"):
            await quay.end(stack["id"], part)
        async with database.transaction() as session:
            for service in await waiting_services(session, stack):
                service.routed_deployment_id = service.live_deployment_id
            await ServiceDAO(session).flush()
            assert [name for name, _ in await ServiceDAO(session).routes()] == [stack["name"]]


async def waiting_services(session: Any, stack: dict[str, Any]) -> list[Service]:
    found = [await ServiceDAO(session).get(UUID(one["id"])) for one in stack["services"]]
    return [one for one in found if one is not None]


class TestUpgrading:
    async def test_keeps_data_secrets_and_what_its_owner_set(
        self, quay: Quay, templates: Templates, database: Database
    ) -> None:
        stack = await quay.ordered(parameters={"harbour": "Oran", "token": "s3cret"})
        for part in ("db", "app"):
            await quay.end(stack["id"], part)
        app = (await quay.shown(stack["id"]))["app"]
        before = await quay.variables(app["id"])
        path = f"/services/{app['id']}/variables"
        mine = {**before, "HARBOUR": "Muscat", "EXTRA": "1"}
        assert (await quay.ask("PUT", path, {"variables": mine})).status_code == 200
        templates.write(2, SECOND)
        offered = (await quay.ask("GET", f"/stacks/{stack['id']}")).json()["upgrade"]
        assert offered["version"] == 2
        assert offered["changes"]["en"] == "Faster."
        assert {(one["part"], one["after"]) for one in offered["images"]} == {
            ("app", "registry.example.com/tides:2.0"),
            ("db", "registry.example.com/postgres:17.6"),
        }
        answer = await quay.ask("POST", f"/stacks/{stack['id']}/upgrade", {"version": 2})
        assert answer.status_code == 202, answer.text
        shown = await quay.shown(stack["id"])
        assert shown["db"]["image"] == "registry.example.com/postgres:17.6"
        assert (shown["db"]["waiting"], shown["app"]["waiting"]) == (False, True)
        after = await quay.variables(app["id"])
        assert after["DATABASE_URL"] == before["DATABASE_URL"]
        assert (after["HARBOUR"], after["EXTRA"], after["TOKEN"]) == ("Muscat", "1", "s3cret")
        assert len(after["SAILS"]) == 32
        async with database.transaction() as session:
            assert len(await VolumeDAO(session).of(UUID(shown["db"]["id"]))) == 1
        again = await quay.ask("POST", f"/stacks/{stack['id']}/upgrade", {"version": 2})
        assert again.json()["code"] == "version_unknown"

    async def test_an_app_that_runs_does_not_wait_for_ever(self, quay: Quay, templates: Templates) -> None:
        stack = await quay.ordered()
        for part in ("db", "app"):
            await quay.end(stack["id"], part)
        templates.write(2, SECOND)
        await quay.ask("POST", f"/stacks/{stack['id']}/upgrade", {"version": 2})
        await quay.end(stack["id"], "db", DeploymentState.FAILED)
        shown = await quay.shown(stack["id"])
        assert (shown["app"]["deployment_state"], shown["app"]["waiting"]) == ("cancelled", False)
        assert shown["app"]["behind"]
        assert (await quay.ask("POST", f"/stacks/{stack['id']}/deployments")).status_code == 202
        shown = await quay.shown(stack["id"])
        assert (shown["db"]["waiting"], shown["app"]["waiting"]) == (False, True)


class TestDeleting:
    async def test_takes_all_of_it_with_one_confirmation(self, quay: Quay) -> None:
        stack = await quay.ordered()
        path = f"/stacks/{stack['id']}/removal"
        assert (await quay.ask("POST", path, {"name": "another"})).json()["code"] == "name_differs"
        (database,) = [one for one in stack["services"] if one["part"] == "db"]
        alone = await quay.ask("DELETE", f"/services/{database['id']}")
        assert (alone.status_code, alone.json()["code"]) == (409, "service_of_stack")
        answer = await quay.ask("POST", path, {"name": stack["name"]})
        assert answer.status_code == 202, answer.text
        assert len(answer.json()["job_ids"]) == 2
        shown = await quay.shown(stack["id"])
        assert {one["status"] for one in shown.values()} == {"deleting"}
        assert (await quay.ask("POST", path, {"name": stack["name"]})).json()["code"] == "stack_deleting"


async def test_secrets_are_shown_on_purpose(quay: Quay) -> None:
    stack = await quay.ordered()
    assert stack["secrets"][0]["masked"] == "••••••••"
    answer = await quay.ask("POST", f"/stacks/{stack['id']}/secrets/reveal", {"name": "password"})
    (database,) = [one for one in stack["services"] if one["part"] == "db"]
    assert answer.json()["value"] == (await quay.variables(database["id"]))["POSTGRES_PASSWORD"]
    missing = await quay.ask("POST", f"/stacks/{stack['id']}/secrets/reveal", {"name": "token"})
    assert missing.status_code == 404


async def test_another_s_stack_is_not_there(
    quay: Quay, client: httpx.AsyncClient, user_factory: UserFactory
) -> None:
    stack = await quay.ordered()
    eve = await user_factory()
    for method, path, body in (
        ("GET", "", None),
        ("POST", "/deployments", {}),
        ("POST", "/upgrade", {"version": 2}),
        ("POST", "/removal", {"name": stack["name"]}),
        ("POST", "/secrets/reveal", {"name": "password"}),
    ):
        url = f"/api/v1/stacks/{stack['id']}{path}"
        assert (await client.request(method, url, json=body, headers=eve.headers)).status_code == 404
    assert (await quay.ask("GET", f"/stacks/{uuid4()}")).status_code == 404
    listed = await client.get("/api/v1/stacks", headers=eve.headers)
    assert listed.json()["items"] == []
