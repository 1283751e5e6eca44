"""The bundled examples deploy as they are, and soon answer."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import httpx
import pytest

from tests.engines.app import printed
from tests.engines.conftest import ROOT, Panel, every_engine

pytestmark = every_engine


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["python", "node", "static"])
async def test_example_deploys(panel: Panel, name: str, record_property: object) -> None:
    if panel.engine.name == "process" and name == "node" and not shutil.which("npm"):
        pytest.skip("Node.js is not installed here")
    times = [time.monotonic()]
    spec, built = await panel.build(files(ROOT / "examples" / name))
    times.append(time.monotonic())
    path = "/" if name == "static" else "/health"
    release = panel.release(spec, built, {"GREETING": "Hi <there>"}, health_path=path)
    await panel.engine.start(release, panel.report)
    unit = await panel.engine.wait_healthy(release, panel.report, timeout=60)
    times.append(time.monotonic())
    print(f"{name}: fetch+build {times[1] - times[0]:.2f} s, start→healthy {times[2] - times[1]:.2f} s")
    async with httpx.AsyncClient(base_url=f"http://{unit.address}") as client:
        page = await client.get("/")
        assert "Deployed by Gavan" in page.text
        assert "Hi <there>" not in page.text
        if name != "static":
            assert page.text.count("Hi &") > 0
        style = await client.get("/style.css" if name != "python" else "/static/style.css")
        assert style.headers["content-type"].startswith("text/css")
    await printed(panel, release.service_id, "Serving" if name == "static" else "Hello from")
