"""Builds that other releases run, as the process engine keeps them: through restarts, loss and cleaning."""

from __future__ import annotations

import shutil

import pytest

from backend.engines.base import EngineError, UnitState
from backend.engines.layout import Layout
from backend.engines.places import Place
from backend.engines.sealed import seal, unseal
from tests.engines.app import APP, get, until
from tests.engines.conftest import Panel
from tests.engines.test_rollback import back_to, environment, started


async def test_reaping_spares_what_is_known(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, _ = await panel.run(APP)
    back = back_to(kept)
    unit = await started(panel, back)
    monkeypatch.setattr("backend.engines.orphans.YOUNG", 0)
    others = {unit.deployment_id for unit in await panel.engine.units()}
    removed = await panel.engine.reap(others | {kept.deployment_id, back.deployment_id})
    assert not {kept.deployment_id, back.deployment_id} & set(removed)
    assert (await get(unit.address, "/")).status_code == 200
    others -= {back.deployment_id}
    assert back.deployment_id in await panel.engine.reap(others | {kept.deployment_id})
    assert kept.deployment_id in await panel.engine.builds()
    await panel.engine.remove_service(kept.service_id)


async def test_files_that_are_gone(panel: Panel) -> None:
    kept, _ = await panel.run(APP)
    whole, gone = back_to(kept), back_to(kept)
    await started(panel, whole)
    shutil.rmtree(panel.apps.home / "deployments" / kept.deployment_id / "tree")
    assert kept.deployment_id not in await panel.engine.builds()
    with pytest.raises(EngineError) as caught:
        await panel.engine.start(gone, panel.report)
    assert caught.value.code == "release_missing"
    assert panel.place.left(gone.deployment_id) == []
    assert await panel.engine.inspect(gone.deployment_id) is None
    with pytest.raises(EngineError) as caught:
        await panel.engine.restart(whole.deployment_id)
    assert caught.value.code == "release_missing"
    await panel.engine.remove_service(kept.service_id)


async def test_supervisord_dies_under_it(panel: Panel) -> None:
    kept, _ = await panel.run(APP)
    back = back_to(kept, GREETING="still")
    await started(panel, back)
    await panel.engine.stop(kept.deployment_id)
    panel.apps.kill()
    panel.apps.start()

    async def runs() -> bool:
        unit = await panel.engine.inspect(back.deployment_id)
        return unit is not None and unit.state is UnitState.RUNNING

    await until(runs)
    unit = await panel.engine.wait_healthy(back, panel.report, timeout=20)
    assert (await environment(unit))["GREETING"] == "still"
    await panel.engine.remove_service(kept.service_id)


async def test_releases_that_were_started_before_there_were_rollbacks(panel: Panel) -> None:
    """Their facts and sealed files name no build and no tree: both are their own."""
    kept, unit = await panel.run(APP, {"GREETING": "old"})
    at = Layout(panel.apps.home.resolve()).deployment(kept.deployment_id)
    place, secret = Place(at), panel.settings.secret
    facts = place.facts()
    assert facts
    del facts["build_id"], facts["restart"]
    place.write_facts(facts)
    release = unseal(secret, at.id, place.sealed.read_bytes())
    del release["tree"]
    place.sealed.write_bytes(seal(secret, at.id, release))
    await panel.engine.restart(kept.deployment_id)
    unit = await panel.engine.wait_healthy(kept, panel.report, timeout=20)
    assert (await environment(unit))["GREETING"] == "old"
    await panel.engine.remove_service(kept.service_id)
