"""Statements over projects; each is filtered by membership."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select

from backend.dao.base import BaseDAO
from backend.dao.listing import Listing, Sort, moment
from backend.projects.models import Project, ProjectMember


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
