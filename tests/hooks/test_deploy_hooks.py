"""The deploy hook: an address that deploys, and is a secret as a whole."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, text

from backend.audit.models import AuditEvent
from backend.database import Database
from backend.logger import redact
from tests.hooks.conftest import Make, Pushed
from tests.support.people import Person

NGINX = Path(__file__).resolve().parents[2] / "nginx.conf"


@pytest.fixture
async def hooked(make: Make, ada: Person) -> Pushed:
    made = await make(ada)
    made.url = await made.new_address()
    return made


async def test_it_deploys_the_newest_commit(hooked: Pushed, database: Database) -> None:
    answer = await hooked.client.post(hooked.url, content=b"whatever")
    assert answer.status_code == 202, answer.text
    said = answer.json()
    assert (said["outcome"], answer.headers["location"]) == ("deployed", f"/api/v1/jobs/{said['job_id']}")
    newest = (await hooked.deployments())[0]
    assert (newest["id"], newest["trigger"], newest["commit"]) == (said["deployment_id"], "hook", None)
    (delivery,) = await hooked.deliveries()
    assert (delivery["forge"], delivery["event"], delivery["outcome"]) == (None, "deploy_hook", "deployed")
    async with database.transaction() as session:
        statement = select(AuditEvent).where(AuditEvent.action == "service.deployed")
        event = (await session.execute(statement)).scalar_one()
    assert (event.user_id, event.client_id) == (None, "deploy-hook")


async def test_only_by_post(hooked: Pushed) -> None:
    """A browser that looks ahead, or a chat that shows a preview, deploys nothing."""
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        assert (await hooked.client.request(method, hooked.url)).status_code == 405
    assert len(await hooked.deployments()) == 1


async def test_the_same_key_deploys_once(hooked: Pushed) -> None:
    async def call(key: str) -> httpx.Response:
        return await hooked.client.post(hooked.url, headers={"Idempotency-Key": key})

    answers = await asyncio.gather(*(call("build-204") for _ in range(5)))
    assert len({answer.json()["deployment_id"] for answer in answers}) == 1
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert (await call("build-205")).json()["deployment_id"] != answers[0].json()["deployment_id"]
    assert (await call("x" * 91)).status_code == 422


async def test_at_once_the_last_one_stays(hooked: Pushed) -> None:
    answers = await asyncio.gather(*(hooked.client.post(hooked.url) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {202}
    states = [one["state"] for one in await hooked.deployments()]
    assert states == ["queued", *["superseded"] * 5]


async def test_unknown_ones(hooked: Pushed) -> None:
    for token in ("x", hooked.url[-20:], hooked.url.rpartition("/")[2][:-1], "gavan_deploy_" + "A" * 43):
        answer = await hooked.client.post(f"/api/v1/deploy-hooks/{token}")
        assert (answer.status_code, answer.json()["code"]) == (404, "hook_unknown")
    assert (await hooked.client.post("/api/v1/deploy-hooks/" + "x" * 201)).status_code == 422
    assert len(await hooked.deployments()) == 1


async def test_replaced_and_revoked(hooked: Pushed) -> None:
    old, hooked.url = hooked.url, await hooked.new_address()
    assert old != hooked.url
    assert (await hooked.client.post(old)).status_code == 404
    assert (await hooked.client.post(hooked.url)).status_code == 202
    assert (await hooked.ask("GET")).json()["deploy_hook"]["last_used_at"]
    assert (await hooked.ask("DELETE", "/deploy-hook")).status_code == 204
    assert (await hooked.client.post(hooked.url)).status_code == 404
    assert (await hooked.ask("GET")).json()["deploy_hook"] is None
    assert (await hooked.ask("DELETE", "/deploy-hook")).status_code == 404


async def test_it_is_nowhere_to_be_read(
    hooked: Pushed, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    token = hooked.url.rpartition("/")[2]
    assert len(token.removeprefix("gavan_deploy_")) == 43
    assert hooked.url not in (await hooked.ask("GET")).text
    with caplog.at_level(logging.DEBUG):
        await hooked.client.post(hooked.url)
        await hooked.client.post(hooked.url + "x")
    assert token not in caplog.text
    assert redact(f"unhandled error on POST /api/v1/deploy-hooks/{token}: whsec_{'A' * 43}=") == (
        "unhandled error on POST /api/v1/deploy-hooks/•••: •••"
    )
    async with database.transaction() as session:
        for table in ("push_hooks", "hook_deliveries", "audit_events", "jobs", "deployments"):
            rows = (await session.execute(text(f"SELECT t::text FROM {table} t"))).scalars().all()
            assert token not in "".join(rows), table


def test_the_edge_does_not_log_it() -> None:
    """Asked of a running one in `tests/embedded/test_edge.py`."""
    source = NGINX.read_text()
    assert "deploy-hooks/" in source.partition("map $uri $path_only")[2].partition("}")[0]
