"""Who may change a project, judged under its lock by the memberships as they are now."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.exceptions import Conflict, Forbidden, NotFound
from backend.oauth.identity import Principal
from backend.projects.dao import MemberDAO, ProjectDAO
from backend.projects.models import Project
from backend.roles.permissions import PROJECT_ROLES

OWNER = "owner"


@dataclass(frozen=True, slots=True)
class Crew:
    """A locked project and its members; nobody else changes either until the transaction ends."""

    project: Project
    roles: dict[UUID, str]

    def role_of(self, user_id: UUID) -> str:
        """Raises `NotFound` for somebody who is no member."""
        role = self.roles.get(user_id)
        if role is None:
            raise NotFound("There is no such member.")
        return role

    def keep_an_owner(self, without: UUID) -> None:
        """Raises `Conflict` when the project would be left without an owner."""
        if not any(role == OWNER for user_id, role in self.roles.items() if user_id != without):
            raise Conflict("The project needs an owner. Make somebody else one first.", code="last_owner")

    def may_be_owned(self) -> None:
        """Raises `Conflict`: a personal project belongs to its person alone."""
        if self.project.personal:
            raise Conflict("A personal project has one owner and stays with them.", code="project_personal")


async def reachable(
    session: AsyncSession, principal: Principal, permission: str | None, project_id: UUID
) -> None:
    """Raises `NotFound` for other people's projects, `Forbidden` when the role in it is not enough.

    Whoever just made or joined a project is let in, though the principal may not have heard of it.
    """
    role = await MemberDAO(session).role_of(project_id, principal.user_id)
    if role is None:
        raise _missing()
    if permission is not None and permission not in PROJECT_ROLES[role]:
        raise not_enough()


async def commanded(
    session: AsyncSession, principal: Principal, permission: str | None, project_id: UUID
) -> Crew:
    """The project under lock, for a member whose role there gives the permission, if one is named.

    Judged again under it: of two owners who demote each other one is too late.
    """
    await reachable(session, principal, permission, project_id)
    project = await ProjectDAO(session).get_locked(project_id)
    roles = await MemberDAO(session).roles(project_id)
    role = roles.get(principal.user_id)
    if project is None or role is None:
        raise _missing()
    if permission is not None and permission not in PROJECT_ROLES[role]:
        raise not_enough()
    return Crew(project, roles)


def _missing() -> NotFound:
    return NotFound("There is no such project.")


def not_enough() -> Forbidden:
    return Forbidden("Your role in this project does not let you do this.", code="permission_missing")
