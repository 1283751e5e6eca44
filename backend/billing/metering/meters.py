"""What a service has that is measured, by meter, and what it pays for each.

Whoever keeps such things adds an entry to `SOURCES`, and calls `events.follow` when one of them changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Integer, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.backups import models as backups
from backend.billing.metering.dao import QuantityDAO, Source
from backend.billing.metering.models import PLAN, UNITS, UsageMeter
from backend.billing.prices import versions
from backend.billing.prices.versions import PriceVersion
from backend.config import get_settings
from backend.ports import models as ports
from backend.services.models import Desired, Service, ServiceProcess, ServiceStatus
from backend.volumes import models as volumes

METERED = (ServiceStatus.RUNNING, ServiceStatus.CRASHED)

_UNITS: Source = select(
    ServiceProcess.service_id,
    cast(
        func.sum(ServiceProcess.replicas) + case((func.bool_or(ServiceProcess.name == "web"), 0), else_=1),
        Integer,
    ),
).group_by(ServiceProcess.service_id)

SOURCES: dict[str, Source] = {
    UNITS: _UNITS,
    "volume": volumes.SOLD,
    "backup": backups.STORED_GIB,
    "address": ports.SOLD,
}
"""`UNITS`: how many units are wanted in all; a service without a row has one.
By the name of an add-on: how many of its unit, each volume's GiB rounded up for itself.
"""


@dataclass(frozen=True, slots=True)
class Held:
    price_id: UUID
    quantity: int


async def quantities(session: AsyncSession, service_id: UUID) -> dict[str, int]:
    """What the service has, whether it runs or not: `UNITS` in all, and add-ons of which it has some."""
    found = await QuantityDAO(session).of_service(SOURCES, service_id)
    return {UNITS: 1} | {meter: quantity for meter, quantity in found.items() if quantity > 0}


async def held(session: AsyncSession, service: Service, meters: dict[str, UsageMeter]) -> dict[str, Held]:
    """What is to be charged of the service from now on, by meter.

    The plan and further units cost while it runs. Add-ons are kept for it while it stands still too, and
    cost; but not while it is suspended, for what nobody can use should not deepen a debt.
    """
    if not is_kept(service) or service.price_id is None or not get_settings().billing_enabled:
        return {}
    paid = await versions.get(session, service.price_id)
    assert paid is not None
    has = await quantities(session, service.id)
    further = has.pop(UNITS) - 1
    found = {}
    if is_metered(service):
        found[PLAN] = Held(paid.id, 1)
        if further > 0:
            # A coupon lowers one of them, or it would be worth the more the larger the order.
            found[UNITS] = Held(paid.list_price_id, further)
    for addon_id, quantity in has.items():
        meter = meters.get(addon_id)
        price_id = await price_of(session, addon_id, paid, meter.kept_price_id if meter else None)
        if price_id is not None:
            found[addon_id] = Held(price_id, quantity)
    return found


async def price_of(
    session: AsyncSession, addon_id: str, paid: PriceVersion, kept: UUID | None
) -> UUID | None:
    """The version that the service has, or the one of today in the currency that it pays in; None if it is
    not sold in that one: then it costs nothing, as a plan does that nobody priced.
    """
    if kept is not None:
        return kept
    offered = await versions.offered_addon(session, addon_id, paid.currency)
    return offered.id if offered else None


def is_metered(service: Service) -> bool:
    """Whether its plan is charged."""
    return is_kept(service) and service.should_run and service.status in METERED


def is_kept(service: Service) -> bool:
    """Whether what it has beside its plan is charged."""
    return (
        service.live_deployment_id is not None
        and service.suspended_at is None
        and service.deleted_at is None
        and service.desired != Desired.DELETED
        and service.status != ServiceStatus.DELETING
    )
