"""Applications, personal tokens and given access, as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import func, select

from backend.dao.base import AnySelect
from backend.dao.listing import Listing, Sort, moment
from backend.oauth.models import Consent, OAuthClient, OAuthSession, PersonalToken
from backend.users.models import User

GrantType = Literal["authorization_code", "refresh_token", "client_credentials"]


class ApplicationView(BaseModel):
    id: UUID = Field(description="The `client_id`.")
    name: str = Field(examples=["Tide calendar"])
    confidential: bool = Field(description="Whether it has a secret.")
    grants: list[GrantType]
    redirect_uris: list[str] = Field(
        description="Where people are sent back to, compared exactly.",
        examples=[["https://tides.example.com/back"]],
    )
    scopes: list[str] = Field(
        description="All that it may ever ask for.", examples=[["me:read", "services:read"]]
    )
    previous_secret_until: datetime | None = Field(
        description="Until then the secret before the present one is good as well."
    )
    created_at: datetime
    updated_at: datetime


class PersonalTokenView(BaseModel):
    id: UUID
    name: str = Field(examples=["Nightly deploy"])
    scopes: list[str] = Field(
        description="What it may do, as far as you may.", examples=[["services:read", "deployments:write"]]
    )
    networks: list[str] = Field(description="Where it may come from; empty: from anywhere.")
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To a minute or so.")
    last_used_address: str | None = Field(examples=["203.0.113.7"])


class MakerView(BaseModel):
    name: str = Field(examples=["Ada Lovelace"])
    email: str = Field(examples=["ada@example.com"])


class GrantedApplication(BaseModel):
    id: str = Field(description="Its `client_id`.")
    name: str = Field(examples=["Tide calendar"])
    maker: MakerView | None = Field(description="The customer who registered it.")


class GrantView(BaseModel):
    id: UUID
    application: GrantedApplication
    scopes: list[str] = Field(
        description="What it may do in your name.", examples=[["me:read", "services:read"]]
    )
    last_used_at: datetime | None
    created_at: datetime
    updated_at: datetime


_APPLICATION = (
    *("id", "name", "grants", "redirect_uris", "scopes"),
    *("previous_secret_until", "created_at", "updated_at"),
)
_TOKEN = (
    *("id", "name", "networks", "created_at", "expires_at"),
    *("last_used_at", "last_used_address"),
)


def select_applications() -> AnySelect:
    return select(
        *(getattr(OAuthClient, name) for name in _APPLICATION),
        OAuthClient.secret_hash.is_not(None).label("confidential"),
    )


def shape_application(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in (*_APPLICATION, "confidential")}


def select_tokens() -> AnySelect:
    return select(*(getattr(PersonalToken, name) for name in _TOKEN), PersonalToken.scope)


def shape_token(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: row[name] for name in _TOKEN}, "scopes": row["scope"].split()}


def select_grants() -> AnySelect:
    last_used = (
        select(func.max(OAuthSession.last_used_at))
        .where(OAuthSession.user_id == Consent.user_id, OAuthSession.client_id == Consent.client_id)
        .scalar_subquery()
    )
    return (
        select(
            *(Consent.id, Consent.scope, Consent.created_at, Consent.updated_at, Consent.client_id),
            OAuthClient.name.label("client_name"),
            User.name.label("maker_name"),
            User.email.label("maker_email"),
            last_used.label("last_used_at"),
        )
        .join(OAuthClient, OAuthClient.id == Consent.client_id)
        .outerjoin(User, User.id == OAuthClient.owner_id)
    )


def shape_grant(row: Mapping[str, Any]) -> dict[str, Any]:
    name, email = row["maker_name"], row["maker_email"]
    return {
        "id": row["id"],
        "application": {
            "id": row["client_id"],
            "name": row["client_name"],
            "maker": {"name": name, "email": email} if email else None,
        },
        "scopes": row["scope"].split(),
        "last_used_at": row["last_used_at"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


APPLICATIONS = Listing(
    select_applications(),
    id_column=OAuthClient.id,
    filters={"owner_id": lambda value: OAuthClient.owner_id == value},
    sorts={"created_at": Sort(OAuthClient.created_at, moment)},
    shape=shape_application,
)
PERSONAL_TOKENS = Listing(
    select_tokens(),
    id_column=PersonalToken.id,
    filters={"user_id": lambda value: PersonalToken.user_id == value},
    sorts={"created_at": Sort(PersonalToken.created_at, moment)},
    shape=shape_token,
)
GRANTS = Listing(
    select_grants(),
    id_column=Consent.id,
    filters={"user_id": lambda value: Consent.user_id == value},
    sorts={"created_at": Sort(Consent.created_at, moment)},
    shape=shape_grant,
)


def application_of(client_id: UUID, owner_id: UUID) -> AnySelect:
    return select_applications().where(OAuthClient.id == str(client_id), OAuthClient.owner_id == owner_id)


def token_of(token_id: UUID, user_id: UUID) -> AnySelect:
    return select_tokens().where(PersonalToken.id == token_id, PersonalToken.user_id == user_id)
