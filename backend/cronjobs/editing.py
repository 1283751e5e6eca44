"""Cron jobs as their customers make, change and delete them. The service's row is locked."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.trail import record
from backend.audit.values import differences
from backend.config import Settings
from backend.cronjobs import runs
from backend.cronjobs.dao import CronJobDAO, CronRunDAO
from backend.cronjobs.models import CronJob
from backend.cronjobs.schedule import Schedule, ScheduleError, zone_of
from backend.cronjobs.scheduling import dispatch, runs_at_all
from backend.cronjobs.schemas import CronJobIn, CronJobPatch
from backend.database import now
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.oauth.identity import Principal
from backend.roles.permissions import DEPLOYMENTS_WRITE
from backend.services import lifecycle
from backend.services.models import Service
from backend.utils.ids import new_id

_SHOWN = (
    *("name", "schedule", "time_zone", "command", "overlap"),
    *("timeout_seconds", "enabled", "catch_up", "notify"),
)
PREVIEWED = 5


async def locked(session: AsyncSession, principal: Principal, cron_job_id: UUID) -> tuple[CronJob, Service]:
    """With its service, both under lock. 404 for what is not theirs, 403 when their role is not enough."""
    dao = CronJobDAO(session)
    found = await dao.readable(cron_job_id, tuple(principal.projects))
    if found is None:
        raise NotFound("There is no such cron job.")
    service = await lifecycle.locked(session, found.service_id, principal, DEPLOYMENTS_WRITE)
    cron_job = await dao.get_locked(cron_job_id)
    if cron_job is None:
        raise NotFound("There is no such cron job.")
    return cron_job, service


async def create(session: AsyncSession, settings: Settings, service: Service, wanted: CronJobIn) -> CronJob:
    """Raises `Invalid` per field, and `Conflict` for one too many."""
    dao = CronJobDAO(session)
    limit = settings.cron_jobs_per_service
    if await dao.count_of(service.id) >= limit:
        raise Conflict(f"A service can have at most {limit} cron jobs.", code="cron_job_limit")
    values = wanted.model_dump()
    cron_job = CronJob(id=new_id(), project_id=service.project_id, service_id=service.id, **values)
    await _check(session, settings, cron_job, values)
    _plan(cron_job)
    await dao.add(cron_job)
    await _record(session, cron_job, Action.CRON_JOB_CREATED, after=_shown(cron_job))
    return cron_job


async def change(session: AsyncSession, settings: Settings, cron_job: CronJob, wanted: CronJobPatch) -> None:
    before, given = _shown(cron_job), wanted.model_dump(exclude_unset=True)
    await _check(session, settings, cron_job, given)
    for name, value in given.items():
        setattr(cron_job, name, value)
    if given.keys() & {"schedule", "time_zone", "enabled"}:
        _plan(cron_job)
    await CronJobDAO(session).flush()
    if changed := differences(before, _shown(cron_job)):
        await _record(session, cron_job, Action.CRON_JOB_UPDATED, before=changed[0], after=changed[1])


async def delete(session: AsyncSession, cron_job: CronJob) -> None:
    """With its history. Raises `Conflict` while it runs: who cancels the run can delete it then."""
    if await CronRunDAO(session).open_of(cron_job.id):
        raise Conflict("It runs right now: cancel the run first.", code="cron_job_runs")
    await _record(session, cron_job, Action.CRON_JOB_DELETED, before=_shown(cron_job))
    await CronJobDAO(session).delete(cron_job.id)


async def run_now(
    session: AsyncSession, settings: Settings, cron_job: CronJob, service: Service, user_id: UUID
) -> UUID:
    """Enabled or not. Raises `Conflict` if the service stands still, or the overlap policy forbids it."""
    lifecycle.refuse_suspended(service)
    if not runs_at_all(service):
        raise Conflict("The service does not run: start or deploy it first.", code="service_not_running")
    run_id = await runs.ask_for(session, cron_job, user_id=user_id)
    await _record(session, cron_job, Action.CRON_JOB_RUN, after={"run_id": run_id})
    await dispatch(session, settings)
    return run_id


async def cancel_run(session: AsyncSession, principal: Principal, run_id: UUID) -> None:
    found = await CronRunDAO(session).readable(run_id, tuple(principal.projects))
    if found is None:
        raise NotFound("There is no such run.")
    cron_job, _ = await locked(session, principal, found.cron_job_id)
    run = await CronRunDAO(session).get_locked(run_id)
    if run is None or run.finished_at is not None:
        raise Conflict("The run is over.", code="cron_run_over")
    await runs.call_off(session, run, runs.CANCELLED)
    await _record(session, cron_job, Action.CRON_RUN_CANCELLED, after={"run_id": run_id})


def times(settings: Settings, expression: str, time_zone: str, loc: str = "query") -> list[Any]:
    """The next ones. Raises `Invalid` as a job with that schedule would."""
    schedule = _schedule(settings, {"schedule": expression, "time_zone": time_zone}, loc)
    return list(islice(schedule.after(now()), PREVIEWED))


def _schedule(settings: Settings, values: Mapping[str, Any], loc: str = "body") -> Schedule:
    zone = zone_of(values["time_zone"])
    if zone is None:
        raise invalid_field([loc, "time_zone"], "There is no such time zone.", "time_zone_unknown")
    try:
        schedule = Schedule(values["schedule"], zone)
        schedule.check_interval(settings.cron_min_interval_seconds, now())
    except ScheduleError as error:
        seconds = {"seconds": settings.cron_min_interval_seconds}
        raise invalid_field([loc, "schedule"], str(error), error.code, seconds) from None
    return schedule


async def _check(
    session: AsyncSession, settings: Settings, cron_job: CronJob, given: Mapping[str, Any]
) -> None:
    if given.keys() & {"schedule", "time_zone"}:
        names = ("schedule", "time_zone")
        _schedule(settings, {name: given.get(name, getattr(cron_job, name)) for name in names})
    longest = settings.cron_timeout_max_seconds
    if given.get("timeout_seconds", 0) > longest:
        message = f"A run may take at most {longest} seconds."
        raise invalid_field(["body", "timeout_seconds"], message, "timeout_too_long", {"seconds": longest})
    if "name" in given:
        with session.no_autoflush:
            other = await CronJobDAO(session).named(cron_job.service_id, given["name"])
        if other is not None and other.id != cron_job.id:
            message = "The service has a cron job of this name."
            raise invalid_field(["body", "name"], message, "cron_job_name_taken")


def _plan(cron_job: CronJob) -> None:
    """Its next time from now on: what was due before the change is nobody's business any more."""
    zone = zone_of(cron_job.time_zone)
    assert zone is not None
    cron_job.next_run_at = Schedule(cron_job.schedule, zone).next(now()) if cron_job.enabled else None


def _shown(cron_job: CronJob) -> dict[str, Any]:
    return {name: getattr(cron_job, name) for name in _SHOWN}


async def _record(session: AsyncSession, cron_job: CronJob, action: Action, **changes: Any) -> None:
    await record(
        session,
        action,
        object_type="cron_job",
        object_id=cron_job.id,
        object_name=cron_job.name,
        project_id=cron_job.project_id,
        **changes,
    )
