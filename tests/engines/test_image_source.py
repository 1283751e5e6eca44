"""Images as sources: asked of Debian's registry with a login, and run by the daemon from their digest."""

from __future__ import annotations

import asyncio
import io
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from backend.engines import fetching
from backend.engines.base import Access, BuildSpec, EngineError, FetchSpec, ReleaseSpec
from tests.engines.conftest import LIMITS, Panel
from tests.support.dockerregistry import PASSWORD, USER, docker_registry

HELD = "Its layers are here already"
APP = """
import http.server, os
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{VERSION} {os.environ['PORT']} {os.getuid()} {os.getcwd()} {os.environ['GREETING']}".encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("0.0.0.0", 3000), Page).serve_forever()
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


def publish(panel: Panel, host: str, version: str) -> str:
    """Builds an image that listens on 3000 and pushes it as `host/me/app:1`; gives its digest."""
    client = panel.containers.client
    context = io.BytesIO()
    files = {
        "Dockerfile": "FROM python:3.12-slim\nWORKDIR /srv\nCOPY app.py /srv/\nUSER 1234\nEXPOSE 3000\n"
        'LABEL gavan.service=somebody-else\nENTRYPOINT ["python3"]\nCMD ["app.py"]\n',
        "app.py": f"VERSION = {version!r}\n{APP}",
    }
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content.encode()))
    context.seek(0)
    image = f"{host}/me/app:1"
    said = list(client.build(fileobj=context, custom_context=True, tag=image, rm=True, decode=True))
    assert not any("error" in line for line in said), said[-1]
    login = {"username": USER, "password": PASSWORD}
    pushed = list(client.push(image, auth_config=login, stream=True, decode=True))
    client.remove_image(image, force=True)
    return next(line["aux"]["Digest"] for line in pushed if "aux" in line)


def fetch_spec(image: str, login: bool = True) -> FetchSpec:
    host = image.partition("/")[0]
    access = Access(host, username=USER, token=PASSWORD) if login else None
    return FetchSpec(str(uuid.uuid4()), str(uuid.uuid4()), image, access=access, kind="image")


async def serve(panel: Panel, spec: FetchSpec) -> tuple[ReleaseSpec, str, str]:
    """Brings it up; what it answers, and the digest."""
    fetched = await panel.engine.fetch(spec, panel.report)
    built = await panel.engine.build(
        BuildSpec(spec.deployment_id, spec.service_id, "project", LIMITS), panel.report
    )
    assert (built.kind, built.command, built.port) == ("image", "", 3000)
    release = replace(panel.release(spec, built, {"GREETING": "ahoy"}), port=built.port)
    await panel.engine.start(release, panel.report)
    unit = await panel.engine.wait_healthy(release, panel.report, timeout=60)
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = (await client.get(f"http://{unit.address}/")).text
    assert fetched.digest is not None
    return release, answer, fetched.digest


@pytest.mark.parametrize("panel", ["docker"], indirect=True)
async def test_an_image_runs_as_it_is_and_comes_back_by_its_digest(panel: Panel, registry: str) -> None:
    panel.engine = panel.with_settings(allowed_private=(registry,))
    first = await asyncio.to_thread(publish, panel, registry, "one")
    spec = fetch_spec(f"{registry}/me/app:1")
    release, answer, digest = await serve(panel, spec)
    assert (answer, digest) == ("one 3000 1234 /srv ahoy", first)
    assert PASSWORD not in "\n".join(panel.lines)

    second = await asyncio.to_thread(publish, panel, registry, "two")
    assert second != first
    moved, answer, digest = await serve(panel, fetch_spec(f"{registry}/me/app:1"))
    assert (answer[:3], digest) == ("two", second)
    await panel.engine.remove(moved.deployment_id)

    # What the project has is not fetched again, but another project fetches it.
    shared = replace(fetch_spec(f"{registry}/me/app@{first}"), project_id="project")
    told = len(panel.lines)
    sharing, answer, _ = await serve(panel, shared)
    assert answer[:3] == "one"
    assert HELD in panel.lines[told:]
    # It went just when it was to be shared: the next attempt fetches all of it.
    torn = replace(fetch_spec(f"{registry}/me/app@{first}"), project_id="project")
    await panel.engine.fetch(torn, panel.report)
    source = panel.settings.home / "deployments" / torn.deployment_id / "source"
    (source / "config.json").write_text((source / "config.json").read_text().replace('"sha256:', '"sha256:0'))
    with pytest.raises(EngineError, match="fetched again"):
        await panel.engine.build(
            BuildSpec(torn.deployment_id, torn.service_id, "project", LIMITS), panel.report
        )
    told = len(panel.lines)
    await panel.engine.fetch(torn, panel.report)
    assert HELD not in panel.lines[told:]
    await panel.engine.remove(torn.deployment_id)
    told = len(panel.lines)
    other = replace(fetch_spec(f"{registry}/me/app@{first}"), project_id="other")
    await panel.engine.fetch(other, panel.report)
    assert HELD not in panel.lines[told:]
    for one in (sharing.deployment_id, other.deployment_id):
        await panel.engine.remove(one)

    # A rollback runs the kept build, whatever the tag stands for by now.
    back = replace(release, deployment_id=str(uuid.uuid4()))
    await panel.engine.start(back, panel.report)
    unit = await panel.engine.wait_healthy(back, panel.report, timeout=60)
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"http://{unit.address}/")).text[:3] == "one"
    # An interrupted deployment goes on with what it resolved.
    pinned = replace(fetch_spec(f"{registry}/me/app:1"), commit=first)
    assert (await panel.engine.fetch(pinned, panel.report)).digest == first
    for one in (back, release):
        await panel.engine.remove(one.deployment_id)
    await panel.engine.remove_service(release.service_id)
    assert panel.containers.left(release.deployment_id) == []
    await refusals(panel, registry)


async def refusals(panel: Panel, registry: str) -> None:
    """What does not work is said in words, before and while it is fetched."""
    wrong = replace(fetch_spec(f"{registry}/me/app:1"), access=Access(registry, username=USER, token="no"))
    elsewhere = replace(
        fetch_spec(f"{registry}/me/app:1"), access=Access("ghcr.io", username=USER, token=PASSWORD)
    )
    for spec, code, detail in (
        (fetch_spec(f"{registry}/me/app:1", login=False), "source_auth_required", "image_login_needed"),
        (wrong, "source_auth_failed", "image_login_refused"),
        # A login is for its own host: this registry does not get it.
        (elsewhere, "source_auth_required", "image_login_needed"),
        (fetch_spec(f"{registry}/me/app:9"), "source_not_found", "image_not_found"),
        (fetch_spec(f"{registry}/me/none:1"), "source_not_found", "image_not_found"),
    ):
        with pytest.raises(EngineError) as caught:
            await panel.engine.fetch(spec, panel.report)
        assert (caught.value.code, caught.value.parameters["detail"]) == (code, detail)
    small = panel.with_settings(allowed_private=(registry,), image_max_bytes=1000)
    with pytest.raises(EngineError) as caught:
        await small.fetch(fetch_spec(f"{registry}/me/app:1"), panel.report)
    assert caught.value.parameters["detail"] == "image_too_large"
    with pytest.raises(EngineError) as caught:
        await panel.with_settings(allowed_private=()).fetch(fetch_spec(f"{registry}/me/app:1"), panel.report)
    assert caught.value.code == "source_forbidden"
    with pytest.raises(EngineError) as caught:
        await fetching.look_at_image(
            f"{registry}/me/app:1",
            Access(registry, username=USER, token=PASSWORD),
            architecture="mips",
            allowed_private=[registry],
            max_bytes=1 << 30,
            timeout=20,
        )
    assert caught.value.parameters["detail"] == "image_platform"


@pytest.mark.parametrize("panel", ["process"], indirect=True)
async def test_processes_run_no_images(panel: Panel) -> None:
    with pytest.raises(EngineError) as caught:
        await panel.engine.fetch(fetch_spec("python:3"), panel.report)
    assert caught.value.code == "source_unsupported"
