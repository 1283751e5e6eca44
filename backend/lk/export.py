"""Everything that is kept about a person, as one JSON document, read and sent a batch at a time.

Secrets are not in it, nor what of a project belongs to its other members.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, Select, or_, select

from backend.audit.models import AuditEvent
from backend.dao.base import AnySelect, BaseDAO
from backend.database import Database, now
from backend.factors.models import Passkey, TotpSecret
from backend.jobs.models import Job
from backend.mail.models import Letter
from backend.oauth.models import Consent, OAuthClient, OAuthSession, PersonalToken
from backend.projects.models import Project, ProjectMember
from backend.roles.models import UserRole
from backend.services.models import Order, Service
from backend.users.models import SignIn, User
from backend.utils.json import to_json

BATCH = 500

Row = dict[str, Any]


class Export(BaseModel):
    """All times are UTC."""

    exported_at: datetime
    account: list[Row] = Field(description="You: one row.")
    roles: list[Row] = Field(description="Names of the roles you hold.")
    projects: list[Row] = Field(description="Where you are a member.")
    services: list[Row] = Field(description="Of your projects.")
    orders: list[Row] = Field(description="What you ordered.")
    jobs: list[Row] = Field(description="Work that you asked for.")
    sessions: list[Row] = Field(description="Where you are and were signed in.")
    sign_ins: list[Row] = Field(description="Who came in as you, and who tried.")
    authenticators: list[Row] = Field(description="Authenticator apps, without their secrets.")
    passkeys: list[Row] = Field(description="Without their keys.")
    applications: list[Row] = Field(description="Those that you registered, without their secrets.")
    consents: list[Row] = Field(description="Applications that you gave access.")
    personal_tokens: list[Row] = Field(description="Without the tokens themselves.")
    letters: list[Row] = Field(description="What was sent to you.")
    audit_events: list[Row] = Field(description="What you did, and what was done to your account.")


@dataclass(frozen=True, slots=True)
class Section:
    """Rows of one kind about the user; `key` orders them and tells where the next batch begins."""

    columns: Select[*tuple[Any, ...]]
    key: Any
    whose: ColumnElement[bool]

    def batch(self, after: Any) -> AnySelect:
        statement = self.columns.add_columns(self.key.label("key_")).where(self.whose)
        if after is not None:
            statement = statement.where(self.key > after)
        return statement.order_by(self.key).limit(BATCH)


class ExportDAO(BaseDAO[User]):
    model = User

    async def batch(self, section: Section, after: Any) -> tuple[list[Row], Any]:
        """Rows, and where they ended; None when there are no more."""
        rows = [dict(row._mapping) for row in await self.rows(section.batch(after))]
        end = rows[-1]["key_"] if len(rows) == BATCH else None
        for row in rows:
            del row["key_"]
        return rows, end


def sections(user_id: UUID) -> dict[str, Section]:
    mine = select(ProjectMember.project_id).where(ProjectMember.user_id == user_id).scalar_subquery()
    return {
        "account": Section(_columns(User, "password_hash"), User.id, User.id == user_id),
        "roles": Section(select(UserRole.role), UserRole.role, UserRole.user_id == user_id),
        "projects": Section(
            select(
                Project.id,
                Project.name,
                Project.personal,
                Project.created_at,
                ProjectMember.role,
                ProjectMember.created_at.label("joined_at"),
            ).join(ProjectMember, ProjectMember.project_id == Project.id),
            Project.id,
            ProjectMember.user_id == user_id,
        ),
        "services": Section(_columns(Service), Service.id, Service.project_id.in_(mine)),
        "orders": Section(_columns(Order), Order.id, Order.user_id == user_id),
        "jobs": Section(_columns(Job, "fence", "lease_until"), Job.id, Job.user_id == user_id),
        "sessions": Section(_columns(OAuthSession), OAuthSession.id, OAuthSession.user_id == user_id),
        "sign_ins": Section(_columns(SignIn, "device_hash"), SignIn.id, SignIn.user_id == user_id),
        "authenticators": Section(
            select(TotpSecret.created_at, TotpSecret.confirmed_at, TotpSecret.last_used_at),
            TotpSecret.user_id,
            TotpSecret.user_id == user_id,
        ),
        "passkeys": Section(
            select(Passkey.id, Passkey.name, Passkey.synced, Passkey.created_at, Passkey.last_used_at),
            Passkey.id,
            Passkey.user_id == user_id,
        ),
        "applications": Section(
            select(
                OAuthClient.id,
                OAuthClient.name,
                OAuthClient.grants,
                OAuthClient.redirect_uris,
                OAuthClient.scopes,
                OAuthClient.created_at,
            ),
            OAuthClient.id,
            OAuthClient.owner_id == user_id,
        ),
        "consents": Section(_columns(Consent), Consent.id, Consent.user_id == user_id),
        "personal_tokens": Section(
            _columns(PersonalToken, "token_hash"), PersonalToken.id, PersonalToken.user_id == user_id
        ),
        "letters": Section(
            select(
                Letter.id,
                Letter.channel,
                Letter.template,
                Letter.recipient,
                Letter.state,
                Letter.created_at,
                Letter.sent_at,
            ),
            Letter.id,
            Letter.user_id == user_id,
        ),
        "audit_events": Section(
            _columns(AuditEvent),
            AuditEvent.id,
            or_(AuditEvent.user_id == user_id, AuditEvent.acting_id == user_id),
        ),
    }


async def write(database: Database, user_id: UUID) -> AsyncIterator[bytes]:
    """The document, piece by piece; no transaction is open while the receiver is slow."""
    yield b'{"exported_at":' + to_json(now())
    for name, section in sections(user_id).items():
        yield b',"' + name.encode() + b'":['
        after, separator = None, b""
        while True:
            async with database.transaction() as session:
                rows, after = await ExportDAO(session).batch(section, after)
            for row in rows:
                yield separator + to_json(row)
                separator = b","
            if after is None:
                break
        yield b"]"
    yield b"}\n"


def _columns(model: Any, *but: str) -> Select[*tuple[Any, ...]]:
    return select(*(column for column in model.__table__.columns if column.name not in but))
