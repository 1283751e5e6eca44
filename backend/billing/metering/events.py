"""Noting when a service begins, changes and ceases to be charged.

A service is metered from its first going live until it is stopped, suspended or deleted; while it is crashed
it holds its place, and is metered on. Whoever changes a service calls `follow` in the same transaction: it
compares what the service is with what its meter says, so calling it too often changes nothing, and the event
cannot differ from what happened.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.metering.dao import EventDAO, MeterDAO, ServicesDAO
from backend.billing.metering.models import PLAN, UsageEvent, UsageKind, UsageMeter
from backend.config import get_settings
from backend.database import now
from backend.services.models import Service, ServiceStatus

METERED = (ServiceStatus.RUNNING, ServiceStatus.CRASHED)
AT_ONCE = 200


async def follow(
    session: AsyncSession,
    service: Service,
    *,
    at: datetime | None = None,
    deployment_id: UUID | None = None,
    job_id: UUID | None = None,
) -> UsageEvent | None:
    """Note the service's present state, whose row the caller holds; None if nothing changed for its meter.

    A clock that went back cannot turn the order of events: time stands still until it has caught up.
    """
    deleted = service.deleted_at is not None or service.status == ServiceStatus.DELETING
    price_id = service.price_id if is_metered(service) and get_settings().billing_enabled else None
    meter = await MeterDAO(session).of(service.id, PLAN)
    present = meter.price_id if meter else None
    if price_id == present:
        return None
    kind = await _kind(session, present, price_id, deleted=deleted)
    occurred_at = max(whole(at or now()), meter.changed_at if meter else datetime.min.replace(tzinfo=UTC))
    return await write(
        session,
        meter or await _first(session, service, occurred_at),
        kind,
        price_id,
        occurred_at,
        deployment_id=deployment_id,
        job_id=job_id,
    )


def is_metered(service: Service) -> bool:
    return (
        service.live_deployment_id is not None
        and service.should_run
        and service.status in METERED
        and service.deleted_at is None
    )


async def write(
    session: AsyncSession,
    meter: UsageMeter,
    kind: UsageKind,
    price_id: UUID | None,
    occurred_at: datetime,
    *,
    deployment_id: UUID | None = None,
    job_id: UUID | None = None,
) -> UsageEvent:
    """Append an event to a meter, whose row the caller holds. It may come late, before others: what was
    metered of them by then is corrected by the next run.
    """
    occurred_at = whole(occurred_at)
    meter.events += 1
    event = UsageEvent(
        service_id=meter.service_id,
        meter=meter.meter,
        number=meter.events,
        kind=kind,
        price_id=price_id,
        occurred_at=occurred_at,
        deployment_id=deployment_id,
        job_id=job_id,
    )
    if occurred_at >= meter.changed_at:
        meter.price_id, meter.changed_at = price_id, occurred_at
    meter.dirty_from = min(meter.dirty_from or occurred_at, occurred_at)
    await EventDAO(session).add(event)
    return event


async def catch_up(session: AsyncSession, at: datetime, after: UUID | None = None) -> tuple[int, UUID | None]:
    """Meter from now on what is not metered as it should be: how many that were, and where to go on.

    That is services of an installation that did not charge before, or does no more.
    """
    services = await ServicesDAO(session).astray(METERED, get_settings().billing_enabled, after, AT_ONCE)
    noted = [await follow(session, service, at=at) for service in services]
    return sum(event is not None for event in noted), services[-1].id if services else None


def whole(moment: datetime) -> datetime:
    """To the second, downwards: so are all times of usage."""
    return moment - timedelta(microseconds=moment.microsecond)


async def _first(session: AsyncSession, service: Service, at: datetime) -> UsageMeter:
    meter = UsageMeter(
        service_id=service.id,
        meter=PLAN,
        project_id=service.project_id,
        price_id=None,
        events=0,
        changed_at=at,
        metered_through=at,
        dirty_from=None,
    )
    await MeterDAO(session).add(meter)
    return meter


async def _kind(
    session: AsyncSession, present: UUID | None, price_id: UUID | None, *, deleted: bool
) -> UsageKind:
    if price_id is None:
        return UsageKind.DELETED if deleted else UsageKind.STOPPED
    if present is None:
        return UsageKind.STARTED
    same_plan = await MeterDAO(session).same_plan(present, price_id)
    return UsageKind.REPRICED if same_plan else UsageKind.RESIZED
