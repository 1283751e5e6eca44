"""Units that answer, answer late or badly, do not listen, or die: noticed soon and told in words."""

from __future__ import annotations

import asyncio
import re
import time

import httpx
import pytest

from backend.engines.base import EngineError, Retry, UnitState
from tests.engines.app import APP, get, printed, text_of, until
from tests.engines.conftest import Panel, every_engine

pytestmark = every_engine


@pytest.mark.parametrize("path", ["/moved", "/?a=b c\r\nX: y"])
async def test_a_page_and_a_redirect_are_healthy(panel: Panel, path: str) -> None:
    spec, built = await panel.build(APP)
    release = panel.release(spec, built, health_path=path)
    await panel.engine.start(release, panel.report)
    await panel.engine.wait_healthy(release, panel.report, timeout=60)


async def test_listening_late_is_fine(panel: Panel) -> None:
    release, _ = await panel.run(APP, {"LATE": "1.5"})
    await printed(panel, release.service_id, "listening")


@pytest.mark.parametrize(("path", "status"), [("/fail", 503), ("/missing", 404)])
async def test_failing_health_check(panel: Panel, path: str, status: int) -> None:
    spec, built = await panel.build(APP)
    release = panel.release(spec, built, health_path=path)
    await panel.engine.start(release, panel.report)
    with pytest.raises(EngineError) as caught:
        await panel.engine.wait_healthy(release, panel.report, timeout=15)
    assert (caught.value.code, caught.value.retry) == ("health_failed", Retry.NEVER)
    assert f"it answers {status}" in caught.value.message
    assert f"GET {path}" in caught.value.message


async def test_not_listening_names_the_port_it_listens_on_instead(panel: Panel) -> None:
    spec, built = await panel.build(APP)
    release = panel.release(spec, built, {"ANYWHERE": "1"})
    unit = await panel.engine.start(release, panel.report)
    with pytest.raises(EngineError) as caught:
        await panel.engine.wait_healthy(release, panel.report, timeout=15)
    assert caught.value.code == "unit_not_listening"
    port = re.search(r"listening on (\d+)", caught.value.message)
    assert port
    assert f"listens on {port[1]} instead" in caught.value.message
    assert f"on port {panel.port_inside(unit)} after" in caught.value.message
    assert "PORT" in caught.value.message


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("no-such-command --x", "not found"),
        ("./server.py", "cannot be executed"),
        ("python3 -c 'print(\"last words\"); exit(3)'", "exit status 3"),
        ("sh -c 'kill -9 $$'", "SIGKILL"),
        ("true", "keep running"),
        ("echo one && exit 5", "exit status 5"),
    ],
)
async def test_ending_at_once_is_noticed_at_once(panel: Panel, command: str, words: str) -> None:
    spec, built = await panel.build({**APP, "Procfile": f"web: {command}\n"})
    release = panel.release(spec, built)
    await panel.engine.start(release, panel.report)
    began = time.monotonic()
    with pytest.raises(EngineError) as caught:
        await panel.engine.wait_healthy(release, panel.report, timeout=200)
    assert time.monotonic() - began < 100
    assert caught.value.code == "unit_exited"
    assert words in caught.value.message
    if "last words" in command:
        assert "last words" in caught.value.message


async def test_dying_later_is_restarted_and_told(panel: Panel) -> None:
    release, unit = await panel.run(APP)
    await asyncio.sleep(1.2)
    with pytest.raises(httpx.HTTPError):
        await get(unit.address, "/kill")

    async def back() -> bool:
        found = await panel.engine.inspect(release.deployment_id)
        return found is not None and found.state is UnitState.RUNNING and found.pid != unit.pid

    await until(back)
    await panel.engine.wait_healthy(release, panel.report, timeout=60)

    async def told() -> bool:
        return (await text_of(panel, release.service_id)).count("listening on") == 2

    await until(told)
