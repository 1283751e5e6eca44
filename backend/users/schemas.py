"""What comes in and goes out about users."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from backend.users import passwords
from backend.users.emails import MAX_LENGTH as EMAIL_LENGTH


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("control characters are not allowed")
    return value


def _no_nul(value: SecretStr) -> SecretStr:
    if "\0" in value.get_secret_value():
        raise ValueError("NUL characters are not allowed")
    return value


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(_printable),
    Field(description="How to address the person.", examples=["Ada Lovelace"]),
]
Locale = Annotated[Literal["en", "ru"], Field(description="Language of the panel and of letters.")]
Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=EMAIL_LENGTH),
    AfterValidator(_printable),
    Field(json_schema_extra={"format": "email"}, examples=["ada@example.com"]),
]
Password = Annotated[
    SecretStr,
    Field(
        min_length=passwords.MIN_LENGTH,
        max_length=passwords.MAX_LENGTH,
        description="Long rather than complicated; the commonest ones are refused.",
        examples=["a lighthouse on a foggy quay"],
    ),
    AfterValidator(_no_nul),
]


class Registration(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"email": "ada@example.com", "password": "a lighthouse on a foggy quay"}]
        },
    )

    email: Email
    password: Password
    name: Name | None = Field(default=None, description="The part of the e-mail before the @ if left out.")
    locale: Locale = "en"


class UserAnswer(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    name: str
    locale: str
    created_at: datetime
