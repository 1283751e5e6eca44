"""Letters as administrators see them: to whom, which and how it went; what is in them is nobody's to read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import func, select

from backend.dao.base import AnySelect
from backend.dao.listing import Listing, Sort, moment
from backend.mail.models import Letter, LetterState

ChannelName = Literal["email", "sms"]
LetterStateName = Literal["queued", "sending", "held", "sent", "failed"]
LocaleName = Literal["en", "ru"]


class LetterView(BaseModel):
    id: UUID
    channel: ChannelName
    template: str = Field(examples=["password_reset"])
    locale: LocaleName
    recipient: str = Field(
        description="An e-mail address or a telephone number.", examples=["ada@example.com"]
    )
    user_id: UUID | None
    state: LetterStateName = Field(
        description="`held`: there is no server to give it to; `sent`: the server took it."
    )
    attempts: int = Field(description="How often it was tried.")
    retryable: bool = Field(description="It failed, and what is in it is not erased yet.")
    subject: str | None = Field(description="Once it was sent; null for text messages.")
    message_id: str | None = Field(
        description="Its `Message-ID`, by which servers name it in their logs; null where there is none."
    )
    error_code: str | None = Field(
        description="Of the last attempt: `refused`, `put_off`, `not_reached`, `timed_out`, `not_admitted`, "
        "`not_trusted`, `not_supported`, `bad_address`, `not_readable`, `not_rendered`, `sender_lost`; "
        "`too_old` for what was not sent within a day."
    )
    error: str | None = Field(description="The server's own words.")
    due_at: datetime = Field(description="When it is tried (again).")
    created_at: datetime
    sent_at: datetime | None


class LetterTemplate(BaseModel):
    name: str = Field(examples=["password_reset"])
    channel: ChannelName
    values: list[str] = Field(description="Names of what it is given.")


class LetterTemplates(BaseModel):
    items: list[LetterTemplate]


class Preview(BaseModel):
    """A template, filled with example values."""

    name: str = Field(examples=["password_reset"])
    channel: ChannelName
    locale: LocaleName
    subject: str | None = Field(description="Null for text messages.")
    text: str = Field(description="The letter as plain text, or the text message.")
    html: str | None = Field(description="The letter as a page; null for text messages.")


_PLAIN = (
    "id",
    "channel",
    "template",
    "locale",
    "recipient",
    "user_id",
    "state",
    "attempts",
    "subject",
    "message_id",
    "error_code",
    "error",
    "due_at",
    "created_at",
    "sent_at",
)


def select_letters() -> AnySelect:
    return select(*(getattr(Letter, name) for name in _PLAIN), Letter.content.is_(None).label("erased"))


def shape_letter(row: Mapping[str, Any]) -> dict[str, Any]:
    shaped = {name: row[name] for name in _PLAIN}
    shaped["retryable"] = row["state"] == LetterState.FAILED and not row["erased"]
    return shaped


LETTERS = Listing(
    select_letters(),
    id_column=Letter.id,
    filters={
        "state": lambda value: Letter.state == value,
        "template": lambda value: Letter.template == value,
        "channel": lambda value: Letter.channel == value,
        "recipient": lambda value: func.strpos(Letter.recipient, func.lower(value)) > 0,
    },
    sorts={"created_at": Sort(Letter.created_at, moment)},
    shape=shape_letter,
)


def letter_of(letter_id: UUID) -> AnySelect:
    return select_letters().where(Letter.id == letter_id)
