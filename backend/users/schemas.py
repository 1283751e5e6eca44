"""What comes in and goes out about users."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints
from pydantic_core import PydanticCustomError

from backend.users import passwords
from backend.users.emails import MAX_LENGTH as EMAIL_LENGTH

_PLACE = re.compile("(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)/")


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("control characters are not allowed")
    return value


def _no_nul(value: SecretStr) -> SecretStr:
    if "\0" in value.get_secret_value():
        raise ValueError("NUL characters are not allowed")
    return value


@lru_cache(maxsize=1)
def time_zones() -> frozenset[str]:
    """Places only: what has no slash are abbreviations and countries, whose meaning changes; and UTC."""
    return frozenset({"UTC", *(name for name in available_timezones() if _PLACE.match(name))})


def _time_zone(value: str) -> str:
    if value not in time_zones():
        raise PydanticCustomError("time_zone_unknown", "There is no such time zone.")
    return value


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(_printable),
    Field(description="How to address the person.", examples=["Ada Lovelace"]),
]
Locale = Annotated[Literal["en", "ru"], Field(description="Language of the panel and of letters.")]
TimeZone = Annotated[
    str,
    StringConstraints(max_length=64),
    AfterValidator(_time_zone),
    Field(description="A name of the IANA time zone database.", examples=["Europe/Moscow"]),
]
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
        description="Long rather than complicated; those known from breaches are refused.",
        examples=["a lighthouse on a foggy quay"],
    ),
    AfterValidator(_no_nul),
]


Token = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=20, max_length=200, pattern=r"^[A-Za-z0-9_-]+$"),
    Field(description="`token` of the link in the letter."),
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


class RegistrationAnswer(BaseModel):
    """The same whether the address was free or not: the letter says it to whoever reads the mailbox."""

    email: str = Field(description="Where the letter goes that says how to go on.")


class ResetRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"email": "ada@example.com"}]})

    email: Email


class LetterAnswer(BaseModel):
    email: str = Field(description="Where a letter goes, if there is an account to write about.")


class LinkToken(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"token": "6Zp1lq0bXn0o9c1v7mS2hJd3kQe8rTfYwUaGzBxCvNk"}]},
    )

    token: Token


class PasswordReset(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "token": "6Zp1lq0bXn0o9c1v7mS2hJd3kQe8rTfYwUaGzBxCvNk",
                    "password": "a lighthouse on a foggy quay",
                }
            ]
        },
    )

    token: Token
    password: Password


class AddressAnswer(BaseModel):
    email: str = Field(description="The account's address now.")


class UserAnswer(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str = Field(examples=["ada@example.com"])
    name: str = Field(description="How to address the person.", examples=["Ada Lovelace"])
    locale: str = Field(description="Language of the panel and of letters.", examples=["en"])
    created_at: datetime
