"""Noting when a service begins, changes and ceases to be charged.

A service is metered from its first going live until it is stopped, suspended or deleted; while it is crashed
it holds its place, and is metered on. What it has beside its plan is metered while it is stopped, too.
Whoever changes a service calls `follow` in the same transaction: it compares what the service is with what
its meters say, so calling it too often changes nothing, and the event cannot differ from what happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.metering import meters
from backend.billing.metering.dao import EventDAO, MeterDAO, ServicesDAO
from backend.billing.metering.meters import Held
from backend.billing.metering.models import PLAN, UNITS, UsageEvent, UsageKind, UsageMeter
from backend.config import get_settings
from backend.database import now
from backend.services.models import Service, ServiceStatus

AT_ONCE = 200


async def follow(
    session: AsyncSession,
    service: Service,
    *,
    at: datetime | None = None,
    deployment_id: UUID | None = None,
    job_id: UUID | None = None,
) -> tuple[UsageEvent, ...]:
    """Note the present state of a service, whose row the caller holds, and of all that it has: its plan, its
    units, its add-ons. Gives the events that this made; none if nothing changed for its meters.

    Call it in the transaction that starts, stops, resizes, scales or deletes, or changes a volume, an address
    or whatever else is in `meters.SOURCES`. It writes what waits to be written, and reads the quantities.

    A clock that went back cannot turn the order of events: time stands still until it has caught up.
    """
    deleted = service.deleted_at is not None or service.status == ServiceStatus.DELETING
    await MeterDAO(session).flush()
    present = await MeterDAO(session).of_service(service.id)
    wanted = await meters.held(session, service, present)
    moment = whole(at or now())
    noted = []
    for name in sorted(wanted.keys() | present.keys()):
        meter, held = present.get(name), wanted.get(name)
        before = (meter.price_id, meter.quantity) if meter and meter.price_id else None
        if before == (held and (held.price_id, held.quantity)):
            continue
        if meter is None:
            meter = present[name] = await _first(session, service, name, moment)
        price_id = held.price_id if held else None
        kind = await _kind(session, meter.price_id, price_id, deleted=deleted)
        event = await write(
            session,
            meter,
            kind,
            price_id,
            max(moment, meter.changed_at),
            quantity=held.quantity if held else 0,
            deployment_id=deployment_id,
            job_id=job_id,
        )
        noted.append(event)
    await _keep_prices(session, service, present, wanted)
    return tuple(noted)


async def write(
    session: AsyncSession,
    meter: UsageMeter,
    kind: UsageKind,
    price_id: UUID | None,
    occurred_at: datetime,
    *,
    quantity: int = 1,
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
        quantity=quantity,
        occurred_at=occurred_at,
        deployment_id=deployment_id,
        job_id=job_id,
    )
    if occurred_at >= meter.changed_at:
        meter.price_id, meter.quantity, meter.changed_at = price_id, quantity, occurred_at
    meter.dirty_from = min(meter.dirty_from or occurred_at, occurred_at)
    await EventDAO(session).add(event)
    return event


async def catch_up(session: AsyncSession, at: datetime, after: UUID | None = None) -> tuple[int, UUID | None]:
    """Meter from now on what is not metered as it should be: how many that were, and where to go on.

    That is services of an installation that did not charge before, or does no more, and what somebody forgot
    to tell of.
    """
    enabled = get_settings().billing_enabled
    dao = ServicesDAO(session)
    services = await dao.astray(meters.METERED, meters.SOURCES, enabled, after, AT_ONCE)
    noted = [await follow(session, service, at=at) for service in services]
    return sum(bool(found) for found in noted), services[-1].id if services else None


def whole(moment: datetime) -> datetime:
    """To the second, downwards: so are all times of usage."""
    return moment - timedelta(microseconds=moment.microsecond)


async def _first(session: AsyncSession, service: Service, name: str, at: datetime) -> UsageMeter:
    meter = UsageMeter(
        service_id=service.id,
        meter=name,
        project_id=service.project_id,
        price_id=None,
        quantity=0,
        events=0,
        changed_at=at,
        metered_through=at,
        dirty_from=None,
    )
    await MeterDAO(session).add(meter)
    return meter


async def _keep_prices(
    session: AsyncSession, service: Service, known: Mapping[str, UsageMeter], wanted: Mapping[str, Held]
) -> None:
    """Who has some of an add-on keeps its price, suspended or not; who gave it up is no old customer."""
    idle = [meter for meter in known.values() if meter.kept_price_id and meter.meter not in wanted]
    has = await meters.quantities(session, service.id) if idle and service.deleted_at is None else {}
    for meter in idle:
        if meter.meter not in has:
            meter.kept_price_id = None
    for name, meter in known.items():
        if name in wanted and name not in (PLAN, UNITS):
            meter.kept_price_id = wanted[name].price_id
    await MeterDAO(session).flush()


async def _kind(
    session: AsyncSession, present: UUID | None, price_id: UUID | None, *, deleted: bool
) -> UsageKind:
    if price_id is None:
        return UsageKind.DELETED if deleted else UsageKind.STOPPED
    if present is None:
        return UsageKind.STARTED
    if present == price_id or not await MeterDAO(session).same_item(present, price_id):
        return UsageKind.RESIZED
    return UsageKind.REPRICED
