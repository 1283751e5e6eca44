"""Images and archives as sources through the API: what is taken, what is refused, what is never shown."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from backend.config import Settings
from backend.database import Database, now
from backend.engines.layout import Layout
from backend.services import making
from backend.services.deployment import Deploy
from backend.services.models import Deployment, Service
from backend.sources import archives
from backend.sources.models import RegistryLogin, SourceArchive
from backend.utils.ids import new_id
from tests.services.conftest import Ask, refused
from tests.support.people import Person, UserFactory

SECRET = "a-password-of-hers"


@pytest.fixture
def containers(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the engine ran images."""
    engine = app.state.parts.engine
    monkeypatch.setattr(type(engine), "abilities", frozenset({*engine.abilities, "images"}))


def archive(**files: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as made:
        for name, held in (files or {"index.html": b"<h1>Ahoy"}).items():
            made.writestr(name, held)
    return content.getvalue()


def files(settings: Settings) -> list[Path]:
    return list(Layout(settings.engine_home.resolve()).archives.glob("*"))


async def send(client: httpx.AsyncClient, path: str, content: Any, person: Person) -> httpx.Response:
    return await client.post(f"/api/v1{path}", content=content, headers=person.headers)


@pytest.mark.usefixtures("containers")
async def test_an_image_with_a_login(
    client: httpx.AsyncClient, order: Ask, ada: Person, database: Database
) -> None:
    source = {"image": "ghcr.io/me/app:1", "port": 3000, "token": SECRET, "username": "ada"}
    answer = await order(source=source)
    assert answer.status_code == 202, answer.text
    placed = answer.json()
    shown = placed["deployment"]["source"]
    assert (shown["kind"], shown["image"], shown["port"], shown["repo_url"]) == (
        *("image", "ghcr.io/me/app:1", 3000, None),
    )
    path = f"/api/v1/services/{placed['service']['id']}"
    seen = await client.get(f"{path}/source", headers=ada.headers)
    assert [(one["registry"], one["username"]) for one in seen.json()["registries"]] == [("ghcr.io", "ada")]
    assert SECRET not in answer.text + seen.text
    async with database.transaction() as session:
        login = (await session.execute(select(RegistryLogin))).scalar_one()
        assert SECRET not in login.sealed
        service = await session.get(Service, login.service_id)
        deployment = (await session.execute(select(Deployment))).scalar_one()
        assert service is not None
        access, logins = await making.access_of(session, service, deployment)
        assert access is not None
        assert (access.origin, access.token) == ("ghcr.io", SECRET)
        # A login is for its own registry, wherever the image comes from later.
        deployment.image = "quay.io/me/app:1"
        assert (await making.access_of(session, service, deployment)) == (None, logins)

    back = {"source": {"repo_url": "https://git.example.com/me/hello.git"}}
    changed = await client.patch(path, json=back, headers=ada.headers)
    assert changed.json()["source"]["kind"] == "git"
    assert changed.json()["source"]["image"] is None
    again = await client.patch(
        path, json={"source": {"image": "app@sha256:" + "a" * 64}}, headers=ada.headers
    )
    assert (again.json()["source"]["kind"], again.json()["source"]["repo_url"]) == ("image", None)
    for body in (
        {"source": {"image": "app", "repo_url": "https://git.example.com/a.git"}},
        {"source": {"image": "https://ghcr.io/app"}},
        {"source": {"image": "127.0.0.1:5000/app"}},
        {"source": {"image": ""}},
        {"source": {"image": None}},
        {"source": {"port": 0}},
        {"source": {"build": {"dockerfile": "../Dockerfile"}}},
        {"source": {"build": {"arguments": {"A B": "x"}}}},
        {"source": {"build": {"arguments": {"A": "\x00"}}}},
        {"source": {"build": {"target": "a b"}}},
    ):
        answer = await client.patch(path, json=body, headers=ada.headers)
        assert answer.status_code == 422, (body, answer.text)


async def test_declined_where_there_are_no_containers(client: httpx.AsyncClient, order: Ask) -> None:
    for source in (
        {"image": "python:3"},
        {"repo_url": "https://git.example.com/a.git", "build": {"target": "x"}},
    ):
        answer = await order(source=source)
        assert (answer.status_code, answer.json()["code"]) == (409, "not_supported_here")


async def test_one_source(order: Ask) -> None:
    for source in ({}, {"image": "a", "repo_url": "https://git.example.com/a.git"}):
        assert (await order(source=source)).status_code == 422


async def test_logins_to_registries(
    client: httpx.AsyncClient, order: Ask, ada: Person, user_factory: UserFactory
) -> None:
    service = (await order()).json()["service"]["id"]
    path, login = f"/api/v1/services/{service}/source/registries", {"username": "ada", "password": SECRET}
    for host in ("GHCR.io", "registry.example.com:5000"):
        answer = await client.put(f"{path}/{host}", json=login, headers=ada.headers)
        assert answer.status_code == 200, answer.text
        assert SECRET not in answer.text
    hosts = [one["registry"] for one in answer.json()["registries"]]
    assert hosts == ["ghcr.io", "registry.example.com:5000"]
    stranger = await user_factory()
    assert (await client.put(f"{path}/quay.io", json=login, headers=stranger.headers)).status_code == 404
    for host in ("127.0.0.1:5000", "localhost", "a_b", "x" * 400, "☃.example"):
        assert (await client.put(f"{path}/{host}", json=login, headers=ada.headers)).status_code == 422, host
    for host in ("ghcr.io", "ghcr.io", "quay.io"):
        assert (await client.delete(f"{path}/{host}", headers=ada.headers)).status_code == 204
    for at in range(9):
        assert (
            await client.put(f"{path}/r{at}.example.com", json=login, headers=ada.headers)
        ).status_code == 200
    full = await client.put(f"{path}/quay.io", json=login, headers=ada.headers)
    assert (full.status_code, full.json()["code"]) == (409, "registries_full")


async def test_an_archive_from_upload_to_order_to_the_next_one(
    client: httpx.AsyncClient, order: Ask, ada: Person, database: Database, settings: Settings
) -> None:
    made = await send(client, "/archives?name=C:\\sites\\harbour.zip", archive(), ada)
    assert made.status_code == 201, made.text
    assert (made.json()["name"], made.json()["files"]) == ("harbour.zip", 1)
    placed = await order(source={"archive_id": made.json()["id"]})
    assert placed.status_code == 202, placed.text
    again = await order(source={"archive_id": made.json()["id"]})
    refused(again, "archive_unknown", "body", "source", "archive_id")
    service = placed.json()["service"]["id"]

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("main.py"))

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(packed.getvalue()), 10):
            yield packed.getvalue()[at : at + 10]

    second = await send(client, f"/services/{service}/archive?name=two.tar.gz", pieces(), ada)
    assert second.status_code == 202, second.text
    assert second.headers["location"].endswith(second.json()["job_id"])

    # Sent twice for one intent it is one deployment, and one file.
    count = len(files(settings))
    headers = {**ada.headers, "Idempotency-Key": "once"}
    path = f"/api/v1/services/{service}/archive?name=two.tar.gz"
    twice = [await client.post(path, content=packed.getvalue(), headers=headers) for _ in range(2)]
    assert twice[0].json() == twice[1].json()
    assert len(files(settings)) == count + 1
    other = await client.post(path, content=archive(), headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert len(files(settings)) == count + 1
    second = twice[0]
    seen = (await client.get(f"/api/v1/services/{service}/source", headers=ada.headers)).json()
    assert (seen["kind"], seen["archive"]["name"]) == ("archive", "two.tar.gz")
    async with database.transaction() as session:
        row = await session.get(Deployment, second.json()["deployment_id"])
        assert row is not None
        spec = making.fetch_spec(row, row.service_id, None, await making.archive_of(session, row))
        assert (spec.kind, spec.url, spec.commit) == ("archive", "two.tar.gz", seen["archive"]["digest"])

    # The first one goes once nothing needs it: no waiting deployment and no kept build.
    await archives.sweep(settings, database)
    async with database.transaction() as session:
        assert len((await session.execute(select(SourceArchive))).all()) == 1
    assert len(files(settings)) == 3
    for path in files(settings):
        os.utime(path, (0, 0))
    await archives.sweep(settings, database)
    assert [path.name for path in files(settings)] == [seen["archive"]["id"]]


async def test_what_is_no_archive_is_refused_at_once(
    client: httpx.AsyncClient, ada: Person, settings: Settings
) -> None:
    before = files(settings)
    for content, detail in (
        (b"", "archive_empty"),
        (b"hello", "archive_format"),
        (b"\x1f\x8b\x08" + b"x" * 100, "archive_damaged"),
        (gzip.compress(b"no tar" * 1000), "archive_damaged"),
        (archive(**{"../../etc/passwd": b"x"}), "archive_outside"),
    ):
        answer = await send(client, "/archives", content, ada)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["code"] == detail
    assert files(settings) == before


async def test_somebody_elses(
    client: httpx.AsyncClient, order: Ask, ada: Person, user_factory: UserFactory, settings: Settings
) -> None:
    service, stranger = (await order()).json()["service"]["id"], await user_factory()
    before = files(settings)
    assert (await send(client, f"/services/{service}/archive", archive(), stranger)).status_code == 404
    theirs = await send(client, "/archives", archive(), stranger)
    refused(await order(source={"archive_id": theirs.json()["id"]}), "archive_unknown")
    assert (
        await send(client, f"/archives?project_id={ada.project_id}", archive(), stranger)
    ).status_code == 404
    assert len(files(settings)) == len(before) + 1


async def test_two_orders_of_one_archive(client: httpx.AsyncClient, order: Ask, ada: Person) -> None:
    made = (await send(client, "/archives", archive(), ada)).json()
    answers = await asyncio.gather(*(order(source={"archive_id": made["id"]}) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [202, 422]


async def test_an_archive_that_no_order_took(
    client: httpx.AsyncClient, ada: Person, database: Database, settings: Settings
) -> None:
    await send(client, "/archives", archive(), ada)
    await archives.sweep(settings, database)
    async with database.transaction() as session:
        assert len((await session.execute(select(SourceArchive))).all()) == 1
        await session.execute(update(SourceArchive).values(created_at=now() - timedelta(days=2)))
    await archives.sweep(settings, database)
    async with database.transaction() as session:
        assert (await session.execute(select(SourceArchive))).all() == []


async def test_what_makes_a_build_the_same(
    client: httpx.AsyncClient, order: Ask, ada: Person, database: Database
) -> None:
    placed = (await order()).json()
    async with database.transaction() as session:
        first = await session.get(Deployment, placed["deployment"]["id"])
        assert first is not None
        first.state, first.build_kept, first.command, first.engine = "live", True, "serve", "process"
        first.commit, first.size_bytes = "a" * 40, 1000
    for changes, same in (
        ({}, True),
        ({"commit": "b" * 40}, False),
        ({"root": "apps"}, False),
        ({"build_options": {"target": "x"}}, False),
        ({"rebuild": True}, False),
        # Health check, variables and the like are no part of a build.
        ({"health_path": "/other", "environment": None}, True),
    ):
        async with database.transaction() as session:
            wanted = Deployment(
                service_id=first.service_id,
                number=2,
                trigger="manual",
                repo_url=first.repo_url,
                root="",
                source_kind="git",
                commit="a" * 40,
                health_path="/",
                plan_id=first.plan_id,
                build_options={},
                rebuild=False,
            )
            for name, value in changes.items():
                setattr(wanted, name, value)
            with session.no_autoflush:
                kept = await making.kept_build(session, wanted, "process", 10_000)
            assert (kept is not None) == same, changes
            assert await making.kept_build(session, wanted, "docker", 10_000) is None
            assert await making.kept_build(session, wanted, "process", 10) is None
            session.expunge_all()


async def test_a_kept_build_is_run_as_is_chosen_today(order: Ask, database: Database) -> None:
    placed = (await order()).json()
    async with database.transaction() as session:
        first = await session.get(Deployment, placed["deployment"]["id"])
        assert first is not None
        first.state, first.build_kept, first.command, first.engine = "live", True, "serve", "process"
        first.release_command, first.processes = "migrate of old", {"release": "migrate"}
        first.port, first.image_port = 3000, 8000
        service = await session.get(Service, first.service_id)
    chosen = ((None, None, "migrate", 8000), ("migrate anew", 9000, "migrate anew", 9000))
    for number, (own, port, runs, listens) in enumerate(chosen, start=2):
        async with database.transaction() as session:
            row = Deployment(
                id=new_id(),
                service_id=first.service_id,
                number=number,
                trigger="manual",
                state="building",
                steps=[],
                release_command=own,
                port=port,
                **{name: getattr(first, name) for name in (*making.SAME, "health_path", "plan_id")},
            )
            session.add(row)
        limits = SimpleNamespace(disk_bytes=10_000)
        found = await Deploy._built_before(
            cast(Any, SimpleNamespace(_engine=SimpleNamespace(name="process"))),
            cast(Any, database),
            cast(Any, SimpleNamespace(deployment=row, service=service, limits=limits)),
            AsyncMock(),
        )
        assert found == "serve"
        async with database.transaction() as session:
            kept = await session.get(Deployment, row.id)
            assert kept is not None
            assert (kept.release_command, kept.port, kept.build_id) == (runs, listens, first.id)
