"""Cron jobs over the API: what is refused and why, other people's, by hand, and what deployments take."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from tests.cronjobs.conftest import Pier
from tests.services.conftest import refused
from tests.support.people import UserFactory


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"schedule": "61 * * * *"}, "schedule_invalid", "schedule"),
        ({"schedule": "@reboot"}, "schedule_invalid", "schedule"),
        ({"schedule": "0 0 30 2 *"}, None, "schedule"),
        ({"schedule": "x" * 101}, "string_too_long", "schedule"),
        ({"time_zone": "Mars/Base"}, "time_zone_unknown", "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone_unknown", "time_zone"),
        ({"timeout_seconds": 3601}, "timeout_too_long", "timeout_seconds"),
        ({"timeout_seconds": 0}, None, "timeout_seconds"),
        ({"timeout_seconds": "60"}, None, "timeout_seconds"),
        ({"command": " \n "}, None, "command"),
        ({"command": "a\x00b"}, None, "command"),
        ({"command": "x" * 4001}, "string_too_long", "command"),
        ({"name": "two\nlines"}, None, "name"),
        ({"name": ""}, None, "name"),
        ({"overlap": "panic"}, None, "overlap"),
        ({"enabled": "yes"}, None, "enabled"),
        ({"surprise": 1}, None, "surprise"),
    ],
)
async def test_what_does_not_fit_names_its_field(
    pier: Pier, changes: dict[str, Any], code: str | None, field: str
) -> None:
    answer = await pier.try_to_add(**changes)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["loc"] == ["body", field]
    if code:
        assert answer.json()["errors"][0]["code"] == code


async def test_names_and_number_are_limited(pier: Pier) -> None:
    first = await pier.add(name="Прилив 🌊", command="echo 'й'\necho \"$X\"")
    assert first["name"] == "Прилив 🌊"
    refused(await pier.try_to_add(name="Прилив 🌊"), "cron_job_name_taken", "body", "name")
    other = await pier.add(name="Ebb")
    answer = await pier.ask("PATCH", f"/cron-jobs/{other['id']}", {"name": "Прилив 🌊"})
    refused(answer, "cron_job_name_taken", "body", "name")
    answers = await asyncio.gather(*(pier.try_to_add(name=f"Job {number}") for number in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] * 18 + [409] * 2
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"cron_job_limit"}


async def test_changing_plans_the_next_time_anew(pier: Pier) -> None:
    job = await pier.add(schedule="30 3 * * *")
    assert job["next_run_at"].endswith("03:30:00Z")
    path = f"/cron-jobs/{job['id']}"
    off = (await pier.ask("PATCH", path, {"enabled": False})).json()
    assert off["next_run_at"] is None
    moved = (await pier.ask("PATCH", path, {"enabled": True, "time_zone": "Asia/Kolkata"})).json()
    assert moved["next_run_at"].endswith("22:00:00Z")
    refused(await pier.ask("PATCH", path, {"schedule": "* * *"}), "schedule_invalid", "body", "schedule")
    assert (await pier.ask("PATCH", path, {"schedule": None})).status_code == 422
    times = await pier.got("/cron-schedules?schedule=30%203%20*%20*%20*&time_zone=Asia/Kolkata")
    assert times["times"][0] == moved["next_run_at"]
    assert len(times["times"]) == 5


async def test_by_hand_once_and_called_off(pier: Pier) -> None:
    job = await pier.add(enabled=False, command="print by hand", overlap="queue")
    path = f"/cron-jobs/{job['id']}/runs"
    key = {"Idempotency-Key": "tide-1"}
    first, again = [await pier.ask("POST", path, **key) for _ in range(2)]
    assert (first.status_code, first.json()["id"]) == (201, again.json()["id"])
    assert first.json()["trigger"] == "manual"
    second = (await pier.ask("POST", path)).json()
    cancelled = await pier.ask("POST", f"/cron-runs/{second['id']}/cancel")
    assert (cancelled.json()["state"], cancelled.json()["reason_code"]) == ("cancelled", "cron_cancelled")
    answer = await pier.ask("POST", f"/cron-runs/{second['id']}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "cron_run_over")
    answer = await pier.ask("DELETE", f"/cron-jobs/{job['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "cron_job_runs")
    await pier.work()
    assert await pier.states(job) == ["cancelled", "succeeded"]
    assert (await pier.ask("DELETE", f"/cron-jobs/{job['id']}")).status_code == 204
    assert (await pier.ask("GET", f"/cron-runs/{second['id']}")).status_code == 404


async def test_somebody_elses_is_not_there(pier: Pier, user_factory: UserFactory) -> None:
    job = await pier.add(overlap="queue")
    run = (await pier.ask("POST", f"/cron-jobs/{job['id']}/runs")).json()
    stranger = await user_factory()
    for method, path in (
        ("GET", f"/services/{pier.service_id}/cron-jobs"),
        ("POST", f"/services/{pier.service_id}/cron-jobs"),
        *((method, f"/cron-jobs/{job['id']}") for method in ("GET", "PATCH", "DELETE")),
        *((method, f"/cron-jobs/{job['id']}/runs") for method in ("GET", "POST")),
        ("GET", f"/cron-runs/{run['id']}"),
        ("GET", f"/cron-runs/{run['id']}/log"),
        ("POST", f"/cron-runs/{run['id']}/cancel"),
        ("GET", f"/cron-runs/{uuid4()}"),
    ):
        body = {"name": "x", "schedule": "* * * * *", "command": "x"} if method == "POST" else {}
        answer = await pier.harbour.client.request(
            method, f"/api/v1{path}", json=body, headers=stranger.headers
        )
        assert answer.status_code == 404, (method, path, answer.text)


async def test_the_release_command_is_a_setting_that_deployments_take_with_them(pier: Pier) -> None:
    path = f"/services/{pier.service_id}"
    answer = await pier.ask("PATCH", path, {"release_command": "  python manage.py migrate\n"})
    assert answer.json()["release_command"] == "python manage.py migrate"
    await pier.harbour.deploy()
    row = await pier.harbour.row(pier.harbour.made[-1])
    assert (row.release_command, row.release_began_at) == ("python manage.py migrate", None)
    back = (await pier.harbour.roll_back(pier.harbour.made[0])).json()["deployment_id"]
    assert (await pier.harbour.row(back)).release_command is None
    assert (await pier.ask("PATCH", path, {"release_command": None})).json()["release_command"] is None
    assert (await pier.ask("PATCH", path, {"release_command": "a\x1bb"})).status_code == 422
    async with pier.database.transaction() as session:
        recorded = await session.execute(
            text("SELECT count(*) FROM audit_events WHERE after::text LIKE '%release_command%'")
        )
        assert recorded.scalar_one() == 2
