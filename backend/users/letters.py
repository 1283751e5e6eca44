"""Letters to a user, in their language and by their name."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.mail import outbox
from backend.users.models import User


async def write_to(session: AsyncSession, user: User, template: str, **values: str | int) -> UUID:
    """Queue a letter to the account's address; `values` are the template's beside `name`."""
    return await outbox.write(
        session, template, to=user.email, locale=user.locale, user_id=user.id, name=user.name, **values
    )
