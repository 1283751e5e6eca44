"""The personal account as its owner sees it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from backend.billing.dunning.schemas import Stage
from backend.projects.schemas import ProjectSummary
from backend.users.passwords import MAX_LENGTH as PASSWORD_LENGTH
from backend.users.phones import MAX_LENGTH as PHONE_LENGTH
from backend.users.schemas import Email, Locale, Name, Password, TimeZone, UserAnswer
from backend.verificationcodes.codes import DIGITS

Digits = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=f"^[0-9]{{{DIGITS}}}$"),
    Field(description="As they were sent.", examples=["204816"]),
]
PresentPassword = Annotated[SecretStr, Field(min_length=1, max_length=PASSWORD_LENGTH)]


class AccountProject(ProjectSummary):
    billing_stage: Stage


class AccountAnswer(UserAnswer):
    permissions: list[str] = Field(
        description="What this token allows; inside a project its role narrows it further.",
        examples=[["me:read", "services:read"]],
    )
    projects: list[AccountProject]
    email_verified: bool = Field(description="Whether the address proved to be the account's.")
    verification_required: bool = Field(
        description="Ordering waits for that: confirm the address by the letter, or ask for another."
    )
    billing_enabled: bool = Field(description="Whether this installation charges for its services.")
    pending_email: str | None = Field(description="The account's address once it is confirmed.")
    phone: str | None = Field(description="As people write it.", examples=["+7 912 345-67-89"])
    pending_phone: str | None = Field(description="The number that waits for its code.")
    time_zone: str | None = Field(description="Null: times are shown as the device does.")


class AccountChange(BaseModel):
    """Only what is given is changed."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "Ada Lovelace", "locale": "ru"}]}
    )

    # The defaults are never read; as factories they stay out of the document, and null is refused.
    name: Name = Field(default_factory=str)
    locale: Locale = Field(default_factory=lambda: "en")
    time_zone: TimeZone | None = Field(default_factory=lambda: None, description="Null: that of the device.")


class PasswordChange(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "current_password": "a lighthouse on a foggy quay",
                    "password": "seven gulls over the breakwater",
                }
            ]
        },
    )

    current_password: PresentPassword
    password: Password


class EmailChange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"email": "ada@example.org"}]})

    email: Email


class PhoneChange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"phone": "+7 912 345-67-89"}]})

    phone: Annotated[str, StringConstraints(max_length=PHONE_LENGTH)] = Field(
        description="With the country code; blanks and hyphens do not matter."
    )


class Code(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"code": "204816"}]})

    code: Digits


class Deletion(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"password": "a lighthouse on a foggy quay"}]}
    )

    password: PresentPassword


class DeletionAnswer(BaseModel):
    email: str = Field(description="Where the last letter goes.")
