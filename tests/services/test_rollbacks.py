"""What a rollback is accepted for and what not, what it takes over, and what differs between releases."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import update

from backend.projects.membership import add_member
from backend.services import retention
from backend.services.dao import DeploymentDAO, ServiceDAO
from backend.services.environment import open_snapshot
from backend.services.models import Deployment, Service
from backend.services.rollback import RESTORED
from tests.services.releases import Harbour
from tests.support.people import UserFactory

ATTEMPT = {
    *("id", "service_id", "number", "trigger", "state", "reason_code", "reason", "reason_parameters"),
    *("build_kept", "restores_id", "address", "engine", "steps", "created_at", "started_at", "finished_at"),
    *("scale", "addresses"),
    *("rebuild", "status_told"),
    # A rollback runs no release command.
    *("release_command", "release_began_at", "release_began_seq", "released_at"),
}
"""Columns that are about the attempt itself."""
CHOSEN = {"plan_id", "environment"}
"""The present plan, and the environment sealed anew."""


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_every_column_is_of_the_release_or_of_the_attempt() -> None:
    """A new column of deployments has to say whether a rollback takes it over."""
    columns = {column.key for column in Deployment.__table__.columns}
    assert columns == {*RESTORED} | ATTEMPT | CHOSEN


async def test_takes_over_the_release_and_leaves_the_service(harbour: Harbour) -> None:
    await harbour.order(variables={"GREETING": "ahoy", "GONE": "once"}, health_path="/old")
    first = harbour.made[0]
    await harbour.variables(GREETING="hello again", NEW="now")
    changed = {"health_path": "/new", "plan_id": "cutter"}
    assert (await harbour.ask("PATCH", f"/services/{harbour.service_id}", changed)).status_code == 200
    await harbour.deploy()
    answer = await harbour.roll_back(first)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/api/v1/jobs/{answer.json()['job_id']}"
    new = answer.json()["deployment_id"]
    shown = await harbour.shown(new)
    assert (shown["trigger"], shown["state"], shown["number"]) == ("rollback", "queued", 3)
    assert shown["restores"] == {"id": first, "number": 1}
    assert [step["name"] for step in shown["steps"]] == ["releasing", "checking"]
    assert (shown["can_roll_back"], shown["is_live"]) == (False, False)
    kept, row = await harbour.row(first), await harbour.row(new)
    assert {getattr(kept, name) == getattr(row, name) for name in RESTORED} == {True}
    assert (row.health_path, row.build_id, row.plan_id) == ("/old", UUID(first), "cutter")
    assert row.environment != kept.environment
    assert open_snapshot(row.id, row.environment) == {"GREETING": "ahoy", "GONE": "once"}
    job = (await harbour.ask("GET", f"/jobs/{answer.json()['job_id']}")).json()
    assert (job["kind"], job["deployment_id"], job["cancellable"]) == ("service.rollback", new, True)
    service = (await harbour.ask("GET", f"/services/{harbour.service_id}")).json()
    assert service["health_path"] == "/new"
    names = (await harbour.ask("GET", f"/services/{harbour.service_id}/variables")).json()["items"]
    assert [one["name"] for one in names] == ["GREETING", "NEW"]


async def test_of_a_rollback_again(harbour: Harbour) -> None:
    """A rollback's release is one as any other; what it runs stays the first one's build."""
    await harbour.order()
    first, second = harbour.made[0], await harbour.deploy()
    again = await harbour.live((await harbour.roll_back(first)).json()["deployment_id"])
    await harbour.live((await harbour.roll_back(second)).json()["deployment_id"])
    assert await harbour.offered() == [1, 2, 3]
    answer = await harbour.roll_back(again)
    assert answer.status_code == 202, answer.text
    row = await harbour.row(answer.json()["deployment_id"])
    assert (row.build_id, row.restores_id) == (UUID(first), UUID(again))


class TestRefused:
    async def test_what_is_not_of_the_service(self, harbour: Harbour, user_factory: UserFactory) -> None:
        await harbour.order()
        mine = harbour.made[0]
        other = Harbour(harbour.client, harbour.database, harbour.settings, harbour.ada)
        await other.order()
        refused(await other.roll_back(mine), 404, "not_found")
        refused(await harbour.roll_back(str(uuid4())), 404, "not_found")
        foreign = Harbour(harbour.client, harbour.database, harbour.settings, await user_factory())
        foreign.service_id = harbour.service_id
        refused(await foreign.roll_back(mine), 404, "not_found")
        await foreign.order()
        refused(await foreign.roll_back(mine), 404, "not_found")
        assert (await foreign.ask("GET", f"/deployments/{mine}/changes")).status_code == 404

    async def test_the_live_one(self, harbour: Harbour) -> None:
        await harbour.order()
        refused(await harbour.roll_back(harbour.made[0]), 409, "release_live")

    @pytest.mark.parametrize("state", ["queued", "building", "checking", "failed", "cancelled", "superseded"])
    async def test_what_never_served(self, harbour: Harbour, state: str) -> None:
        await harbour.order()
        never = (await harbour.ask("POST", f"/services/{harbour.service_id}/deployments", {})).json()
        async with harbour.database.transaction() as session:
            await session.execute(
                update(Deployment).where(Deployment.id == UUID(never["deployment_id"])).values(state=state)
            )
        refused(await harbour.roll_back(never["deployment_id"]), 409, "release_never_live")
        assert await harbour.offered() == []

    async def test_what_is_not_kept(self, harbour: Harbour) -> None:
        await harbour.order()
        first = harbour.made[0]
        await harbour.deploy()
        async with harbour.database.transaction() as session:
            await DeploymentDAO(session).note_builds_gone([UUID(first)])
        answer = await harbour.roll_back(first)
        refused(answer, 409, "release_not_kept")
        assert "deploy its commit again" in answer.json()["detail"]

    async def test_whose_files_are_gone(self, harbour: Harbour) -> None:
        """The database believed that they are there; then it knows better, and nothing is half made."""
        await harbour.order()
        first = harbour.made[0]
        second = await harbour.deploy()
        await harbour.deploy()
        assert await harbour.offered() == [1, 2]
        shutil.rmtree(harbour.settings.engine_home / "deployments" / first)
        refused(await harbour.roll_back(first), 409, "release_not_kept")
        assert await harbour.offered() == [2]
        history = (await harbour.ask("GET", f"/services/{harbour.service_id}/deployments")).json()["items"]
        assert len(history) == 3
        assert (await harbour.roll_back(second)).status_code == 202

    async def test_members_who_only_look(self, harbour: Harbour, user_factory: UserFactory) -> None:
        await harbour.order()
        first = harbour.made[0]
        await harbour.deploy()
        viewer = await user_factory()
        async with harbour.database.transaction() as session:
            await add_member(session, harbour.ada.project_id, viewer.id, "viewer")
        looking = Harbour(harbour.client, harbour.database, harbour.settings, viewer, harbour.service_id)
        refused(await looking.roll_back(first), 403, "permission_missing")
        assert (await looking.ask("GET", f"/deployments/{first}/changes")).status_code == 200

    async def test_of_a_service_that_goes(self, harbour: Harbour) -> None:
        await harbour.order()
        first = harbour.made[0]
        await harbour.deploy()
        assert (await harbour.ask("DELETE", f"/services/{harbour.service_id}")).status_code == 202
        refused(await harbour.roll_back(first), 409, "service_deleting")
        assert await harbour.offered() == []

    @pytest.mark.parametrize(
        "body", [{}, {"deployment_id": None}, {"deployment_id": "1"}, {"deployment_id": 1}, [], "x"]
    )
    async def test_nonsense(self, harbour: Harbour, body: Any) -> None:
        await harbour.order()
        answer = await harbour.ask("POST", f"/services/{harbour.service_id}/rollbacks", body)
        assert answer.status_code == 422, answer.text


class TestAtOnce:
    async def test_the_same_key_is_one_rollback(self, harbour: Harbour) -> None:
        await harbour.order()
        first = harbour.made[0]
        await harbour.deploy()
        asked = [harbour.roll_back(first, **{"Idempotency-Key": "back"}) for _ in range(6)]
        answers = await asyncio.gather(*asked)
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["deployment_id"] for answer in answers}) == 1
        # Even when what it was about is gone meanwhile.
        shutil.rmtree(harbour.settings.engine_home / "deployments" / first)
        again = await harbour.roll_back(first, **{"Idempotency-Key": "back"})
        assert again.json() == answers[0].json()

    async def test_many_supersede_each_other(self, harbour: Harbour) -> None:
        await harbour.order()
        first = harbour.made[0]
        second = await harbour.deploy()
        await harbour.deploy()
        path = f"/services/{harbour.service_id}/deployments"
        asked: list[Awaitable[httpx.Response]] = [
            *(harbour.roll_back(one) for one in (first, second) * 3),
            *(harbour.ask("POST", path, {}) for _ in range(3)),
        ]
        answers = await asyncio.gather(*asked)
        assert {answer.status_code for answer in answers} == {202}
        history = (await harbour.ask("GET", f"{path}?size=100")).json()["items"]
        states = [one["state"] for one in history]
        assert states == ["queued"] + ["superseded"] * 8 + ["live"] * 3

    async def test_against_letting_go(self, harbour: Harbour) -> None:
        """Either the build was let go first and the rollback is refused, or it is spared."""
        await harbour.order()
        for _ in range(3):
            await harbour.deploy()

        async def let_go() -> list[UUID]:
            async with harbour.database.transaction() as session:
                await ServiceDAO(session).get_locked(UUID(harbour.service_id))
                return list(await retention.let_go(session, UUID(harbour.service_id), 1))

        tried = harbour.made[0]
        answer, gone = await asyncio.gather(harbour.roll_back(tried), let_go())
        assert (answer.status_code == 202) is (UUID(tried) not in gone), (answer.text, gone)


class TestChanges:
    async def test_names_and_never_values(self, harbour: Harbour) -> None:
        await harbour.order(variables={"SAME": "same-value", "OLD": "old-value", "TOLD": "first-value"})
        first = harbour.made[0]
        await harbour.variables(SAME=None, TOLD="second-value", NEW="new-value")
        await harbour.ask("PATCH", f"/services/{harbour.service_id}", {"health_path": "/up"})
        second = await harbour.deploy()
        await harbour.variables(SAME=None, TOLD=None, NEW=None, LATER="later-value")
        answer = await harbour.ask("GET", f"/deployments/{first}/changes")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["against"] == {"id": second, "number": 2}
        assert found["settings"] == [
            {"name": "commit", "before": f"{2:040d}", "after": f"{1:040d}"},
            {"name": "health_path", "before": "/up", "after": "/"},
        ]
        assert found["variables"] == [
            {"name": "NEW", "change": "removed"},
            {"name": "OLD", "change": "added"},
            {"name": "TOLD", "change": "changed"},
        ]
        assert found["unlike_service"] == [
            {"name": "LATER", "change": "added"},
            {"name": "NEW", "change": "added"},
            {"name": "OLD", "change": "removed"},
            {"name": "TOLD", "change": "changed"},
        ]
        assert "-value" not in answer.text
        back = (await harbour.ask("GET", f"/deployments/{second}/changes?against={first}")).json()
        assert back["variables"] == [
            {"name": "NEW", "change": "added"},
            {"name": "OLD", "change": "removed"},
            {"name": "TOLD", "change": "changed"},
        ]

    async def test_with_nothing_live(self, harbour: Harbour) -> None:
        await harbour.order(variables={"A": "b"})
        async with harbour.database.transaction() as session:
            await session.execute(update(Service).values(live_deployment_id=None))
        found = (await harbour.ask("GET", f"/deployments/{harbour.made[0]}/changes")).json()
        assert (found["against"], found["settings"]) == (None, [])
        assert found["variables"] == [{"name": "A", "change": "added"}]

    async def test_with_what_is_not_of_the_service(self, harbour: Harbour) -> None:
        await harbour.order()
        other = Harbour(harbour.client, harbour.database, harbour.settings, harbour.ada)
        await other.order()
        for against in (other.made[0], str(uuid4())):
            answer = await harbour.ask("GET", f"/deployments/{harbour.made[0]}/changes?against={against}")
            refused(answer, 404, "not_found")
