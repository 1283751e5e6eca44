"""How a service wants its backups. The service's row is locked."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.values import differences
from backend.backups.asking import NO_TARGET
from backend.backups.dao import PlanDAO
from backend.backups.models import BackupPlan
from backend.backups.schemas import BackupPlanIn
from backend.backups.targets import target_of
from backend.config import Settings
from backend.cronjobs.schedule import Schedule, ScheduleError, zone_of
from backend.database import now
from backend.exceptions import Conflict, invalid_field
from backend.services.models import Service
from backend.services.trail import record_about

DEFAULTS: dict[str, Any] = {
    "schedule": "0 3 * * *",
    "time_zone": "UTC",
    "enabled": False,
    "stop_app": False,
    "command": "",
    "keep_last": 3,
    "keep_daily": 7,
    "keep_weekly": 4,
    "keep_monthly": 0,
}


async def put(session: AsyncSession, settings: Settings, service: Service, wanted: BackupPlanIn) -> None:
    """Raises `Invalid` per field."""
    if wanted.enabled and target_of(settings) is None:
        raise Conflict(NO_TARGET, code="not_supported_here")
    schedule = _schedule(settings, wanted)
    values = wanted.model_dump()
    dao = PlanDAO(session)
    plan = await dao.of(service.id)
    before = shown(plan)
    if plan is None:
        plan = BackupPlan(service_id=service.id, failures=0, **values)
        session.add(plan)
    for name, value in values.items():
        setattr(plan, name, value)
    changed = differences(before, values)
    if wanted.enabled and (changed or plan.next_run_at is None):
        plan.next_run_at = schedule.next(now())
    elif not wanted.enabled:
        plan.next_run_at, plan.failures = None, 0
    await dao.flush()
    if changed:
        action = Action.SERVICE_BACKUP_PLAN_CHANGED
        await record_about(session, service, action, before=changed[0], after=changed[1])


def shown(plan: BackupPlan | None) -> dict[str, Any]:
    return {name: getattr(plan, name) for name in DEFAULTS} if plan else dict(DEFAULTS)


def _schedule(settings: Settings, wanted: BackupPlanIn) -> Schedule:
    zone = zone_of(wanted.time_zone)
    if zone is None:
        raise invalid_field(["body", "time_zone"], "There is no such time zone.", "time_zone_unknown")
    try:
        schedule = Schedule(wanted.schedule, zone)
        schedule.check_interval(settings.backup_min_interval_seconds, now())
    except ScheduleError as error:
        seconds = {"seconds": settings.backup_min_interval_seconds}
        raise invalid_field(["body", "schedule"], str(error), error.code, seconds) from None
    return schedule
