"""Asking VIES about customers' VAT numbers: after they are given, and again once an answer is old.

What it says decides whether a number counts as made sure of. While it says nothing, all stays as it was: as
an administrator vouched for it, or as it last said.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.billing.countries import EU
from backend.billing.ledger.dao import ProfilesDAO
from backend.billing.ledger.models import BillingProfile
from backend.billing.prices.vatids import country_of
from backend.billing.vat import vies
from backend.billing.vat.dao import NumberDAO
from backend.billing.vat.vies import ViesAnswer, ViesUnavailable
from backend.config import Settings
from backend.database import Database, now
from backend.jobs.publisher import publish_later

CHECK = "billing.vat_check"
QUEUE = "billing"
AGAIN = timedelta(hours=1)
"""After it did not answer."""
AT_ONCE = 100
GIVES_UP = 3
"""So many silences in a row are an outage: the next run asks the others."""

Outcome = Literal["valid", "invalid", "unavailable", "changed"]


@dataclass(frozen=True, slots=True)
class Number:
    vat_id: str
    country: str


def asked_for(settings: Settings, profile: BillingProfile) -> Number | None:
    """The number to be asked about; none for countries whose numbers VIES does not know."""
    if not settings.vies_url or profile.vat_id is None or profile.country not in EU:
        return None
    if country_of(profile.vat_id) != profile.country:
        return None
    return Number(profile.vat_id, profile.country)


def forget(profile: BillingProfile) -> None:
    """What was said of another number."""
    profile.vat_asked_at = profile.vat_answered_at = None
    profile.vat_result = profile.vat_consultation = profile.vat_owner = None


def ask_soon(session: AsyncSession, settings: Settings, profile: BillingProfile) -> None:
    """Once the session's transaction has committed; should that be lost, the hourly run asks."""
    if asked_for(settings, profile) is not None:
        publish_later(session, CHECK, profile.project_id, QUEUE)


async def check(settings: Settings, database: Database, project_id: UUID) -> Outcome | None:
    """Ask about the number of a project; None if there is nothing to ask."""
    async with database.transaction() as session:
        profile = await ProfilesDAO(session).of(project_id)
        number = asked_for(settings, profile) if profile is not None else None
    if number is None:
        return None
    answer: ViesAnswer | None = None
    try:
        answer = await vies.ask(
            settings.vies_url, number.vat_id, settings.operator_vat_id, settings.gateway_timeout_seconds
        )
    except ViesUnavailable as error:
        logger.warning("VIES says nothing of the VAT number of project {}: {}", project_id, error)
    async with database.transaction() as session:
        return await _note(session, project_id, number, answer)


async def refresh(
    settings: Settings, database: Database, projects: Collection[UUID] | None = None
) -> dict[str, int]:
    """Ask about all numbers that nobody answered for, or too long ago; or about those of some projects."""
    counts: dict[str, int] = {}
    if not settings.vies_url:
        return counts
    before = _old(settings)
    async with database.transaction() as session:
        due = await NumberDAO(session).due(sorted(EU), before, now() - AGAIN, projects, AT_ONCE)
    silent = 0
    for project_id in due:
        outcome = await check(settings, database, project_id) or "changed"
        counts[outcome] = counts.get(outcome, 0) + 1
        silent = silent + 1 if outcome == "unavailable" else 0
        if silent == GIVES_UP:
            break
    return counts


def _old(settings: Settings) -> datetime:
    return now() - timedelta(days=settings.vies_recheck_days)


async def _note(
    session: AsyncSession, project_id: UUID, number: Number, answer: ViesAnswer | None
) -> Outcome:
    dao = ProfilesDAO(session)
    profile = await dao.of(project_id, locked=True)
    if profile is None or (profile.vat_id, profile.country) != (number.vat_id, number.country):
        return "changed"
    profile.vat_asked_at = now()
    if answer is None:
        await dao.flush()
        return "unavailable"
    before = profile.vat_id_checked
    profile.vat_result = "valid" if answer.valid else "invalid"
    profile.vat_answered_at = profile.vat_asked_at
    profile.vat_consultation, profile.vat_owner = answer.consultation, answer.owner
    profile.vat_id_checked = answer.valid
    await dao.flush()
    if before != answer.valid:
        await trail.record(
            session,
            Action.BILLING_TERMS_CHANGED,
            object_type="billing",
            object_id=project_id,
            project_id=project_id,
            before={"vat_id_checked": before},
            after={"vat_id_checked": answer.valid},
        )
    return "valid" if answer.valid else "invalid"
