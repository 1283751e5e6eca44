"""Backups of everyone, as the operator sees them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from backend.backups.models import Backup
from backend.database import now
from backend.engines.base import EngineError
from tests.backups.conftest import Pier
from tests.support.people import Person, UserFactory


@pytest.fixture
async def operator(user_factory: UserFactory) -> Person:
    return await user_factory(roles=("user", "admin"))


async def _listed(pier: Pier, operator: Person, **filters: str) -> list[dict[str, Any]]:
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    answer = await pier.ask("GET", f"/admin/backups?{query}", **operator.headers)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def _overview(pier: Pier, operator: Person) -> dict[str, Any]:
    answer = await pier.ask("GET", "/admin/backups/overview", **operator.headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_the_list_of_everyones(pier: Pier, operator: Person) -> None:
    good = await pier.made()
    pier.engine.trouble["export"] = [EngineError("volume_missing", "The folder is gone.")]
    failed = await pier.made()
    assert [one["id"] for one in await _listed(pier, operator)] == [failed["id"], good["id"]]
    (shown,) = await _listed(pier, operator, state="failed")
    assert (shown["id"], shown["reason_code"]) == (failed["id"], "volume_missing")
    assert (shown["service"]["id"], shown["service"]["deleted"]) == (pier.service_id, False)
    assert (shown["target"], shown["project_name"] != "") == ("directory", True)
    # What runs in the app before, and where the object lies, is nobody's business here.
    assert not {"command", "object_key", "manifest"} & set(shown)
    name = shown["service"]["name"]
    assert len(await _listed(pier, operator, q=name[1:4], service_id=pier.service_id)) == 2
    assert await _listed(pier, operator, q="%") == []
    assert [one["id"] for one in await _listed(pier, operator, size="1", state="verified")] == [good["id"]]
    page = (await pier.ask("GET", "/admin/backups?size=1", **operator.headers)).json()
    rest = await _listed(pier, operator, size="1", cursor=page["next_page"])
    assert [one["id"] for one in (*page["items"], *rest)] == [failed["id"], good["id"]]


async def test_in_numbers_and_where_they_go(pier: Pier, operator: Person) -> None:
    empty = await _overview(pier, operator)
    assert (empty["kept"], empty["stored_bytes"], empty["last_verified_at"]) == (0, 0, None)
    assert (empty["target"], empty["place"]) == ("directory", str(pier.settings.backup_dir))
    assert (empty["problem"], empty["free_bytes"] > 0, empty["second_key"]) == (None, True, False)
    good = await pier.made()
    other = await pier.made()
    async with pier.database.transaction() as session:
        gone = update(Backup).where(Backup.id == other["id"])
        await session.execute(gone.values(state="unverifiable", expires_at=now() + timedelta(days=3)))
    assert (await pier.plan()).status_code == 200
    await pier.due(now())
    pier.engine.trouble["export"] = [EngineError("volume_missing", "The folder is gone.")]
    await pier.tend()
    await pier.work()
    found = await _overview(pier, operator)
    assert [found[name] for name in ("kept", "verified", "untested", "damaged", "failed")] == [2, 1, 0, 1, 1]
    assert (found["failing_services"], found["outlived_bytes"]) == (1, other["stored_bytes"])
    assert found["stored_bytes"] == good["stored_bytes"] + other["stored_bytes"]


async def test_a_place_that_cannot_be_written_to(pier: Pier, operator: Person) -> None:
    assert pier.settings.backup_dir
    pier.settings.backup_dir.write_text("no folder")
    found = await _overview(pier, operator)
    assert (found["problem"], found["free_bytes"]) == ("backup_target_unavailable", None)


async def test_customers_see_no_others(pier: Pier) -> None:
    for path in ("/admin/backups", "/admin/backups/overview"):
        assert (await pier.ask("GET", path)).status_code == 403
