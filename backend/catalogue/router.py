"""What can be ordered, for everyone to see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter

from backend.billing.metering.models import TRAFFIC
from backend.billing.prices import versions
from backend.billing.prices.versions import PriceVersion
from backend.catalogue import loading, schemas
from backend.context import PartsDep, SessionDep

router = APIRouter(prefix="/api/v1", tags=["catalogue"])


@router.get("/plans", operation_id="plans_list", summary="Plans", response_model=schemas.Plans)
async def plans(session: SessionDep, parts: PartsDep) -> dict[str, Any]:
    """How much a service may take, and its prices per month. What it comes to with discounts and taxes is
    told by `orders_preview`.
    """
    prices = await versions.all_offered(session)
    currency = parts.settings.currency
    items = await loading.Plans(session).offered()
    return {"items": [plan | _priced(prices.get(plan["id"], []), currency) for plan in items]}


def _priced(prices: Sequence[PriceVersion], currency: str) -> dict[str, Any]:
    shown = versions.shown_in(currency, prices)
    return {
        "price_minor": shown.month_minor if shown else None,
        "currency": shown.currency if shown else None,
        "prices": [
            {"currency": one.currency, "month_minor": one.month_minor, "setup_minor": one.setup_minor}
            for one in prices
        ],
    }


@router.get("/addons", operation_id="addons_list", summary="Add-ons", response_model=schemas.Addons)
async def addons(session: SessionDep, parts: PartsDep) -> dict[str, Any]:
    """What a service may have beside its plan, and what one unit of it costs."""
    prices = await versions.all_offered(session)
    items = []
    for addon in await loading.Addons(session).offered():
        offered = prices.get(addon["id"], [])
        shown = versions.shown_in(parts.settings.currency, offered)
        items.append(
            addon
            | {
                "per": "unit" if addon["id"] == TRAFFIC else "month",
                "price_minor": shown.month_minor if shown else None,
                "currency": shown.currency if shown else None,
                "prices": [{"currency": one.currency, "unit_minor": one.month_minor} for one in offered],
            }
        )
    return {"items": items}


@router.get(
    "/templates", operation_id="templates_list", summary="Templates", response_model=schemas.Templates
)
async def templates(session: SessionDep, parts: PartsDep) -> dict[str, Any]:
    """What a service can be made from, public examples among them."""
    offered = await loading.Templates(session).offered()
    return {
        "items": offered,
        "apps_url": parts.settings.apps_url,
        "abilities": sorted(parts.engine.abilities),
    }
