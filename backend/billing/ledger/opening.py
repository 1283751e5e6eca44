"""Credit with which somebody begins: given once, by whoever runs the installation, from the command line."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.billing.ledger import moves, standing
from backend.billing.ledger.about import About
from backend.billing.money import formatted
from backend.projects.dao import ProjectDAO
from backend.users.dao import UserDAO
from backend.users.emails import normalise


async def give(session: AsyncSession, email: str, minor: int) -> str | None:
    """How much the person's first project was given, in words; None if nobody, or it was given before."""
    normalised = normalise(email, reserved_domains=True)
    user = await UserDAO(session).by_email(normalised) if normalised else None
    projects = await ProjectDAO(session).of(user.id) if user is not None else []
    if not projects:
        return None
    project = projects[0]
    currency = await standing.currency_of(session, project.id)
    key, about = f"opening:{project.id}", About("manual", "opening")
    posted = await moves.bonus(session, project.id, currency, minor, key=key, about=about)
    if posted.repeated:
        return None
    await trail.record(
        session,
        Action.ADJUSTMENT_POSTED,
        object_type="adjustment",
        object_id=posted.transaction_id,
        project_id=project.id,
        after={"amount": minor, "currency": currency},
    )
    return formatted(minor, currency, "en")
