"""Who issues an invoice and to whom, as they are on the day: an issued invoice does not change with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.invoices.dao import InvoiceDAO
from backend.billing.ledger.dao import ProfilesDAO
from backend.config import Settings
from backend.mail.catalogue import DEFAULT_LOCALE, known_locale


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where an invoice goes, and in which language."""

    email: str
    name: str
    locale: str
    user_id: UUID | None


@dataclass(frozen=True, slots=True)
class Buyer:
    printed: dict[str, Any]
    country: str | None
    locale: str
    recipient: Recipient | None
    """None for a project whose owners are gone."""


def seller_of(settings: Settings) -> dict[str, Any]:
    return {
        "name": settings.operator_name or urlsplit(settings.panel_url).hostname or "",
        "address": list(settings.operator_address),
        "country": settings.operator_country,
        "vat_id": settings.operator_vat_id or None,
        "registration": settings.operator_registration or None,
    }


async def buyer_of(session: AsyncSession, project_id: UUID) -> Buyer:
    """By the project's billing details; who left them empty is called by the owner's name."""
    dao = InvoiceDAO(session)
    profile = await ProfilesDAO(session).of(project_id)
    payer = await dao.payer(project_id)
    project = await dao.project_name(project_id)
    chosen = profile.invoice_locale if profile else None
    locale = known_locale(chosen or (payer.locale if payer else DEFAULT_LOCALE))
    name = (profile and profile.name) or (payer and payer.name) or project
    email = (profile and profile.invoice_email) or (payer.email if payer else None)
    owner_id = payer.id if payer and email == payer.email else None
    return Buyer(
        printed={
            "name": name,
            "address": list(profile.address_lines) if profile else [],
            "country": profile.country if profile else None,
            "vat_id": profile.vat_id if profile else None,
            "email": email,
            "project": project,
        },
        country=profile.country if profile else None,
        locale=locale,
        recipient=Recipient(email, name, locale, owner_id) if email else None,
    )
