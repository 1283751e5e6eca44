"""What administrators do about letters: see the templates, try a failed one again, write themselves one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.config import Settings
from backend.database import now
from backend.exceptions import Conflict, NotFound
from backend.mail import outbox
from backend.mail.catalogue import TEMPLATES
from backend.mail.dao import LetterDAO
from backend.mail.delivery import KEPT
from backend.mail.models import LetterState
from backend.mail.rendering import render
from backend.users.dao import UserDAO
from backend.users.letters import write_to

_SOMEBODY = "ada@example.com"


def templates() -> list[dict[str, Any]]:
    return [
        {"name": template.name, "channel": template.channel, "values": list(template.sample)}
        for template in TEMPLATES.values()
    ]


def preview(settings: Settings, name: str, locale: str) -> dict[str, Any]:
    template = TEMPLATES.get(name)
    if template is None:
        raise NotFound("There is no such template.")
    made = render(template, locale, template.sample, panel_url=settings.panel_url, recipient=_SOMEBODY)
    return {
        "name": name,
        "channel": template.channel,
        "locale": locale,
        "subject": made.subject,
        "text": made.text,
        "html": made.html,
    }


async def retry(session: AsyncSession, letter_id: UUID) -> None:
    """Queue a letter again that was given up while its content is there; it gets one more attempt."""
    dao = LetterDAO(session)
    letter = await dao.get_locked(letter_id)
    if letter is None:
        raise NotFound("There is no such letter.")
    if letter.state != LetterState.FAILED:
        raise Conflict("Only a letter that failed can be tried again.", code="letter_not_failed")
    if letter.content is None or letter.created_at < now() - KEPT:
        raise Conflict(
            "What was in this letter is erased, because its recipient was refused or because it is older "
            "than a day. Whoever needs it has to ask for a new one.",
            code="letter_erased",
        )
    letter.state, letter.due_at = LetterState.QUEUED, now()
    outbox.publish_soon(session, letter)
    await dao.flush()
    await trail.record(
        session,
        Action.LETTER_RETRIED,
        object_type="letter",
        object_id=letter.id,
        object_name=letter.template,
        after={"recipient": letter.recipient},
    )


async def write_test(session: AsyncSession, user_id: UUID) -> UUID:
    """A letter to whoever asks, to see whether letters arrive."""
    user = await UserDAO(session).get(user_id)
    if user is None:
        raise NotFound("There is no such user.")
    letter_id = await write_to(session, user, "test")
    await trail.record(
        session, Action.LETTER_TESTED, object_type="letter", object_id=letter_id, object_name="test"
    )
    return letter_id
