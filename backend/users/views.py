"""Users as administrators see them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import ColumnElement, exists, false, func, literal_column, or_, select, true
from sqlalchemy.dialects.postgresql import aggregate_order_by, array_agg

from backend.dao.base import AnySelect
from backend.dao.listing import Listing, Sort, moment
from backend.factors.models import Passkey, TotpSecret
from backend.oauth.models import OAuthSession
from backend.projects.schemas import ProjectRole
from backend.roles.models import UserRole
from backend.roles.schemas import RoleName
from backend.users.models import WORDS, SignIn, User

Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=500, pattern=r"^[^\x00]*$"),
    Field(description="The person reads it.", examples=["Letters that nobody asked for"]),
]


class UserView(BaseModel):
    id: UUID
    email: str = Field(examples=["ada@example.com"])
    name: str = Field(examples=["Ada Lovelace"])
    locale: str = Field(description="Language of the panel and of letters.", examples=["en"])
    active: bool = Field(description="False when blocked.")
    verified: bool = Field(description="Whether the e-mail address was confirmed.")
    roles: list[str] = Field(description="Names of the roles held.", examples=[["user", "support"]])
    created_at: datetime


class UserProject(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str = Field(examples=["Harbour office"])
    role: ProjectRole
    personal: bool = Field(description="The one that everyone owns from the start.")


class UserDetails(UserView):
    blocked_at: datetime | None
    blocked_reason: str | None = Field(description="What the person was told; null when not blocked.")
    last_sign_in_at: datetime | None
    sessions: int = Field(description="How many are alive.")
    second_step: bool = Field(description="Whether signing in by password takes a second factor.")
    projects: list[UserProject]


class UserPatch(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"active": False, "reason": "Letters that nobody asked for"}]},
    )

    active: bool = Field(
        description="False blocks the account and ends its sessions; true lets the person in again."
    )
    reason: Reason | None = Field(default=None, description="Needed to block; the person reads it.")


class UserRoles(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"roles": ["user", "support"]}]}
    )

    roles: list[RoleName] = Field(max_length=100)


class ViewAsIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"reason": "Ticket 204: no deployment", "letter": True}]},
    )

    reason: Reason
    letter: bool = Field(default=True, description="Whether the person is told by a letter.")


class ViewAsUser(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str = Field(examples=["ada@example.com"])
    name: str = Field(examples=["Ada Lovelace"])


class ViewAsAnswer(BaseModel):
    access_token: str = Field(description="Reads what the user may read, and changes nothing.")
    token_type: str = Field(default="Bearer", examples=["Bearer"])
    expires_in: int = Field(description="Seconds; it is not renewed.")
    expires_at: datetime
    user: ViewAsUser


_roles = (
    select(array_agg(aggregate_order_by(UserRole.role, UserRole.role)))
    .where(UserRole.user_id == User.id)
    .correlate(User)
    .scalar_subquery()
)
_SIMPLE: ColumnElement[str] = literal_column("'simple'::regconfig")
_COLUMNS = ("id", "email", "name", "locale", "created_at")


def select_users() -> AnySelect:
    return select(
        *(getattr(User, name) for name in _COLUMNS),
        User.is_active,
        User.email_verified_at,
        _roles.label("roles"),
    )


def shape_user(row: Mapping[str, Any]) -> dict[str, Any]:
    shaped = {name: row[name] for name in _COLUMNS}
    shaped["active"] = row["is_active"]
    shaped["verified"] = row["email_verified_at"] is not None
    shaped["roles"] = row["roles"] or []
    return shaped


USERS = Listing(
    select_users(),
    id_column=User.id,
    filters={
        "q": lambda value: WORDS.op("@@")(func.to_tsquery(_SIMPLE, value)),
        "role": lambda value: exists().where(UserRole.user_id == User.id, UserRole.role == value),
        "blocked": lambda _: User.is_active == false(),
        "active": lambda _: User.is_active == true(),
        "verified": lambda value: User.email_verified_at.is_not(None) == value,
    },
    sorts={
        "created_at": Sort(User.created_at, moment),
        "email": Sort(User.email),
        "name": Sort(User.name),
    },
    shape=shape_user,
)

_last_sign_in = (
    select(func.max(SignIn.created_at))
    .where(SignIn.user_id == User.id, SignIn.result == "done")
    .correlate(User)
    .scalar_subquery()
)
_alive = (
    select(func.count())
    .where(
        OAuthSession.user_id == User.id,
        OAuthSession.acting_id.is_(None),
        OAuthSession.revoked_at.is_(None),
        OAuthSession.expires_at > func.now(),
    )
    .correlate(User)
    .scalar_subquery()
)

_has_totp = exists().where(TotpSecret.user_id == User.id, TotpSecret.confirmed_at.is_not(None))
_has_passkey = exists().where(Passkey.user_id == User.id)


def details_of(user_id: UUID) -> AnySelect:
    return (
        select_users()
        .add_columns(
            User.blocked_at,
            User.blocked_reason,
            _last_sign_in.label("last_sign_in_at"),
            _alive.label("sessions"),
            or_(_has_totp, _has_passkey).label("second_step"),
        )
        .where(User.id == user_id)
    )


def shape_details(row: Mapping[str, Any]) -> dict[str, Any]:
    further = ("blocked_at", "blocked_reason", "last_sign_in_at", "sessions", "second_step")
    return {**shape_user(row), **{name: row[name] for name in further}}
