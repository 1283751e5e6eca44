"""Writing a letter or a text message in the transaction of the change that it tells of.

The row is the outbox: it is published right after the commit, the relay finds what was not, and the
`email` queue sends it. The broker carries the row's id only.
"""

from __future__ import annotations

from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import get_settings
from backend.database import now
from backend.jobs.publisher import publish_later
from backend.mail.catalogue import Channel, Values, known_locale, template_of
from backend.mail.dao import LetterDAO
from backend.mail.models import Letter
from backend.utils.crypto import Vault
from backend.utils.ids import new_id

PURPOSE = "letter"
SEND = "letters.send"
QUEUE = "email"


async def write(
    session: AsyncSession,
    template: str,
    /,
    *,
    to: str,
    locale: str,
    user_id: UUID | None = None,
    **values: str | int,
) -> UUID:
    """Queue a letter to an e-mail address; its values are those that `backend.mail.catalogue` declares."""
    return await _queue(session, Channel.EMAIL, template, to, locale, user_id, values)


async def write_sms(
    session: AsyncSession,
    template: str,
    /,
    *,
    to: str,
    locale: str,
    user_id: UUID | None = None,
    **values: str | int,
) -> UUID:
    """Queue a text message to a telephone number (E.164)."""
    return await _queue(session, Channel.SMS, template, to, locale, user_id, values)


async def _queue(
    session: AsyncSession,
    channel: Channel,
    template: str,
    to: str,
    locale: str,
    user_id: UUID | None,
    values: Values,
) -> UUID:
    template_of(template, channel).check(values)
    letter_id = new_id()
    letter = Letter(
        id=letter_id,
        channel=channel,
        template=template,
        locale=known_locale(locale),
        recipient=to,
        user_id=user_id,
        content=seal(letter_id, values),
    )
    publish_soon(session, letter)
    await LetterDAO(session).add(letter)
    return letter_id


def publish_soon(session: AsyncSession, letter: Letter) -> None:
    """Give it to the broker once the session's transaction has committed."""
    letter.published_at = now()
    publish_later(session, SEND, letter.id, QUEUE)


def seal(letter_id: UUID, values: Values) -> str:
    return _vault().seal(orjson.dumps(values).decode(), str(letter_id))


def unseal(letter_id: UUID, content: str) -> Values:
    """Raises `SealBroken` when it was sealed with another key."""
    values: Values = orjson.loads(_vault().open(content, str(letter_id)))
    return values


def _vault() -> Vault:
    return Vault(get_settings().master_key, PURPOSE)
