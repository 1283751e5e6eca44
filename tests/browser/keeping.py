"""Backups as the API would tell of them: the stack of these tests has no place for any."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from playwright.async_api import Route, expect

from tests.browser.panel import Panel

MIB = 2**20
VOLUME = "0199c2d4-9f3e-7c51-b2a4-3d5e6f708194"
LONG = "lighthouse-keeper-and-fog-signal-control"
_PLAN = {
    "schedule": "30 3 * * 1-5",
    "time_zone": "America/Argentina/Buenos_Aires",
    "enabled": True,
    "stop_app": False,
    "command": "pg_dumpall --clean --if-exists --file /app/recordings/before-each-backup.sql",
    "keep_last": 3,
    "keep_daily": 7,
    "keep_weekly": 4,
    "keep_monthly": 12,
    "next_run_at": "2026-11-23T06:30:00Z",
    "failures": 2,
    "available": True,
    "kept_after_deletion_days": 30,
}
_NEVER = {"schedule": "0 3 * * *", "enabled": False, "next_run_at": None, "failures": 0, "command": ""}


def _backup(state: str, day: int, **changes: Any) -> dict[str, Any]:
    at, stored = f"2026-11-{day:02}T06:30:04Z", state in ("stored", "verified", "unverifiable")
    service = {"id": str(uuid5(UUID(VOLUME), "service")), "name": "harbour-radio", "deleted": False}
    return {
        "id": str(uuid5(UUID(VOLUME), f"{state} {day}")),
        "project_id": VOLUME,
        "project_name": "Harbour",
        "service_id": service["id"],
        "service": service,
        "volume_id": VOLUME,
        "volume_name": "recordings",
        "trigger": "schedule",
        "scheduled_for": at,
        "state": state,
        "target": "s3",
        "stopped": False,
        "stored_bytes": 318 * MIB if stored else None,
        "content_bytes": 1400 * MIB if stored else None,
        "entries": 2117 if stored else None,
        "checksum": "5e" * 32 if stored else None,
        "reason_code": None,
        "reason": None,
        "reason_parameters": None,
        "job_id": None,
        "created_at": at,
        "started_at": at,
        "finished_at": at if stored else None,
        "verified_at": at if state == "verified" else None,
        "expires_at": None,
    } | changes


_BACKUPS = [
    _backup("queued", 22),
    _backup("running", 21, trigger="manual", scheduled_for=None),
    _backup("failed", 20, reason_code="backup_command_failed", reason="The command failed."),
    _backup("stored", 19, reason_code="backup_untested", reason="Its test was cancelled."),
    _backup("verified", 18),
    _backup("verified", 17, stopped=True),
    _backup("unverifiable", 16, reason_code="backup_damaged", reason="It was changed or cut off."),
    _backup("cancelled", 15, reason_code="backup_cancelled", reason="It was cancelled."),
]
_GONE = _backup(
    "verified",
    12,
    service={"id": VOLUME, "name": LONG, "deleted": True},
    expires_at="2026-12-20T00:00:00Z",
    project_name="Harbour office of the northern breakwater and its lighthouses",
)
_RESTORE = {
    "id": VOLUME,
    "volume_name": "recordings",
    "state": "failed",
    "reason_code": "backup_damaged",
    "reason": "It was changed or cut off.",
    "created_at": "2026-11-22T09:00:00Z",
}
_OVERVIEW = {
    "target": "s3",
    "place": "https://objects.northern-breakwater.example.org/backups-of-the-harbour",
    "problem": "backup_target_refuses",
    "free_bytes": None,
    "second_key": True,
    **{"kept": 318, "verified": 291, "untested": 21, "damaged": 6, "failed": 17, "failing_services": 4},
    **{"stored_bytes": 271_000 * MIB, "outlived_bytes": 9_100 * MIB, "kept_after_deletion_days": 30},
    **{"last_verified_at": "2026-11-22T06:31:00Z", "last_failed_at": "2026-11-22T06:30:09Z"},
}


async def _answer(panel: Panel, pattern: str, body: Any) -> None:
    async def answer(route: Route) -> None:
        await route.fulfill(json=body)

    await panel.page.route(pattern, answer)


async def _service(panel: Panel, backups: list[dict[str, Any]], restores: list[Any], **plan: Any) -> None:
    await _answer(panel, "**/api/v1/services/*/backup-plan", _PLAN | plan)
    volume = {"id": VOLUME, "name": "recordings", "path": "/app/recordings", "removal_requested_at": None}
    await _answer(panel, "**/api/v1/services/*/volumes", {"items": [volume]})
    await _answer(panel, "**/api/v1/services/*/restores", {"items": restores})
    await _answer(panel, "**/api/v1/backups?*", {"items": backups, "next_page": None})
    await panel.page.reload()
    await expect(panel.part("backup-plan")).to_be_visible()


async def none_yet(panel: Panel) -> None:
    await _service(panel, [], [], **_NEVER)
    await expect(panel.part("no-backups")).to_be_visible()


async def several(panel: Panel) -> None:
    await _service(panel, _BACKUPS, [_RESTORE])
    await expect(panel.part("backup")).to_have_count(len(_BACKUPS))


async def restore(panel: Panel) -> None:
    await several(panel)
    await panel.part("restore").first.click()
    await expect(panel.part("restore-sheet")).to_be_visible()


async def bring(panel: Panel) -> None:
    await _service(panel, [_GONE, *_BACKUPS[4:6]], [])
    await panel.part("bring-backup").click()
    await expect(panel.part("bring-sheet")).to_be_visible()


async def schedule(panel: Panel) -> None:
    await several(panel)
    await panel.part("edit-plan").click()
    await expect(panel.part("plan-sheet")).to_be_visible()


async def of_everyone(panel: Panel) -> None:
    await _answer(panel, "**/api/v1/admin/backups/overview", _OVERVIEW)
    rows = {"items": [*_BACKUPS, _GONE], "next_page": None}
    await _answer(panel, "**/api/v1/admin/backups?*", rows)
    await panel.page.reload()
    await expect(panel.part("backup-row")).to_have_count(len(rows["items"] or ()))
