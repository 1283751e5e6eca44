"""How previews are made, as the people of a service choose it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from backend.database import Database
from backend.engines.base import Limits
from backend.services.dao import DeploymentDAO, ServiceDAO
from backend.services.making import build_spec
from backend.services.releasespec import compose
from tests.hooks.conftest import Make
from tests.hooks.previewed import Previewed
from tests.hooks.pull_senders import HEAD, Told
from tests.support.people import Person

OPENED = Told()
LIMITS = Limits(memory_bytes=2**28, disk_bytes=2**28, cpu_millis=500, pids=100)
VARIABLES = {"GREETING": "Ahoy", "PAYMENT_KEY": "s3cret"}


@pytest.mark.parametrize(
    ("chosen", "fork", "names"),
    [
        ({}, False, ["GREETING", "PAYMENT_KEY"]),
        ({"withheld": ["PAYMENT_KEY"]}, False, ["GREETING"]),
        ({"withheld": ["PAYMENT_KEY"], "variables": "all"}, False, ["GREETING", "PAYMENT_KEY"]),
        ({"variables": "none"}, False, []),
        ({"forks": "without_variables"}, True, []),
        ({"forks": "with_variables", "withheld": ["PAYMENT_KEY"]}, True, ["GREETING"]),
    ],
)
async def test_variables_as_chosen(
    service: Previewed, chosen: dict[str, Any], fork: bool, names: list[str]
) -> None:
    path = f"/api/v1/services/{service.service_id}/variables"
    await service.client.put(path, json={"variables": VARIABLES}, headers=service.owner.headers)
    await service.settings(**chosen)
    assert await service.told(OPENED.but(fork=fork)) == ("deployed", None)
    preview = await service.preview()
    held = await service.get(f"/services/{preview['id']}/variables")
    assert [one["name"] for one in held["items"]] == names
    # A fork's branch is not in the repository that is read, its commit is.
    assert preview["source"]["ref"] == (HEAD if fork else "refs/heads/tides")


@pytest.mark.parametrize("fork", [False, True])
async def test_a_strangers_code_is_in_a_network_of_its_own(
    service: Previewed, database: Database, fork: bool
) -> None:
    await service.settings(forks="without_variables")
    assert await service.told(OPENED.but(fork=fork)) == ("deployed", None)
    preview = UUID((await service.preview())["id"])
    async with database.transaction() as session:
        row = await ServiceDAO(session).get(preview)
        assert row is not None
        (deployment,) = await DeploymentDAO(session).queued_of(preview)
        release = compose(row, deployment, "run", LIMITS, {}, ())
        build = build_spec(deployment, row.realm, LIMITS, (), {})
    assert {release.project_id, build.project_id} == {str(preview if fork else row.project_id)}


@pytest.mark.parametrize(
    ("before", "after", "fork", "names"),
    [
        ({}, {"withheld": ["PAYMENT_KEY"]}, False, ["GREETING", "OWN"]),
        ({}, {"variables": "none"}, False, ["OWN"]),
        ({"forks": "with_variables"}, {"forks": "without_variables"}, True, ["OWN"]),
    ],
)
async def test_what_is_withdrawn_is_taken_from_previews(
    service: Previewed, before: dict[str, Any], after: dict[str, Any], fork: bool, names: list[str]
) -> None:
    path = f"/api/v1/services/{service.service_id}/variables"
    await service.client.put(path, json={"variables": VARIABLES}, headers=service.owner.headers)
    await service.settings(**before)
    assert await service.told(OPENED.but(fork=fork)) == ("deployed", None)
    preview = await service.preview()
    own = {**dict.fromkeys(VARIABLES), "OWN": "of the preview"}
    place = f"/api/v1/services/{preview['id']}/variables"
    answer = await service.client.put(place, json={"variables": own}, headers=service.owner.headers)
    assert answer.status_code == 200, answer.text
    await service.settings(**after)
    held = await service.get(f"/services/{preview['id']}/variables")
    assert [one["name"] for one in held["items"]] == names
    deployments = await service.get(f"/services/{preview['id']}/deployments")
    assert [one["trigger"] for one in deployments["items"]] == ["preview", "preview"]


async def test_previews_of_forks_go_where_there_are_to_be_none(service: Previewed) -> None:
    await service.settings(forks="without_variables")
    assert await service.told(OPENED.but(fork=True)) == ("deployed", None)
    preview = await service.preview()
    await service.settings(forks="never")
    assert (await service.get(f"/services/{preview['id']}"))["status"] == "deleting"
    (request,) = await service.requests()
    assert (request["preview"], request["reason_code"]) == (None, "fork")


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"plan_id": "unknown"}, "plan_unknown"),
        ({"plan_id": "frigate"}, "plan_too_large"),
        ({"most": 0}, None),
        ({"days": 91}, None),
        ({"most": "3"}, None),
        ({"forks": "always"}, None),
        ({"withheld": ["1X"]}, None),
        ({"withheld": ["X"] * 101}, None),
        ({"colour": "red"}, None),
    ],
)
async def test_settings_that_are_none(
    service: Previewed, wanted: dict[str, Any], code: str | None, database: Database
) -> None:
    async with database.transaction() as session:
        plans = (await session.execute(text("SELECT id FROM plans ORDER BY memory_bytes"))).scalars().all()
    if wanted.get("plan_id") == "frigate":
        wanted = {"plan_id": plans[-1]}
    path = f"/api/v1/services/{service.service_id}/previews/settings"
    answer = await service.client.patch(path, json=wanted, headers=service.owner.headers)
    assert answer.status_code == 422, answer.text
    if code is not None:
        assert answer.json()["errors"][0]["code"] == code


async def test_a_secret_first(make: Make, ada: Person, eve: Person) -> None:
    made = await make(ada)
    path = f"/api/v1/services/{made.service_id}/previews/settings"
    answer = await made.client.patch(path, json={"enabled": True}, headers=ada.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "secret_missing")
    for method, where in (("PATCH", "/settings"), ("GET", "/settings"), ("GET", "")):
        url = path.removesuffix("/settings") + where
        answer = await made.client.request(method, url, json={}, headers=eve.headers)
        assert answer.status_code == 404
