"""The contract: a release that runs the build of another one, with every engine."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace

import pytest

from backend.engines.base import EngineError, ReleaseSpec, Unit
from tests.engines.app import APP, get
from tests.engines.conftest import Panel, every_engine

pytestmark = every_engine


def back_to(kept: ReleaseSpec, **env: str) -> ReleaseSpec:
    """A new release of the same service that runs the build of `kept`."""
    return replace(kept, deployment_id=str(uuid.uuid4()), env=env)


async def started(panel: Panel, release: ReleaseSpec) -> Unit:
    await panel.engine.start(release, panel.report)
    return await panel.engine.wait_healthy(release, panel.report, timeout=60)


async def environment(unit: Unit) -> dict[str, str]:
    found: dict[str, str] = json.loads((await get(unit.address, "/env")).text)
    return found


async def test_runs_the_kept_build_with_its_own_environment(panel: Panel) -> None:
    kept, first = await panel.run(APP, {"GREETING": "first", "ONCE": "1"})
    assert kept.deployment_id in await panel.engine.builds()
    back = back_to(kept, GREETING="again")
    second = await started(panel, back)
    assert second.address != first.address
    # Both at once, as while one takes over from the other.
    assert (await environment(first))["GREETING"] == "first"
    found = await environment(second)
    assert found["GREETING"] == "again"
    assert "ONCE" not in found
    assert found["HOME"] == (await environment(first))["HOME"]
    assert back.deployment_id not in await panel.engine.builds()

    again = await panel.engine.start(back, panel.report)
    assert (again.pid, again.address) == (second.pid, second.address)
    await panel.engine.stop(kept.deployment_id)
    assert (await get(second.address, "/")).status_code == 200
    await panel.engine.restart(back.deployment_id)
    revived = await panel.engine.wait_healthy(back, panel.report, timeout=60)
    assert (await environment(revived))["GREETING"] == "again"
    text = {
        line.deployment_id
        for line in (await panel.engine.read_log(kept.service_id, after=None, limit=100)).lines
    }
    assert text == {kept.deployment_id, back.deployment_id}
    await panel.engine.remove_service(kept.service_id)


async def test_the_build_outlives_its_runners_and_goes_at_last(panel: Panel) -> None:
    kept, _ = await panel.run(APP)
    back = back_to(kept)
    await started(panel, back)
    await panel.engine.stop(kept.deployment_id)
    await panel.engine.remove(back.deployment_id)
    assert panel.place.left(back.deployment_id) == []
    assert kept.deployment_id in await panel.engine.builds()
    once_more = back_to(kept)
    await started(panel, once_more)
    await panel.engine.remove_service(kept.service_id)
    for release in (kept, back, once_more):
        assert panel.place.left(release.deployment_id) == []
        assert await panel.engine.inspect(release.deployment_id) is None
    assert kept.deployment_id not in await panel.engine.builds()


async def test_a_build_that_is_gone(panel: Panel) -> None:
    kept, _ = await panel.run(APP)
    await panel.engine.remove(kept.deployment_id)
    for build_id in (kept.deployment_id, str(uuid.uuid4())):
        gone = replace(back_to(kept), build_id=build_id)
        with pytest.raises(EngineError) as caught:
            await panel.engine.start(gone, panel.report)
        assert caught.value.code == "release_missing"
        assert panel.place.left(gone.deployment_id) == []
        assert await panel.engine.inspect(gone.deployment_id) is None
