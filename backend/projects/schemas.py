"""What comes in and goes out about projects, their members and invitations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from backend.users.schemas import Email

ProjectRole = Literal["owner", "developer", "billing", "viewer"]


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("control characters are not allowed")
    return value


ProjectName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(_printable),
    Field(examples=["Harbour office"]),
]
LinkToken = Annotated[
    str,
    StringConstraints(min_length=20, max_length=200, pattern=r"^[A-Za-z0-9_-]+$"),
    Field(description="Of the link in the letter.", examples=["q8Jx0lTbB2mE4cVn7sWz1yRk5uPd9aHf3gLo6tXi0eM"]),
]


class ProjectSummary(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str = Field(examples=["Harbour office"])
    role: ProjectRole = Field(description="What you are in it.")


class ProjectAnswer(ProjectSummary):
    personal: bool = Field(description="The one that everyone owns from the start.")
    created_at: datetime


class ProjectIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Harbour office"}]})

    name: ProjectName


class MemberView(BaseModel):
    user_id: UUID
    name: str = Field(examples=["Ada Lovelace"])
    email: str = Field(examples=["ada@example.com"])
    role: ProjectRole
    created_at: datetime = Field(description="Since when.")


class MemberChange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"role": "developer"}]})

    role: ProjectRole


class TransferIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"user_id": "01a20296-3efc-743c-a489-3bbd6d08ba13", "stay_as": "developer"}]
        },
    )

    user_id: UUID = Field(description="The member who becomes owner.")
    stay_as: Literal["developer", "billing", "viewer"] = Field(
        default="developer", description="What you are afterwards."
    )


class InvitationView(BaseModel):
    id: UUID
    email: str = Field(description="Who is invited.", examples=["ada@example.com"])
    role: ProjectRole
    invited_by: str | None = Field(description="Their e-mail address; null if the account is gone.")
    expired: bool = Field(description="Its link opens nothing any more; it can be sent again.")
    created_at: datetime
    expires_at: datetime


class InvitationIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"email": "ada@example.com", "role": "developer"}]}
    )

    email: Email
    role: ProjectRole


class TokenIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"token": "q8Jx0lTbB2mE4cVn7sWz1yRk5uPd9aHf3gLo6tXi0eM"}]},
    )

    token: LinkToken


class InvitationPreview(BaseModel):
    project_id: UUID
    project_name: str = Field(examples=["Harbour office"])
    role: ProjectRole
    invited_by: str | None = Field(description="Their e-mail address; null if the account is gone.")
    expires_at: datetime
    account_email: str = Field(description="Of the account that would accept: yours.")
    account_name: str = Field(examples=["Ada Lovelace"])
    member: bool = Field(description="Whether you are in the project already.")
