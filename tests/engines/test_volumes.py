"""Volumes and secret files, the same with every engine."""

from __future__ import annotations

import asyncio
import io
import tarfile
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from backend.engines import sandbox
from backend.engines.base import EngineError, ReleaseSpec, SecretFile, VolumeMount, VolumeSpec
from backend.engines.docker import blockfile
from backend.engines.docker.engine import DockerEngine
from tests.engines.conftest import Panel, every_engine

MIB = 2**20
SIZE = 32 * MIB
APP = """
import os, pathlib, http.server

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = pathlib.Path(self.path)
        try:
            said = path.read_bytes() if path != pathlib.Path("/") else b"up"
        except OSError as error:
            said = os.strerror(error.errno).encode()
        self.answer(said)

    def do_PUT(self):
        size = int(self.headers["Content-Length"])
        try:
            with open(self.path, "wb") as file:
                while size:
                    chunk = self.rfile.read(min(size, 1 << 20))
                    size -= len(chunk)
                    file.write(chunk)
            self.answer(b"written")
        except OSError as error:
            self.answer(os.strerror(error.errno).encode())

    def answer(self, said):
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Answer).serve_forever()
"""
FILES = {"main.py": APP, "Procfile": "web: python main.py", "requirements.txt": ""}


@pytest.fixture
async def volume(panel: Panel) -> AsyncIterator[VolumeMount]:
    identity = str(uuid.uuid4())
    made = await panel.engine.ensure_volume(VolumeSpec(identity, "service", "project", SIZE))
    yield VolumeMount(identity, "/data", made.node)
    for unit in await panel.engine.units():
        if unit.service_id == "service":
            await panel.engine.remove(unit.deployment_id)
    await panel.engine.remove_volume(identity)


async def _start(panel: Panel, mount: VolumeMount, *files: SecretFile) -> tuple[ReleaseSpec, str]:
    """A new release, built anew, with the volume."""
    spec, built = await panel.build(FILES, service="service")
    release = replace(panel.release(spec, built), volumes=(mount,), files=files)
    await panel.engine.start(release, panel.report)
    unit = await panel.engine.wait_healthy(release, panel.report, timeout=60)
    return release, f"http://{unit.address}"


async def _put(address: str, path: str, content: bytes) -> str:
    async with httpx.AsyncClient(timeout=60) as client:
        return (await client.put(address + path, content=content)).text


async def _get(address: str, path: str) -> str:
    async with httpx.AsyncClient(timeout=60) as client:
        return (await client.get(address + path)).text


async def _up(panel: Panel, release: ReleaseSpec) -> str:
    return f"http://{(await panel.engine.wait_healthy(release, panel.report, timeout=60)).address}"


@every_engine
async def test_what_a_release_writes_the_next_one_reads(panel: Panel, volume: VolumeMount) -> None:
    engine = panel.engine
    secret = SecretFile("/etc/app/key.bin", b"\x00\xff" + "ключ".encode())
    first, address = await _start(panel, volume, secret)
    assert await _put(address, "/data/note", b"kept") == "written"
    assert await _get(address, secret.path) == secret.content.decode("utf-8", "replace")
    assert await _put(address, secret.path, b"changed") != "written"
    assert await _put(address, "/etc/more", b"x") != "written"

    await engine.restart(first.deployment_id)
    assert await _get(await _up(panel, first), "/data/note") == "kept"
    await engine.rest()
    await engine.restart(first.deployment_id)
    address = await _up(panel, first)
    assert await _get(address, "/data/note") == "kept"
    assert await _get(address, secret.path) == secret.content.decode("utf-8", "replace")

    await engine.stop(first.deployment_id)
    _, address = await _start(panel, volume)
    assert await _get(address, "/data/note") == "kept"
    assert await _get(address, secret.path) == "No such file or directory"

    await engine.remove(first.deployment_id)
    await engine.remove_service("service")
    await engine.reap(set())
    await engine.ensure_volume(VolumeSpec(volume.volume_id, "service", "project", SIZE))
    used = (await engine.volume_usage([volume.volume_id, str(uuid.uuid4())]))[volume.volume_id]
    assert 0 < used.used_bytes < used.size_bytes <= SIZE
    _, address = await _start(panel, volume)
    assert await _get(address, "/data/note") == "kept"


@every_engine
async def test_a_volume_is_exported_and_imported(panel: Panel, volume: VolumeMount) -> None:
    engine = panel.engine
    release, address = await _start(panel, volume)
    large = bytes(range(256)) * (4 * 4096)
    assert await _put(address, "/data/large", large) == "written"
    archive = b"".join([chunk async for chunk in engine.export_volume(volume.volume_id)])
    with tarfile.open(fileobj=io.BytesIO(archive)) as held:
        assert "large" in {name.removeprefix("./") for name in held.getnames()}
    assert await _put(address, "/data/later", b"gone after the import") == "written"
    await engine.stop(release.deployment_id)

    async def stream() -> AsyncIterator[bytes]:
        for at in range(0, len(archive), 100_000):
            await asyncio.sleep(0)
            yield archive[at : at + 100_000]

    await engine.import_volume(volume.volume_id, stream())
    await engine.restart(release.deployment_id)
    address = await _up(panel, release)
    async with httpx.AsyncClient(timeout=60) as client:
        assert (await client.get(f"{address}/data/large")).content == large
    assert await _get(address, "/data/later") == "No such file or directory"
    assert await _put(address, "/data/large", b"written again") == "written"


@every_engine
async def test_what_is_not_there(panel: Panel) -> None:
    engine, missing = panel.engine, str(uuid.uuid4())
    await engine.remove_volume(missing)
    assert await engine.volume_usage([missing]) == {}
    with pytest.raises(EngineError) as failure:
        async for _ in engine.export_volume(missing):
            pass
    assert failure.value.code == "volume_missing"
    spec, built = await panel.build(FILES)
    release = replace(panel.release(spec, built), volumes=(VolumeMount(missing, "/data"),))
    with pytest.raises(EngineError) as failure:
        await engine.start(release, panel.report)
    assert failure.value.code == "volume_missing"
    with pytest.raises(EngineError) as failure:
        await engine.ensure_volume(VolumeSpec(missing, "service", "project", SIZE, made=True))
    assert failure.value.code == "volume_missing"


@pytest.mark.parametrize("panel", ["docker"], indirect=True)
async def test_nothing_empty_takes_the_place_of_a_volume(panel: Panel) -> None:
    engine, lost = panel.engine, str(uuid.uuid4())
    assert isinstance(engine, DockerEngine)
    volumes, daemon = engine._volumes, engine._daemon
    name, spec = volumes.name(lost), VolumeSpec(lost, "service", "project", SIZE)
    # As Docker makes it for whoever mounts what is not there.
    await daemon.call(lambda client: client.create_volume(name))
    try:
        for asked in (volumes.attach(lost), engine.ensure_volume(replace(spec, made=True))):
            with pytest.raises(EngineError) as failure:
                await asked
            assert failure.value.code == "volume_missing"
        if (await engine.ensure_volume(spec)).bounded:
            await volumes._block(lost, "detach", 0)
            await daemon.call(lambda client: client.remove_volume(f"{name}-store"))
            with pytest.raises(EngineError) as failure:
                await engine.ensure_volume(replace(spec, made=True))
            assert failure.value.code == "volume_missing"
        volumes._attached.clear()
        assert set(await engine.volume_usage([lost])) <= {lost}
    finally:
        await engine.remove_volume(lost)
    assert await daemon.find(lambda client: client.inspect_volume(name)) is None


def test_no_name_of_another_volume_leads_to_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device was detached behind our back, and is given to the next volume."""
    monkeypatch.setattr(blockfile, "DEVICES", str(tmp_path))
    links = {"gavan-x-volume-a": "loop3", "gavan-x-volume-b": "loop4", "disk": "loop3"}
    for name, device in links.items():
        (tmp_path / name).symlink_to(device)
    blockfile.forget_names(f"{tmp_path}/loop3")
    assert {path.name for path in tmp_path.iterdir()} == {"gavan-x-volume-b", "disk"}


@pytest.mark.parametrize("panel", ["docker"], indirect=True)
async def test_the_kernel_refuses_what_does_not_fit(panel: Panel, volume: VolumeMount) -> None:
    engine = panel.engine
    spec = VolumeSpec(volume.volume_id, "service", "project", SIZE)
    if not (await engine.ensure_volume(spec)).bounded:
        pytest.skip("this machine has no loop devices: nothing can refuse it here")
    release, address = await _start(panel, volume)
    assert await _put(address, "/data/large", bytes(SIZE + MIB)) == "No space left on device"
    larger = replace(spec, size_bytes=4 * SIZE)
    if not (await engine.ensure_volume(larger)).grown:
        # This machine is a container that may not let it grow under a release.
        await engine.stop(release.deployment_id)
        assert (await engine.ensure_volume(larger)).grown
        await engine.restart(release.deployment_id)
        address = await _up(panel, release)
    assert await _put(address, "/data/large", bytes(SIZE + MIB)) == "written"
    used = (await engine.volume_usage([volume.volume_id]))[volume.volume_id]
    assert used.size_bytes > 3 * SIZE
    await engine.ensure_volume(spec)
    assert (await engine.volume_usage([volume.volume_id]))[volume.volume_id].size_bytes == used.size_bytes


def test_no_place_of_a_volume_leads_over_the_apps_links(tmp_path: Path) -> None:
    """bubblewrap would make what is missing there on the machine itself."""
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    tree.mkdir()
    (tree / "link").symlink_to(f"/oldroot{outside}")
    for path in (tree / "link", tree / "link/below/it"):
        for release in ({"volumes": [("/v", str(path))]}, {"files": [(str(path), "")]}):
            with pytest.raises(OSError, match="is a link"):
                sandbox.show({"tree": str(tree), **release})
    assert sandbox.show({"tree": str(tree), "volumes": [("/v", f"{tree}/new/one")]})[0] == "--bind"
