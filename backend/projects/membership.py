"""Who belongs to a project, and as what."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.oauth.announcements import announce
from backend.projects.dao import MemberDAO, ProjectDAO
from backend.projects.models import Project, ProjectMember
from backend.utils.ids import new_id


async def create_personal(session: AsyncSession, user_id: UUID, name: str) -> Project:
    """The project that everyone owns from the start."""
    project = Project(id=new_id(), name=name, personal=True)
    await ProjectDAO(session).add(project)
    await add_member(session, project.id, user_id, "owner")
    return project


async def add_member(session: AsyncSession, project_id: UUID, user_id: UUID, role: str) -> None:
    await MemberDAO(session).add(ProjectMember(project_id=project_id, user_id=user_id, role=role))
    await announce(session, user_id)
