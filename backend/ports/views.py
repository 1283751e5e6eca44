"""A service's public port as the API shows it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.prices import versions
from backend.config import Settings
from backend.ports.dao import PortDAO
from backend.ports.models import PublicPort
from backend.ports.opening import ADDON
from backend.services.models import Service


async def of_service(session: AsyncSession, settings: Settings, service: Service) -> dict[str, Any]:
    row = await PortDAO(session).of(service.id)
    return {
        "supported": settings.public_ports is not None and service.preview_of is None,
        "opened": shape(settings, row) if row else None,
        "price": await _price(session, settings, service),
    }


def shape(settings: Settings, row: PublicPort) -> dict[str, Any]:
    host = settings.public_address
    named = f"[{host}]" if ":" in host else host
    return {"port": row.port, "address": f"{named}:{row.port}", "created_at": row.created_at}


async def _price(session: AsyncSession, settings: Settings, service: Service) -> dict[str, Any] | None:
    """In the currency that the service pays in."""
    if not settings.billing_enabled or service.price_id is None:
        return None
    paid = await versions.get(session, service.price_id)
    offered = await versions.offered_addon(session, ADDON, paid.currency) if paid else None
    return {"month_minor": offered.month_minor, "currency": offered.currency} if offered else None
