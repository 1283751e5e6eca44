"""Making, renaming and deleting projects."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.trail import record
from backend.billing import closing
from backend.config import Settings
from backend.database import now
from backend.exceptions import Conflict
from backend.oauth.announcements import announce
from backend.oauth.identity import Principal
from backend.projects.access import OWNER, Crew, commanded, reachable
from backend.projects.dao import InvitationDAO, MemberDAO, ProjectDAO
from backend.projects.membership import add_member
from backend.projects.models import Project
from backend.roles.permissions import PROJECTS_WRITE
from backend.utils.ids import new_id


def room(project_id: object) -> str:
    """The name of the lock under which services enter a project, and it is deleted."""
    return f"project:{project_id}"


async def create(session: AsyncSession, settings: Settings, principal: Principal, name: str) -> Project:
    """Raises `Conflict`."""
    projects = ProjectDAO(session)
    await projects.lock(f"projects-of:{principal.user_id}")
    if await projects.owned(principal.user_id) >= settings.projects_per_user:
        raise Conflict("You own as many projects as you may.", code="too_many_projects")
    project = Project(id=new_id(), name=name, personal=False)
    await projects.add(project)
    await add_member(session, project.id, principal.user_id, OWNER)
    await record(
        session,
        Action.PROJECT_CREATED,
        object_type="project",
        object_id=project.id,
        object_name=name,
        project_id=project.id,
        after={"name": name},
    )
    return project


async def rename(session: AsyncSession, crew: Crew, name: str) -> None:
    project = crew.project
    before, project.name = project.name, name
    await ProjectDAO(session).flush()
    if before != name:
        await record(
            session,
            Action.PROJECT_RENAMED,
            object_type="project",
            object_id=project.id,
            object_name=name,
            project_id=project.id,
            before={"name": before},
            after={"name": name},
        )


async def delete(session: AsyncSession, principal: Principal, project_id: UUID) -> None:
    """For everybody in it. Raises `NotFound`, `Forbidden`, and `Conflict` while it holds services, work or
    money, and for a personal one. Nothing is ordered in it meanwhile.
    """
    projects = ProjectDAO(session)
    # Before the lock: strangers must not hold up orders.
    await reachable(session, principal, PROJECTS_WRITE, project_id)
    await projects.lock(room(project_id))
    crew = await commanded(session, principal, PROJECTS_WRITE, project_id)
    project = crew.project
    if project.personal:
        raise Conflict("Your personal project stays.", code="project_personal")
    if await projects.in_use(project.id):
        raise Conflict(
            "The project holds services, or work is under way. Delete the services first.",
            code="project_in_use",
        )
    if (obstacle := await closing.obstacle(session, project.id)) is not None:
        raise obstacle
    await close(session, crew)


async def close(session: AsyncSession, crew: Crew) -> None:
    """The project ends for everybody in it; its orders and jobs refer to it for ever."""
    project = crew.project
    await closing.forget(session, project.id)
    project.deleted_at = now()
    await ProjectDAO(session).flush()
    await InvitationDAO(session).revoke_all(project.id)
    await MemberDAO(session).remove_all(project.id)
    for user_id in crew.roles:
        await announce(session, user_id)
    await record(
        session,
        Action.PROJECT_DELETED,
        object_type="project",
        object_id=project.id,
        object_name=project.name,
        project_id=project.id,
        before={"name": project.name, "members": len(crew.roles)},
    )
