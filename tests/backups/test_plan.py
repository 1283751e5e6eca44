"""Backups by schedule, what stays of them, who is told, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text, update

from backend.backups.models import Backup, BackupPlan
from backend.backups.retaining import kept
from backend.database import now
from tests.backups.conftest import Pier
from tests.support.people import UserFactory

UTC_ZONE = ZoneInfo("UTC")


async def test_due_once(pier: Pier) -> None:
    assert (await pier.plan()).status_code == 200
    at = now() - timedelta(hours=30)
    await pier.due(at)
    await pier.tend()
    await pier.due(at)
    await pier.tend()
    (backup,) = await pier.listed()
    assert backup["trigger"] == "schedule"
    await pier.work()
    assert (await pier.listed())[0]["state"] == "verified"
    shown = (await pier.ask("GET", f"/services/{pier.service_id}/backup-plan")).json()
    assert datetime.fromisoformat(shown["next_run_at"]) > now()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"schedule": "nonsense"}, "schedule_invalid"),
        ({"schedule": "0 0 31 2 *"}, "schedule_invalid"),
        ({"schedule": "* * * * *"}, "schedule_too_often"),
        ({"time_zone": "Mars/Port"}, "time_zone_unknown"),
        ({"keep_last": 0}, None),
        ({"keep_daily": 101}, None),
        ({"keep_weekly": "many"}, None),
        ({"enabled": "yes"}, None),
        ({"command": "a\x00b"}, None),
        ({"command": "x" * 4001}, None),
        ({"schedule": "⚓" * 30}, "schedule_invalid"),
    ],
)
async def test_refused_plans(pier: Pier, changes: dict[str, object], code: str | None) -> None:
    answer = await pier.plan(**changes)
    assert answer.status_code == 422, answer.text
    assert code is None or code in answer.text


async def test_letters_after_two_failures_and_when_it_works_again(pier: Pier) -> None:
    await pier.plan(command="dump")
    pier.engine.exit_code = 1

    async def letters() -> list[str]:
        async with pier.database.transaction() as session:
            found = text("SELECT template FROM letters WHERE template LIKE 'backup%' ORDER BY created_at")
            return [row.template for row in await session.execute(found)]

    for days, wanted in ((9, []), (8, ["backup_failing"]), (7, ["backup_failing"])):
        await pier.due(now() - timedelta(days=days))
        await pier.tend(now() - timedelta(days=days) + timedelta(minutes=1))
        await pier.work()
        assert await letters() == wanted
    pier.engine.exit_code = 0
    await pier.due(now() - timedelta(days=1))
    await pier.tend()
    await pier.work()
    assert await letters() == ["backup_failing", "backup_recovered"]


async def test_removed_with_what_is_stored(pier: Pier) -> None:
    backup = await pier.made()
    assert len(pier.objects) == 1
    assert (await pier.ask("DELETE", f"/backups/{backup['id']}")).status_code == 204
    assert await pier.listed() == []
    await pier.tend()
    assert pier.objects == []
    assert (await pier.ask("DELETE", f"/backups/{backup['id']}")).status_code == 404


async def test_expired_when_its_service_is_gone(pier: Pier) -> None:
    await pier.made()
    async with pier.database.transaction() as session:
        await session.execute(update(Backup).values(expires_at=now() + timedelta(days=1)))
    await pier.tend()
    assert len(pier.objects) == 1
    await pier.tend(now() + timedelta(days=2))
    assert pier.objects == []


async def test_twice_at_once_and_wrong_names(pier: Pier) -> None:
    assert (await pier.make()).status_code == 202
    again = await pier.make()
    assert (again.status_code, again.json()["code"]) == (409, "backup_under_way")
    await pier.work()
    (backup,) = await pier.listed()
    wrong = await pier.restore(backup, name="other")
    assert (wrong.status_code, "name_differs" in wrong.text) == (422, True)
    assert (await pier.restore(backup, volume_id=str(uuid4()))).status_code == 404
    assert (await pier.restore({"id": str(uuid4())})).status_code == 404
    assert (await pier.restore(backup)).status_code == 202
    twice = await pier.restore(backup)
    assert (twice.status_code, twice.json()["code"]) == (409, "restore_under_way")
    busy = await pier.ask("DELETE", f"/backups/{backup['id']}")
    assert (busy.status_code, busy.json()["code"]) == (409, "restore_under_way")


async def test_nobody_else(pier: Pier, user_factory: UserFactory) -> None:
    backup, stranger = await pier.made(), await user_factory()
    headers = stranger.headers
    for method, path, body in (
        ("POST", f"/services/{pier.service_id}/backups", {"volume_id": pier.volume_id}),
        ("GET", f"/services/{pier.service_id}/backup-plan", None),
        ("DELETE", f"/backups/{backup['id']}", None),
    ):
        assert (await pier.ask(method, path, body, **headers)).status_code == 404
    listed = await pier.ask("GET", f"/backups?service_id={pier.service_id}", **headers)
    assert listed.json()["items"] == []


async def test_no_target(pier: Pier) -> None:
    backup = await pier.made()
    pier.aim(pier.settings.model_copy(update={"backup_dir": None}))
    assert (await pier.restore(backup)).status_code == 202
    await pier.work()
    assert (await pier.restored())["reason_code"] == "backup_object_missing"


def plan(**changes: int) -> BackupPlan:
    keep = {"keep_last": 1, "keep_daily": 0, "keep_weekly": 0, "keep_monthly": 0}
    return BackupPlan(**(keep | changes))


def backups(days: list[int], state: str = "verified", trigger: str = "schedule") -> list[Backup]:
    start = datetime(2026, 11, 22, 3, tzinfo=UTC)
    return [
        Backup(id=uuid4(), created_at=start - timedelta(days=day), state=state, trigger=trigger)
        for day in days
    ]


@pytest.mark.parametrize(
    ("changes", "days"),
    [
        ({}, [0]),
        ({"keep_last": 3}, [0, 1, 2]),
        ({"keep_daily": 2}, [0, 1]),
        # 2026-11-22 is a Sunday: the weeks before end a week earlier each.
        ({"keep_weekly": 3}, [0, 7, 14]),
        ({"keep_monthly": 3}, [0, 22, 53]),
        ({"keep_last": 2, "keep_monthly": 2}, [0, 1, 22]),
    ],
)
def test_what_stays(changes: dict[str, int], days: list[int]) -> None:
    all_of_them = backups(list(range(90)))
    staying = kept(all_of_them, plan(**changes), UTC_ZONE)
    assert [day for day, backup in enumerate(all_of_them) if backup.id in staying] == days


def test_the_newest_good_one_always_stays() -> None:
    bad, good, by_hand = backups([0, 1, 2], "unverifiable"), backups([3, 4]), backups([5], trigger="manual")
    staying = kept([*bad, *good, *by_hand], plan(keep_last=2), UTC_ZONE)
    assert staying == {bad[0].id, bad[1].id, good[0].id, by_hand[0].id}
