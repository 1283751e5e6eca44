"""Who belongs to a project, and as what."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.trail import record
from backend.exceptions import Conflict
from backend.oauth.announcements import announce
from backend.projects.access import OWNER, Crew
from backend.projects.dao import InvitationDAO, MemberDAO, ProjectDAO
from backend.projects.models import Project, ProjectMember
from backend.users.dao import UserDAO
from backend.users.letters import write_to
from backend.utils.ids import new_id


async def create_personal(session: AsyncSession, user_id: UUID, name: str) -> Project:
    """The project that everyone owns from the start."""
    project = Project(id=new_id(), name=name, personal=True)
    await ProjectDAO(session).add(project)
    await add_member(session, project.id, user_id, OWNER)
    return project


async def add_member(session: AsyncSession, project_id: UUID, user_id: UUID, role: str) -> None:
    await MemberDAO(session).add(ProjectMember(project_id=project_id, user_id=user_id, role=role))
    await announce(session, user_id)


async def change_role(session: AsyncSession, crew: Crew, user_id: UUID, role: str) -> None:
    """Raises `NotFound`, and `Conflict` rather than leave the project without an owner."""
    before = crew.role_of(user_id)
    if before == role:
        return
    if role == OWNER:
        crew.may_be_owned()
    if before == OWNER:
        crew.keep_an_owner(without=user_id)
        await InvitationDAO(session).revoke_all(crew.project.id, invited_by=user_id)
    await _set(session, crew, user_id, role)
    await _record(session, Action.MEMBER_ROLE_CHANGED, crew, user_id, before=before, after=role)


async def remove(session: AsyncSession, crew: Crew, user_id: UUID, *, by: UUID) -> None:
    """Remove a member, who is told, or leave. The invitations that they sent stop working, lest they come
    back by one.
    """
    role = crew.role_of(user_id)
    if role == OWNER:
        crew.keep_an_owner(without=user_id)
    await InvitationDAO(session).revoke_all(crew.project.id, invited_by=user_id)
    await MemberDAO(session).remove(crew.project.id, user_id)
    await announce(session, user_id)
    action = Action.MEMBER_LEFT if user_id == by else Action.MEMBER_REMOVED
    await _record(session, action, crew, user_id, before=role, after=None)
    if user_id != by and (user := await UserDAO(session).get(user_id)) is not None:
        await write_to(session, user, "member_removed", project=crew.project.name)


async def transfer(session: AsyncSession, crew: Crew, to: UUID, *, by: UUID, stay_as: str) -> None:
    """Make another member owner and step down. Raises `NotFound` and `Conflict`."""
    crew.may_be_owned()
    before = crew.role_of(to)
    if to == by:
        raise Conflict("The project is yours already.", code="own_account")
    await _set(session, crew, to, OWNER)
    await _set(session, crew, by, stay_as)
    project = crew.project
    await record(
        session,
        Action.PROJECT_TRANSFERRED,
        object_type="project",
        object_id=project.id,
        object_name=project.name,
        project_id=project.id,
        before={"roles": {str(to): before, str(by): OWNER}},
        after={"roles": {str(to): OWNER, str(by): stay_as}},
    )


async def _set(session: AsyncSession, crew: Crew, user_id: UUID, role: str) -> None:
    await MemberDAO(session).set_role(crew.project.id, user_id, role)
    crew.roles[user_id] = role
    await announce(session, user_id)


async def _record(
    session: AsyncSession, action: Action, crew: Crew, user_id: UUID, *, before: str, after: str | None
) -> None:
    user = await UserDAO(session).get(user_id)
    await record(
        session,
        action,
        object_type="member",
        object_id=user_id,
        object_name=user.email if user is not None else None,
        project_id=crew.project.id,
        before={"role": before},
        after={"role": after} if after is not None else None,
    )
