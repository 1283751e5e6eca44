"""How a service is scaled: accepting it. The work is in `work.py`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.values import differences
from backend.billing.metering import events as usage
from backend.billing.metering.models import UNITS
from backend.billing.prices import purchase
from backend.config import Settings
from backend.engines.scale import WEB
from backend.exceptions import invalid_field
from backend.jobs import queue
from backend.jobs.dao import JobDAO
from backend.jobs.models import Job, JobState
from backend.processes.dao import ProcessDAO
from backend.processes.schemas import ProcessesIn
from backend.processes.wanted import Bounds, commands_of, scale_bounds
from backend.services import lifecycle
from backend.services.dao import DeploymentDAO
from backend.services.models import Deployment, Service
from backend.services.trail import record_about

SCALE = "service.scale"


async def change(
    session: AsyncSession, settings: Settings, service: Service, user_id: UUID, wanted: ProcessesIn
) -> Job | None:
    """Replace what the service, whose row is locked, shall run. The job that makes it so at a release that
    serves; None where it is so, or nothing serves. Raises `Invalid` per field, and `Conflict`.
    """
    live = (
        await DeploymentDAO(session).get(service.live_deployment_id) if service.live_deployment_id else None
    )
    _check(wanted, live, await scale_bounds(session, settings, service.id))
    before = await _state(session, service)
    present = await _rows(session, service.id)
    rows = {one.name: (one.replicas, one.command or None) for one in wanted.processes}
    more = _count(rows) - _count(present)
    if more > 0:
        lifecycle.refuse_suspended(service)
        await lifecycle.refuse_unpaid(session, service)
        await purchase.add(session, service, UNITS, more)
    if _telling(rows) != _telling(present):
        await ProcessDAO(session).replace(service.id, _telling(rows))
    if wanted.restart_policy is not None:
        service.restart_policy = wanted.restart_policy
    await ProcessDAO(session).flush()
    changed = differences(before, await _state(session, service))
    if not changed:
        return None
    await record_about(session, service, Action.SERVICE_SCALED, before=changed[0], after=changed[1])
    await usage.follow(session, service)
    if more < 0:
        await purchase.settle(session, service)
    if live is None or not service.should_run or "replicas" not in changed[1]:
        return None
    return await accept(session, service, user_id)


async def accept(session: AsyncSession, service: Service, user_id: UUID | None) -> Job:
    """The job `service.scale`; the same one if it still waits, for it reads what is wanted when it begins."""
    for job in await JobDAO(session).open_of(service.id):
        if job.kind == SCALE and job.state == JobState.QUEUED and job.attempts == 0:
            return job
    return await queue.accept(
        session, SCALE, project_id=service.project_id, user_id=user_id, service_id=service.id
    )


def _check(wanted: ProcessesIn, live: Deployment | None, bounds: Bounds) -> None:
    found = commands_of(live) if live is not None else {}
    for at, process in enumerate(wanted.processes):
        where: list[str | int] = ["body", "processes", at]
        most = min(bounds.per_process, bounds.web) if process.name == WEB else bounds.per_process
        if process.replicas > most:
            message = f"At most {most} of it may run."
            raise invalid_field([*where, "replicas"], message, "too_many_replicas")
        named = process.name == WEB or process.command or process.name in found
        if process.replicas and live is not None and not named:
            message = "The live release has no process of this name: give a command."
            raise invalid_field([*where, "command"], message, "process_without_command")
    total = _count({one.name: (one.replicas, None) for one in wanted.processes})
    if not 1 <= total <= bounds.per_service:
        message = f"A service runs between 1 and {bounds.per_service} units."
        raise invalid_field(["body", "processes"], message, "too_many_units" if total else "no_units")


def _count(rows: dict[str, tuple[int, str | None]]) -> int:
    return sum(replicas for replicas, _ in {WEB: (1, None), **rows}.values())


def _telling(rows: dict[str, tuple[int, str | None]]) -> dict[str, tuple[int, str | None]]:
    """Those that say something else than having no row does."""
    return {name: row for name, row in rows.items() if row != (int(name == WEB), None)}


async def _rows(session: AsyncSession, service_id: UUID) -> dict[str, tuple[int, str | None]]:
    return {row.name: (row.replicas, row.command) for row in await ProcessDAO(session).of(service_id)}


async def _state(session: AsyncSession, service: Service) -> dict[str, Any]:
    """As the audit trail keeps it."""
    rows = {WEB: (1, None), **await _rows(session, service.id)}
    return {
        "restart_policy": service.restart_policy,
        "replicas": {name: replicas for name, (replicas, _) in sorted(rows.items()) if replicas},
        "commands": {name: command for name, (_, command) in sorted(rows.items()) if command},
    }
