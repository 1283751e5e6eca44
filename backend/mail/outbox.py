"""Writing a letter in the transaction of the change that it tells of; the `email` queue sends it later."""

from __future__ import annotations

from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import get_settings
from backend.mail.dao import LetterDAO
from backend.mail.models import Letter
from backend.utils.crypto import Vault
from backend.utils.ids import new_id

PURPOSE = "letter"


async def write(
    session: AsyncSession,
    template: str,
    *,
    to: str,
    locale: str,
    user_id: UUID | None = None,
    **values: str | int,
) -> UUID:
    """Queue a letter made of `template` in `locale` with these values."""
    letter_id = new_id()
    vault = Vault(get_settings().master_key, PURPOSE)
    content = vault.seal(orjson.dumps(values).decode(), str(letter_id))
    await LetterDAO(session).add(
        Letter(id=letter_id, template=template, locale=locale, recipient=to, user_id=user_id, content=content)
    )
    return letter_id
