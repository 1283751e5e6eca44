"""What orders and changes of plan do to the money: held when accepted, charged once live, else released.

Every function is part of the change that calls it, in its transaction and under the service's lock, so that
after a crash either both are there or neither. Locks are taken in one order, here and in metering: service,
coupon, hold, the project's accounts. Why it is so: `docs/decisions/0025-prices-and-holds.md`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.ledger import moves, standing
from backend.billing.ledger.about import About
from backend.billing.ledger.funds import InsufficientFunds
from backend.billing.prices import beside, coupons, holds, offers, tax, versions
from backend.billing.prices.dao import CouponDAO, HoldDAO, RedemptionDAO
from backend.billing.prices.models import OrderHold
from backend.billing.prices.months import months_later
from backend.billing.prices.offers import Offer
from backend.billing.prices.versions import PriceVersion
from backend.config import get_settings
from backend.database import Database
from backend.exceptions import Conflict
from backend.services.models import Service


async def place(session: AsyncSession, service: Service, user_id: UUID | None, offer: Offer) -> None:
    """A new service pays the offered price from now on, and holds set-up fee and first period.

    Raises `Conflict` (`insufficient_funds`).
    """
    if offer.coupon is not None and user_id is not None:
        redemption = await coupons.redeem(session, offer.coupon, service, user_id)
        price = await coupons.agree(session, offer.listed, redemption, offer.coupon)
        service.price_id = price.id
    else:
        service.price_id = offer.listed.id
    await HoldDAO(session).flush()
    if get_settings().billing_enabled:
        await _hold(session, service, None, offer, offer.month_gross, offer.setup_gross)


async def secure(session: AsyncSession, service: Service, plan_id: str) -> None:
    """Before a deployment with that plan is accepted: hold what it needs and lacks.

    A service that never went live holds set-up fee and first period; one that did, what a month of a
    dearer plan costs more. Raises `Conflict`: `insufficient_funds`, or `plan_not_in_currency`.
    """
    paid = await versions.of_service(session, service.id)
    if service.live_deployment_id is not None and (paid is None or paid.plan_id == plan_id):
        return
    offer = await _sold(session, service, plan_id, paid)
    if get_settings().billing_enabled:
        hold = await HoldDAO(session).open_of(service.id)
        await _hold(session, service, hold, offer, *await _lacking(session, service, hold, offer, paid))


async def add(session: AsyncSession, service: Service, meter: str, more: int) -> None:
    """Before a service gets so much more of an add-on (by its name), or so many more units (`UNITS`): hold
    the first month of it, as for a dearer plan. Once it is given up, or did not come to be, call `settle`.

    A service of which nothing lives or is on its way holds it with its next deployment. Raises `Conflict`:
    `insufficient_funds`, or `addon_not_in_currency`.
    """
    offer, lacking = await addition(session, service, meter, more)
    hold = await HoldDAO(session).open_of(service.id)
    if get_settings().billing_enabled and lacking > 0:
        await _hold(session, service, hold, offer, lacking, 0)


async def addition(session: AsyncSession, service: Service, meter: str, more: int) -> tuple[Offer, int]:
    """What the service would pay with so much more, and how much `add` would hold for it."""
    paid = await versions.of_service(session, service.id)
    plan_id = paid.plan_id if paid and paid.plan_id else service.plan_id
    offer = await _sold(session, service, plan_id, paid)
    if get_settings().billing_enabled:
        await beside.price_of(session, service, offer.listed, meter)
    larger = await beside.month_of(session, service, offer.listed, {meter: more})
    offer = replace(offer, beside_minor=larger)
    hold = await HoldDAO(session).open_of(service.id, lock=False)
    if hold is None and service.live_deployment_id is None:
        return offer, 0
    lacking, _ = await _lacking(session, service, hold, offer, paid)
    return offer, lacking


async def ask_to_run(session: AsyncSession, service: Service) -> None:
    """Before a service that was live and stands still runs again: what it holds is not used up, or there is
    something left to pay with. Raises `Conflict` (`insufficient_funds`).
    """
    paid = await versions.of_service(session, service.id)
    if paid is None or paid.month_minor == 0 or not get_settings().billing_enabled:
        return
    hold = await HoldDAO(session).open_of(service.id, lock=False)
    if hold is not None and hold.remaining_minor > hold.setup_minor:
        return
    (present,) = await standing.of(session, service.project_id, paid.currency)
    if present.available == 0:
        raise InsufficientFunds(present, 1)


async def choose(session: AsyncSession, service: Service, plan_id: str) -> None:
    """Before another plan is chosen: `secure`, unless nothing of the service lives or is on its way. Then its
    next deployment will hold. Raises `Conflict` as that does.
    """
    if service.live_deployment_id is not None or await HoldDAO(session).open_of(service.id) is not None:
        await secure(session, service, plan_id)
    else:
        await _sold(session, service, plan_id, await versions.of_service(session, service.id))


async def needed(session: AsyncSession, service: Service, plan_id: str) -> tuple[Offer, int, int]:
    """What the service would pay with that plan, how much `secure` would hold for it, and how much `settle`
    would release once it is live.
    """
    paid = await versions.of_service(session, service.id)
    offer = await _sold(session, service, plan_id, paid)
    if service.live_deployment_id is not None and (paid is None or paid.plan_id == plan_id):
        return offer, 0, 0
    hold = await HoldDAO(session).open_of(service.id, lock=False)
    if hold is None or service.live_deployment_id is None:
        return offer, sum(await _lacking(session, service, hold, offer, paid)), 0
    spare = max(0, hold.remaining_minor - hold.setup_minor - offer.month_gross)
    return offer, sum(await _lacking(session, service, hold, offer, paid)), spare


async def settle(session: AsyncSession, service: Service) -> None:
    """After a deployment ended, a smaller plan was chosen, or something was given up: release what nothing
    needs any more.
    """
    dao = HoldDAO(session)
    await dao.flush()
    paid = await versions.of_service(session, service.id)
    hold = await dao.open_of(service.id)
    if hold is None:
        return
    coming = set(await dao.on_their_way(service.id))
    live = service.live_deployment_id is not None
    if not live and not coming:
        await holds.release(session, hold, service.name)
        return
    wanted = coming | {service.plan_id} | ({paid.plan_id} if live and paid and paid.plan_id else set())
    month = setup = 0
    for plan_id in sorted(wanted):
        offer = await offers.for_plan(session, service, plan_id, paid)
        if offer is not None:
            month, setup = max(month, offer.month_gross), max(setup, offer.setup_gross)
    setup = min(hold.setup_minor, 0 if live else setup)
    period = min(hold.remaining_minor - hold.setup_minor, month)
    spare = hold.remaining_minor - setup - period
    hold.covers_minor, hold.setup_minor = min(hold.covers_minor, month), setup
    await dao.flush()
    await holds.reduce(session, hold, spare, service.name)


async def went_live(session: AsyncSession, service: Service, plan_id: str, at: datetime) -> None:
    """A release of that plan is live from `at` on; called before the service says so.

    From here its price is paid. The first time, the set-up fee is charged and a coupon's months begin.
    """
    paid = await versions.of_service(session, service.id)
    if paid is None or paid.plan_id != plan_id:
        offer = await offers.for_plan(session, service, plan_id, paid)
        if offer is not None:
            service.price_id = await offers.price_of(session, offer)
            await HoldDAO(session).flush()
            paid = await versions.of_service(session, service.id)
    if service.live_deployment_id is not None:
        return
    await _begin_discount(session, service.id, at)
    if paid is not None and get_settings().billing_enabled:
        await _charge_setup(session, service, paid, at)


async def ended(session: AsyncSession, service: Service) -> None:
    """The service is deleted; called before it forgets that it was live.

    What one that was live still holds is released once its last second is charged: `release_ended`.
    """
    if service.live_deployment_id is not None:
        return
    await coupons.void(session, service.id)
    await settle(session, service)


async def release_ended(database: Database, until: datetime, *, but: Collection[UUID] = ()) -> int:
    """Release what deleted services hold whose usage up to that moment is charged; gives how many.
    Of projects named by `but` it is not.

    And what those hold that never lived, if the job whose failure should have released it broke off.
    """
    released = 0
    while True:
        async with database.transaction() as session:
            found = await HoldDAO(session).forgotten(until, but)
            if found is None:
                return released
            hold, name = found
            await holds.release(session, hold, name)
            released += 1


async def _sold(session: AsyncSession, service: Service, plan_id: str, paid: PriceVersion | None) -> Offer:
    offer = await offers.for_plan(session, service, plan_id, paid)
    if offer is None:
        raise Conflict("This plan is not sold in your currency.", code="plan_not_in_currency")
    return offer


async def _lacking(
    session: AsyncSession,
    service: Service,
    hold: OrderHold | None,
    offer: Offer,
    paid: PriceVersion | None,
) -> tuple[int, int]:
    """What the hold has to grow by, for the period and for the set-up fee."""
    live = service.live_deployment_id is not None
    covered = hold.covers_minor if hold else 0
    if live and paid is not None:
        now = paid.month_minor + await beside.month_of(session, service, paid)
        covered = max(covered, tax.gross(now, offer.treatment))
    setup = 0 if live else max(0, offer.setup_gross - (hold.setup_minor if hold else 0))
    return max(0, offer.month_gross - covered), setup


async def _hold(
    session: AsyncSession, service: Service, hold: OrderHold | None, offer: Offer, month: int, setup: int
) -> None:
    if month + setup > 0:
        hold = await holds.put(session, service, hold, offer.listed.currency, month + setup)
        hold.setup_minor += setup
    if hold is not None:
        hold.covers_minor = max(hold.covers_minor, offer.month_gross)
        await HoldDAO(session).flush()


async def _begin_discount(session: AsyncSession, service_id: UUID, at: datetime) -> None:
    redemption = await RedemptionDAO(session).of_service(service_id)
    if redemption is None or redemption.ends_at is not None:
        return
    coupon = await CouponDAO(session).get(redemption.coupon_id)
    assert coupon is not None
    if coupon.months is not None:
        redemption.ends_at = months_later(at, coupon.months)
        await RedemptionDAO(session).flush()


async def _charge_setup(session: AsyncSession, service: Service, paid: PriceVersion, at: datetime) -> None:
    dao = HoldDAO(session)
    hold = await HoldDAO(session).open_of(service.id)
    treatment = await tax.treatment_of(session, service.project_id, at)
    net, taxes = tax.split(paid.setup_minor, treatment)
    set_aside = hold.setup_minor if hold else 0
    drawn = min(set_aside, net + taxes)
    if hold is not None:
        # What was set aside for a dearer set-up stays for the first period.
        hold.setup_minor = 0
        hold.remaining_minor -= drawn
        await dao.flush()
    if net + taxes == 0:
        return
    about = About(
        kind="order",
        code="setup",
        parameters={
            "service": service.name,
            "plan": paid.plan_id,
            "tax_code": treatment.code,
            "tax_rate": treatment.rate_millionths,
            "tax_country": treatment.country,
        },
        service_id=service.id,
        source_type="price",
        source_id=paid.id,
        occurred_at=at,
    )
    key = f"setup:{service.id}"
    await moves.charge(
        session, service.project_id, paid.currency, net, taxes, key=key, from_held=drawn, about=about
    )
