"""What is accepted of volumes and secret files, what is refused, and what becomes of it."""

from __future__ import annotations

import asyncio
import base64
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select, update

from backend.database import Database
from backend.engines.base import SecretFile, Volume, VolumeSpec, VolumeUsage
from backend.jobs.models import Job, JobState
from backend.services.models import ServiceProcess
from backend.volumes import files, mounting, tending
from backend.volumes.dao import MountDAO, VolumeDAO
from backend.volumes.models import GIB, ServiceFile
from tests.services.releases import Harbour
from tests.support.people import UserFactory

KEY = b"\x00\xff" + "ключ".encode()


async def settle(database: Database) -> None:
    """As if the worker had done all jobs."""
    async with database.transaction() as session:
        await session.execute(update(Job).values(state=JobState.SUCCEEDED))


class Shelf:
    """An engine that only keeps volumes, in memory."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.grows = True

    async def ensure_volume(self, spec: VolumeSpec) -> Volume:
        if self.grows:
            self.sizes[spec.volume_id] = spec.size_bytes
        return Volume(spec.volume_id, "node", True, self.grows)

    async def remove_volume(self, volume_id: str) -> None:
        self.sizes.pop(volume_id, None)

    async def volume_usage(self, ids: list[str]) -> dict[str, VolumeUsage]:
        return {one: VolumeUsage(7, self.sizes[one]) for one in ids if one in self.sizes}


@pytest.fixture
async def service(harbour: Harbour) -> Harbour:
    await harbour.order()
    return harbour


async def volumes(harbour: Harbour, method: str = "GET", rest: str = "", body: Any = None) -> httpx.Response:
    return await harbour.ask(method, f"/services/{harbour.service_id}/volumes{rest}", body)


async def add(harbour: Harbour, name: str = "data", path: str = "/data", size_gib: Any = 2) -> httpx.Response:
    return await volumes(harbour, "POST", body={"name": name, "path": path, "size_gib": size_gib})


async def put(harbour: Harbour, path: str, content: bytes | str) -> httpx.Response:
    sent = base64.b64encode(content).decode() if isinstance(content, bytes) else content
    return await harbour.ask("PUT", f"/services/{harbour.service_id}/files", {"path": path, "content": sent})


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_added_grown_and_listed(service: Harbour) -> None:
    made = await add(service)
    assert made.status_code == 201, made.text
    volume = made.json()
    assert (volume["size_gib"], volume["bounded"], volume["mounted"]) == (2, None, False)
    grown = await volumes(service, "PATCH", f"/{volume['id']}", {"size_gib": 5})
    assert grown.json()["size_gib"] == 5
    refused(await volumes(service, "PATCH", f"/{volume['id']}", {"size_gib": 4}), 409, "volume_shrinks")
    refused(await volumes(service, "PATCH", f"/{volume['id']}", {"size_gib": 101}), 422, "volume_too_large")
    refused(await volumes(service, "PATCH", f"/{uuid4()}", {"size_gib": 9}), 404, "not_found")
    listed = (await volumes(service)).json()
    assert [one["name"] for one in listed["items"]] == ["data"]
    assert (listed["supported"], listed["most"], listed["most_gib"]) == (True, 5, 100)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/",
            "/app",
            "/etc",
            "/proc",
            "/proc/1",
            "/dev/shm",
            "/run/secrets",
            "/tmp/x",
            "/usr/lib/x",
            "/sys",
        ),
        *("/etc/passwd", "/var", "/home"),
    ],
)
async def test_the_system_is_not_hidden(service: Harbour, path: str) -> None:
    refused(await add(service, path=path), 422, "path_reserved")
    refused(await put(service, path, b"x"), 422, "path_reserved")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "data",
        "./data",
        "/data/",
        "//data",
        "/a/../etc",
        "/a/./b",
        "/da\nta",
        "/данные",
        "/a:b",
        '/a"b',
        "/" + "a" * 600,
    ],
)
async def test_only_plain_paths(service: Harbour, path: str) -> None:
    refused(await add(service, path=path), 422, "path_invalid")
    refused(await put(service, path, b"x"), 422, "path_invalid")


@pytest.mark.parametrize("size", [0, -1, 10**30, "2", 1.5, None, True, [], {}])
async def test_only_sizes(service: Harbour, size: Any) -> None:
    assert (await add(service, size_gib=size)).status_code == 422


@pytest.mark.parametrize("name", ["", "Data", "a b", "a_b", "-a", "д", "a" * 41, "a\x00"])
async def test_only_names(service: Harbour, name: str) -> None:
    assert (await add(service, name=name)).status_code == 422


async def test_nothing_overlaps(service: Harbour) -> None:
    assert (await add(service)).status_code == 201
    refused(await add(service, path="/other"), 409, "name_taken")
    refused(await add(service, name="b"), 409, "path_overlaps")
    refused(await add(service, name="b", path="/data/inner"), 409, "path_overlaps")
    refused(await put(service, "/data/key", b"x"), 409, "path_overlaps")
    assert (await put(service, "/etc/app/key", b"x")).status_code == 200
    refused(await add(service, name="b", path="/etc/app"), 409, "path_overlaps")
    assert (await add(service, name="b", path="/database")).status_code == 201


async def test_at_most_so_many_even_at_once(service: Harbour) -> None:
    answers = await asyncio.gather(*(add(service, f"v{n}", f"/v{n}") for n in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [409] * 3
    refused(await add(service, "one-more", "/more"), 409, "volumes_full")


async def test_one_unit_writes(service: Harbour, database: Database) -> None:
    async with database.transaction() as session:
        session.add(ServiceProcess(service_id=UUID(service.service_id), name="web", replicas=2))
    refused(await add(service), 409, "volume_one_replica")


async def test_a_strangers_is_not_there(service: Harbour, user_factory: UserFactory) -> None:
    volume = (await add(service)).json()["id"]
    file = (await put(service, "/etc/app/key", KEY)).json()["id"]
    stranger = await user_factory()
    base = f"/api/v1/services/{service.service_id}"
    for method, path, body in (
        ("GET", "/volumes", None),
        ("POST", "/volumes", {"name": "b", "path": "/b", "size_gib": 1}),
        ("PATCH", f"/volumes/{volume}", {"size_gib": 9}),
        ("POST", f"/volumes/{volume}/removal", {"name": "data"}),
        ("DELETE", f"/volumes/{volume}/removal", None),
        ("GET", "/files", None),
        ("PUT", "/files", {"path": "/x", "content": ""}),
        ("DELETE", f"/files/{file}", None),
        ("POST", f"/files/{file}/reveal", None),
        ("POST", "/variables/reveal", {"name": "TOKEN"}),
    ):
        answer = await service.client.request(method, base + path, json=body, headers=stranger.headers)
        assert answer.status_code == 404, (method, path, answer.text)
    await service.order()
    refused(await volumes(service, "PATCH", f"/{volume}", {"size_gib": 9}), 404, "not_found")
    assert (
        await service.ask("POST", f"/services/{service.service_id}/files/{file}/reveal")
    ).status_code == 404


async def test_deleted_only_by_name_and_after_the_release(service: Harbour, database: Database) -> None:
    shelf, volume = Shelf(), (await add(service)).json()["id"]
    live = UUID(service.made[0])
    async with database.transaction() as session:
        row = await VolumeDAO(session).get_locked(UUID(volume))
        assert row
        row.made_bytes = shelf.sizes[volume] = 2 * GIB
        await MountDAO(session).replace(live, [row])
    await settle(database)
    assert (await volumes(service)).json()["items"][0]["mounted"]
    refused(await volumes(service, "POST", f"/{volume}/removal", {"name": "other"}), 422, "name_differs")
    assert (await volumes(service, "POST", f"/{volume}/removal", {"name": "data"})).status_code == 200
    refused(await volumes(service, "PATCH", f"/{volume}", {"size_gib": 9}), 409, "volume_leaving")
    await tending.tend(database, shelf)  # type: ignore[arg-type]
    assert volume in shelf.sizes
    kept = await volumes(service, "DELETE", f"/{volume}/removal")
    assert kept.json()["removal_requested_at"] is None
    await volumes(service, "POST", f"/{volume}/removal", {"name": "data"})
    await service.deploy()
    await settle(database)
    await tending.tend(database, shelf)  # type: ignore[arg-type]
    assert shelf.sizes == {}
    assert (await volumes(service)).json()["items"] == []


async def test_grows_when_the_engine_can(service: Harbour, database: Database) -> None:
    shelf, volume = Shelf(), (await add(service)).json()["id"]
    async with database.transaction() as session:
        row = await VolumeDAO(session).get_locked(UUID(volume))
        assert row
        row.made_bytes = shelf.sizes[volume] = 2 * GIB
    shelf.grows = False
    assert not (await volumes(service, "PATCH", f"/{volume}", {"size_gib": 3})).json()["grown"]
    await tending.tend(database, shelf)  # type: ignore[arg-type]
    assert not (await volumes(service)).json()["items"][0]["grown"]
    shelf.grows = True
    await tending.tend(database, shelf)  # type: ignore[arg-type]
    await tending.measure(service.settings, database, shelf)  # type: ignore[arg-type]
    (seen,) = (await volumes(service)).json()["items"]
    assert (seen["grown"], seen["used_bytes"], seen["capacity_bytes"]) == (True, 7, 3 * GIB)


async def test_goes_with_the_service(service: Harbour, database: Database) -> None:
    shelf, volume = Shelf(), (await add(service)).json()["id"]
    shelf.sizes[volume] = GIB
    await mounting.remove_all(database, shelf, UUID(service.service_id))  # type: ignore[arg-type]
    assert shelf.sizes == {}
    assert (await volumes(service)).json()["items"] == []


async def test_a_file_is_sealed_and_shown_only_on_purpose(service: Harbour, database: Database) -> None:
    written = await put(service, "/etc/app/key", KEY)
    assert written.status_code == 200, written.text
    file = written.json()
    assert (file["path"], file["size_bytes"]) == ("/etc/app/key", len(KEY))
    base = f"/services/{service.service_id}/files"
    listed = await service.ask("GET", base)
    assert base64.b64encode(KEY).decode() not in listed.text
    shown = await service.ask("POST", f"{base}/{file['id']}/reveal")
    assert base64.b64decode(shown.json()["content"]) == KEY
    actions = {one["action"] for one in (await service.ask("GET", "/audit?size=50")).json()["items"]}
    assert {"service.file_set", "service.file_revealed"} <= actions
    async with database.transaction() as session:
        rows = (await session.execute(select(ServiceFile.sealed))).scalars().all()
    assert all(base64.b64encode(KEY).decode() not in row for row in rows)
    assert (await service.ask("DELETE", f"{base}/{file['id']}")).status_code == 204
    assert (await service.ask("DELETE", f"{base}/{file['id']}")).status_code == 404


async def test_files_have_bounds(service: Harbour) -> None:
    refused(await put(service, "/a", "not base64!"), 422, "not_base64")
    refused(await put(service, "/a", bytes(256 * 1024 + 1)), 422, "file_too_large")
    assert (await put(service, "/empty", b"")).status_code == 200
    for n in range(4):
        assert (await put(service, f"/f{n}", bytes(256 * 1024))).status_code == 200
    refused(await put(service, "/f4", b"x"), 422, "files_too_large")
    for n in range(5, 10):
        assert (await put(service, f"/f{n}", b"")).status_code == 200
    refused(await put(service, "/f10", b""), 409, "files_full")


async def test_a_rollback_restores_the_files(service: Harbour, database: Database) -> None:
    await put(service, "/etc/app/key", b"first")
    first = await service.deploy()
    await put(service, "/etc/app/key", b"second")
    second = await service.deploy()
    changes = (await service.ask("GET", f"/deployments/{first}/changes")).json()
    assert changes["files"] == [{"name": "/etc/app/key", "change": "changed"}]
    again = (await service.roll_back(first)).json()["deployment_id"]
    async with database.transaction() as session:
        found = [await files.of_release(session, UUID(one)) for one in (first, second, again)]
    old, new = SecretFile("/etc/app/key", b"first"), SecretFile("/etc/app/key", b"second")
    assert found == [(old,), (new,), (old,)]


async def test_a_variable_is_shown_on_purpose(service: Harbour) -> None:
    await service.variables(TOKEN="a value of Ada's")
    path = f"/services/{service.service_id}/variables/reveal"
    assert (await service.ask("POST", path, {"name": "TOKEN"})).json()["value"] == "a value of Ada's"
    assert (await service.ask("POST", path, {"name": "OTHER"})).status_code == 404
    events = (await service.ask("GET", "/audit?size=50")).json()["items"]
    assert "service.variable_revealed" in {one["action"] for one in events}
    assert "a value of Ada's" not in str(events)
