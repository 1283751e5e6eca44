"""The letters of each step, to everyone who may pay: written with the step, so each goes out once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_date
from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.dunning.dao import PaidServiceDAO, PayerDAO
from backend.billing.dunning.judging import Position
from backend.billing.dunning.models import Stage
from backend.billing.ledger import standing
from backend.billing.money import formatted
from backend.config import Settings
from backend.mail import outbox
from backend.mail.catalogue import Channel, template_of
from backend.projects.models import Project

NAMED = 10
"""Services at most that a letter names."""


def due_for(before: Position, after: Position) -> list[str]:
    """Names of the templates that a step is told by."""
    names = []
    if before.stage is Stage.SUSPENDED and after.stage in (Stage.OK, Stage.WARNED, Stage.GRACE):
        names.append("services_resumed")
    if after.stage is Stage.WARNED and _warned_anew(before, after):
        names.append("money_low")
    if after.stage is not before.stage:
        begun = {
            Stage.GRACE: "money_out",
            Stage.SUSPENDED: "services_suspended",
            Stage.TERMINATED: "services_terminated",
        }
        names += [name for stage, name in begun.items() if stage is after.stage]
    elif after.stage is Stage.SUSPENDED and after.noticed_days != before.noticed_days:
        names.append("services_ending")
    return names


def _warned_anew(before: Position, after: Position) -> bool:
    """For fewer days than before, or for the first time."""
    if before.stage is not Stage.WARNED or before.warned_days is None:
        return True
    return after.warned_days is not None and after.warned_days < before.warned_days


async def write(
    session: AsyncSession,
    settings: Settings,
    project_id: UUID,
    names: list[str],
    until: datetime | None,
) -> None:
    """`until` is the date that they tell of; none if nothing more will happen by itself."""
    project = await session.get(Project, project_id)
    assert project is not None
    own = (await standing.of(session, project_id))[0]
    services = _few(await PaidServiceDAO(session).names_of(project_id))
    zone = ZoneInfo(settings.billing_time_zone)
    for payer in await PayerDAO(session).of(project_id):
        values: dict[str, str | int] = {
            "name": payer.name,
            "project": project.name,
            "services": services,
            "balance": formatted(own.balance + own.due, own.currency, payer.locale),
            "due": formatted(-own.due, own.currency, payer.locale),
            "date": _date(until, zone, payer.locale),
            "url": f"{settings.panel_url}/billing",
        }
        for name in names:
            given = {key: values[key] for key in template_of(name, Channel.EMAIL).sample}
            await outbox.write(session, name, to=payer.email, locale=payer.locale, user_id=payer.id, **given)


def _few(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")


def _date(at: datetime | None, zone: ZoneInfo, locale: str) -> str:
    return format_date(at.astimezone(zone).date(), "long", locale=locale) if at is not None else ""
