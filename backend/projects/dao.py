"""Statements over projects, their members and invitations; what a person reads is filtered by membership."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from backend.dao.base import AnySelect, BaseDAO
from backend.dao.listing import Listing, Sort, moment
from backend.database import now
from backend.jobs.models import OPEN, Job
from backend.projects.models import Invitation, Project, ProjectMember
from backend.services.models import Service
from backend.users.models import User


class ProjectDAO(BaseDAO[Project]):
    model = Project

    @staticmethod
    def readable_by(user_id: UUID) -> Select[UUID, str, bool, datetime, str]:
        """Rows of (id, name, personal, created_at, role) of the projects the user is a member of."""
        return (
            select(Project.id, Project.name, Project.personal, Project.created_at, ProjectMember.role)
            .join(ProjectMember, ProjectMember.project_id == Project.id)
            .where(ProjectMember.user_id == user_id)
        )

    async def of(self, user_id: UUID) -> Sequence[Row[Any]]:
        """All of them, oldest first."""
        return await self.rows(self.readable_by(user_id).order_by(Project.id))

    async def find(self, user_id: UUID, project_id: UUID) -> Row[Any] | None:
        return await self.row(self.readable_by(user_id).where(Project.id == project_id))

    async def kept(self, project_id: UUID) -> bool:
        """Whether it is there and not deleted."""
        statement = select(exists().where(Project.id == project_id, Project.deleted_at.is_(None)))
        return bool(await self.scalar(statement))

    async def owned(self, user_id: UUID) -> int:
        """How many projects the user owns."""
        statement = select(func.count()).where(
            ProjectMember.user_id == user_id, ProjectMember.role == "owner"
        )
        counted: int = await self.scalar(statement)
        return counted

    async def in_use(self, project_id: UUID) -> bool:
        """Whether it holds services, or jobs that are not final."""
        services = exists().where(Service.project_id == project_id, Service.deleted_at.is_(None))
        jobs = exists().where(Job.project_id == project_id, Job.state.in_(OPEN))
        return bool(await self.scalar(select(services | jobs)))


LISTING = Listing(
    select(Project.id, Project.name, Project.personal, Project.created_at, ProjectMember.role).join(
        ProjectMember, ProjectMember.project_id == Project.id
    ),
    id_column=Project.id,
    filters={"member": lambda user: ProjectMember.user_id == user},
    sorts={"name": Sort(Project.name), "created_at": Sort(Project.created_at, moment)},
    shape=lambda row: {
        "id": row["id"],
        "name": row["name"],
        "role": row["role"],
        "personal": row["personal"],
        "created_at": row["created_at"],
    },
)


class MemberDAO(BaseDAO[ProjectMember]):
    model = ProjectMember

    async def roles(self, project_id: UUID) -> dict[UUID, str]:
        """Who is in it, as what."""
        statement = select(ProjectMember.user_id, ProjectMember.role)
        rows = await self.rows(statement.where(ProjectMember.project_id == project_id))
        return {row.user_id: row.role for row in rows}

    async def role_of(self, project_id: UUID, user_id: UUID) -> str | None:
        statement = select(ProjectMember.role).where(
            ProjectMember.project_id == project_id, ProjectMember.user_id == user_id
        )
        role: str | None = await self.scalar(statement)
        return role

    async def has_address(self, project_id: UUID, email: str) -> bool:
        """Whether a member signs in by this address."""
        statement = (
            select(ProjectMember.user_id)
            .join(User, User.id == ProjectMember.user_id)
            .where(ProjectMember.project_id == project_id, User.email == email)
        )
        return await self.scalar(statement) is not None

    async def set_role(self, project_id: UUID, user_id: UUID, role: str) -> None:
        await self.execute(
            update(ProjectMember)
            .where(ProjectMember.project_id == project_id, ProjectMember.user_id == user_id)
            .values(role=role)
        )

    async def remove(self, project_id: UUID, user_id: UUID) -> None:
        await self.execute(
            delete(ProjectMember).where(
                ProjectMember.project_id == project_id, ProjectMember.user_id == user_id
            )
        )

    async def remove_all(self, project_id: UUID) -> None:
        await self.execute(delete(ProjectMember).where(ProjectMember.project_id == project_id))


MEMBERS = Listing(
    select(
        ProjectMember.user_id.label("id"),
        ProjectMember.role,
        ProjectMember.created_at,
        User.email,
        User.name,
    ).join(User, User.id == ProjectMember.user_id),
    id_column=ProjectMember.user_id,
    filters={
        "project_id": lambda value: ProjectMember.project_id == value,
        "role": lambda value: ProjectMember.role == value,
    },
    sorts={"name": Sort(User.name), "created_at": Sort(ProjectMember.created_at, moment)},
    shape=lambda row: {
        "user_id": row["id"],
        "name": row["name"],
        "email": row["email"],
        "role": row["role"],
        "created_at": row["created_at"],
    },
)

_OPEN: tuple[ColumnElement[bool], ...] = (Invitation.accepted_at.is_(None), Invitation.revoked_at.is_(None))


class InvitationDAO(BaseDAO[Invitation]):
    model = Invitation

    async def open_as(self, **values: Any) -> bool:
        """Whether it was written; False when one to this address is open."""
        statement = insert(Invitation).values(**values).on_conflict_do_nothing()
        return await self.execute(statement) > 0

    async def of(self, project_id: UUID, invitation_id: UUID) -> Invitation | None:
        """An open one, expired or not."""
        statement = select(Invitation).where(
            Invitation.id == invitation_id, Invitation.project_id == project_id, *_OPEN
        )
        return await self.one(statement.execution_options(populate_existing=True))

    async def by_hash(self, token_hash: bytes) -> Invitation | None:
        statement = select(Invitation).where(Invitation.token_hash == token_hash)
        return await self.one(statement.execution_options(populate_existing=True))

    async def count_open(self, project_id: UUID) -> int:
        counted: int = await self.scalar(
            select(func.count()).where(
                Invitation.project_id == project_id, Invitation.expires_at > now(), *_OPEN
            )
        )
        return counted

    async def clear(self, project_id: UUID, email: str) -> None:
        """Make room for a new one to this address: what expired does not stand in its way."""
        await self.execute(
            update(Invitation)
            .where(
                Invitation.project_id == project_id,
                Invitation.email == email,
                Invitation.expires_at <= now(),
                *_OPEN,
            )
            .values(revoked_at=now())
        )

    async def revoke_all(self, project_id: UUID, *, invited_by: UUID | None = None) -> None:
        """All of the project, or those that one person sent."""
        statement = update(Invitation).where(Invitation.project_id == project_id, *_OPEN)
        if invited_by is not None:
            statement = statement.where(Invitation.invited_by == invited_by)
        await self.execute(statement.values(revoked_at=now()))

    async def delete_expired(self, before: datetime) -> int:
        """A batch of what nobody can ask about any more; gives how many."""
        return await self.delete_some(Invitation.expires_at < before)


def shape_invitation(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "email": row["email"],
        "role": row["role"],
        "invited_by": row["inviter_email"],
        "expired": row["expires_at"] <= now(),
        "created_at": row["created_at"],
        "expires_at": row["expires_at"],
    }


def select_invitations() -> AnySelect:
    return (
        select(
            Invitation.id,
            Invitation.email,
            Invitation.role,
            Invitation.created_at,
            Invitation.expires_at,
            User.email.label("inviter_email"),
        )
        .outerjoin(User, User.id == Invitation.invited_by)
        .where(*_OPEN)
    )


def invitation_of(invitation_id: UUID) -> AnySelect:
    return select_invitations().where(Invitation.id == invitation_id)


INVITATIONS = Listing(
    select_invitations(),
    id_column=Invitation.id,
    filters={"project_id": lambda value: Invitation.project_id == value},
    sorts={"created_at": Sort(Invitation.created_at, moment)},
    shape=shape_invitation,
)
