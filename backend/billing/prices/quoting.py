"""What something would cost, before anybody decides: the same numbers that the order will hold."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.ledger import standing
from backend.billing.prices import beside, offers, purchase, tax, versions
from backend.billing.prices.offers import Offer
from backend.config import get_settings
from backend.services.models import Service


async def of_order(
    session: AsyncSession, project_id: UUID, user_id: UUID, plan_id: str, code: str | None
) -> dict[str, Any]:
    """Raises `Invalid` as the order would."""
    offer = await offers.for_order(session, project_id, user_id, plan_id, code, where="query")
    return await _quote(session, project_id, offer, offer.month_gross + offer.setup_gross, setup=True)


async def of_plan(session: AsyncSession, service: Service, plan_id: str) -> dict[str, Any]:
    """Of a service that has another plan, or the same. Raises `Conflict` as the change would."""
    offer, held, freed = await purchase.needed(session, service, plan_id)
    setup = service.live_deployment_id is None
    return await _quote(session, service.project_id, offer, held, freed, setup=setup)


async def _quote(
    session: AsyncSession, project_id: UUID, offer: Offer, held: int, freed: int = 0, *, setup: bool
) -> dict[str, Any]:
    currency, treatment = offer.listed.currency, offer.treatment
    (present,) = await standing.of(session, project_id, currency)
    charged = get_settings().billing_enabled
    held, freed = (held, freed) if charged else (0, 0)
    month_net, month_tax = tax.split(offer.month_minor, treatment)
    setup_minor = offer.setup_minor if setup else 0
    setup_net, setup_tax = tax.split(setup_minor, treatment)
    return {
        "charged": charged,
        "plan_id": offer.listed.plan_id,
        "currency": currency,
        "hour_minor_decimal": versions.per_hour(offer.month_minor),
        "hour_total_minor_decimal": versions.per_hour(month_net + month_tax),
        "month_minor": offer.month_minor,
        "month_list_minor": offer.listed.month_minor,
        "beside_minor": offer.beside_minor,
        "month_tax_minor": month_tax,
        "month_total_minor": month_net + month_tax,
        "setup_minor": setup_minor,
        "setup_list_minor": offer.listed.setup_minor if setup else 0,
        "setup_tax_minor": setup_tax,
        "setup_total_minor": setup_net + setup_tax,
        "tax": {
            "code": treatment.code,
            "rate_millionths": treatment.rate_millionths,
            "included": treatment.mode == "inclusive",
            "country": treatment.country,
        },
        "coupon": offer.coupon and {"code": offer.coupon.code, "months": offer.coupon.months},
        "held_minor": held,
        "freed_minor": freed,
        "balance_minor": present.balance,
        "available_minor": present.available,
        "balance_after_minor": present.balance - held + freed,
        "missing_minor": max(0, held - present.available),
    }


async def of_addition(session: AsyncSession, service: Service, item: str, quantity: int) -> dict[str, Any]:
    """Of so much more of an add-on, or of so many more units. Raises `Conflict` as `purchase.add` would."""
    offer, lacking = await purchase.addition(session, service, item, quantity)
    price = await beside.price_of(session, service, offer.listed, item)
    month_minor = price.month_minor * quantity
    net, taxes = tax.split(month_minor, offer.treatment)
    (present,) = await standing.of(session, service.project_id, price.currency)
    charged = get_settings().billing_enabled
    held = lacking if charged else 0
    return {
        "charged": charged,
        "item": item,
        "quantity": quantity,
        "currency": price.currency,
        "unit_minor": price.month_minor,
        "hour_minor_decimal": versions.per_hour(month_minor),
        "month_minor": month_minor,
        "month_tax_minor": taxes,
        "month_total_minor": net + taxes,
        "held_minor": held,
        "balance_minor": present.balance,
        "available_minor": present.available,
        "balance_after_minor": present.balance - held,
        "missing_minor": max(0, held - present.available),
    }
