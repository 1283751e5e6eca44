"""Deployments of a stack that wait for others to be live.

Such a deployment is accepted with all the rest, so that its funds are held and it can be cancelled; only its
job is not due. The transaction that makes a needed service live makes it due.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from backend.database import now
from backend.engines.errors import Reason
from backend.jobs import queue
from backend.jobs.dao import JobDAO
from backend.jobs.models import Job
from backend.jobs.publisher import publish_later
from backend.services import lifecycle
from backend.services.dao import ServiceDAO
from backend.services.models import ENDED_BADLY, Deployment, Service
from backend.stacks.dao import StackServiceDAO

UNTIL_THEN = datetime(9000, 1, 1, tzinfo=UTC)
"""When a job is due that waits for another service."""
FAILED = Reason("needed_failed", "A service that it needs was not deployed, so it was left as it is.")
DROPPED = Reason("part_dropped", "The version of the template that the stack has now is without it.")


async def deploy(
    session: AsyncSession,
    stack_id: UUID,
    parts: Collection[str],
    user_id: UUID,
    trigger: str,
) -> list[tuple[Service, Deployment, Job]]:
    """Deploy these services of a stack, whose rows are locked, each once those that it needs are live."""
    made = []
    members = {member.part: member for member in await StackServiceDAO(session).of(stack_id)}
    services = {service.id: service for service in await StackServiceDAO(session).services(stack_id)}
    for part in [name for name in members if name in parts]:
        member, service = members[part], services[members[part].service_id]
        if trigger == "order":
            deployment, job = await lifecycle.accept_deployment(session, service, user_id, trigger)
        else:
            deployment, job = await lifecycle.deploy(session, service, user_id, trigger)
        needed = [services[members[name].service_id] for name in member.needs if name in members]
        if any(name in parts for name in member.needs) or any(
            one.live_deployment_id is None for one in needed
        ):
            job.run_at = UNTIL_THEN
        made.append((service, deployment, job))
    await JobDAO(session).flush()
    return made


async def went_live(session: AsyncSession, service: Service) -> None:
    """Part of the transaction that makes the service live: let those begin that waited for it, and for nobody
    else any more.
    """
    mine = await StackServiceDAO(session).get(service.id)
    if mine is None:
        return
    await ServiceDAO(session).flush()
    # Two that become live at once must not each find the other one not yet so.
    await StackServiceDAO(session).lock(f"stack:{mine.stack_id}")
    rows = {row.part: row for row in await StackServiceDAO(session).standings(mine.stack_id)}
    for row in rows.values():
        if mine.part not in row.needs or not is_waiting(row):
            continue
        others = [rows[name] for name in row.needs if name in rows and name != mine.part]
        if any(one.Service.live_deployment_id is None or is_waiting(one) for one in others):
            continue
        if any(one.job_id is not None and one.state not in ("live", "rolled_back") for one in others):
            continue
        for job in await JobDAO(session).open_of(row.Service.id):
            if job.run_at == UNTIL_THEN:
                job.run_at = now()
                await JobDAO(session).flush()
                publish_later(session, queue.RUN, job.id, job.queue)


async def failed(session: AsyncSession, service: Service) -> None:
    """A deployment failed. What runs and waited to be deployed after it is left as it is; what never ran goes
    on waiting until this is tried again.
    """
    mine = await StackServiceDAO(session).get(service.id)
    if mine is None:
        return
    for row in await StackServiceDAO(session).standings(mine.stack_id):
        if mine.part not in row.needs or not is_waiting(row) or row.Service.live_deployment_id is None:
            continue
        await ServiceDAO(session).get_locked(row.Service.id)
        await call_off(session, row.Service, FAILED)


async def call_off(session: AsyncSession, service: Service, why: Reason) -> None:
    """Of a service, whose row is locked, what waits for others."""
    for job in await JobDAO(session).open_of(service.id):
        if job.run_at == UNTIL_THEN:
            await queue.call_off(session, job)
            await lifecycle.called_off(session, job, why)


def is_waiting(row: Row[Any]) -> bool:
    return row.job_id is not None and row.run_at == UNTIL_THEN


def behind(row: Row[Any]) -> bool:
    """Whether its newest deployment did not go live, and nothing is on its way."""
    return row.job_id is None and (row.Service.live_deployment_id is None or row.state in ENDED_BADLY)
