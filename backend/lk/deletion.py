"""Deleting one's account.

What belongs to the person alone goes; what others need (orders, jobs, the trail) stays without them.
Nobody else may be left with a project that nobody can lead, nor with services that nobody can delete.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.billing import closing
from backend.context import Parts
from backend.exceptions import Conflict
from backend.mail import outbox
from backend.mail.dao import LetterDAO
from backend.oauth.announcements import announce
from backend.oauth.identity import Principal
from backend.projects import lifecycle, membership
from backend.projects.access import OWNER, Crew
from backend.projects.dao import MemberDAO, ProjectDAO
from backend.roles.authority import keep_an_administrator
from backend.users.asker import Asker
from backend.users.dao import UserDAO
from backend.users.models import User
from backend.users.password_change import check_current
from backend.users.reading import present
from backend.users.trail import record_about
from backend.verificationcodes import codes

NAMELESS = "—"
"""What a personal project is called afterwards: it had its person's name."""


async def delete(parts: Parts, asker: Asker, principal: Principal, password: str) -> str:
    """Gives the address that the last letter goes to. Raises `Conflict` with a list of what is in the way,
    `Invalid` and `TooManyRequests`.
    """
    async with parts.transaction() as session:
        known = await present(session, principal.user_id)
    await check_current(asker, known, password, "password")
    async with parts.transaction() as session:
        await keep_an_administrator(session, principal.user_id)
        crews = await _crews(session, principal)
        user = await present(session, principal.user_id, lock=True)
        obstacles = [found for crew in crews if (found := await _obstacle(session, crew, user))]
        if obstacles:
            raise Conflict(
                "Some projects would be left without an owner. Hand them over, or delete what is in them.",
                code="projects_in_the_way",
                errors=obstacles,
            )
        for crew in crews:
            await _leave(session, crew, user)
        await _farewell(session, user)
        email = user.email
    asker.identity.forget(str(principal.user_id))
    return email


async def _crews(session: AsyncSession, principal: Principal) -> list[Crew]:
    """The projects that the person belongs to, locked so that nothing is ordered in them meanwhile."""
    projects, members = ProjectDAO(session), MemberDAO(session)
    crews = []
    for row in await projects.of(principal.user_id):
        await projects.lock(lifecycle.room(row.id))
        project = await projects.get_locked(row.id)
        roles = await members.roles(row.id)
        if project is not None and principal.user_id in roles:
            crews.append(Crew(project, roles))
    return crews


def _is_last_owner(crew: Crew, user: User) -> bool:
    return [member for member, role in crew.roles.items() if role == OWNER] == [user.id]


async def _obstacle(session: AsyncSession, crew: Crew, user: User) -> dict[str, Any] | None:
    if not _is_last_owner(crew, user):
        return None
    project = crew.project
    if await ProjectDAO(session).in_use(project.id):
        message, code = f"“{project.name}” holds services, or work is under way in it.", "project_in_use"
    elif not project.personal and len(crew.roles) > 1:
        message, code = f"“{project.name}” has other members and no other owner.", "last_owner"
    elif (in_the_way := await closing.obstacle(session, project.id)) is not None:
        message, code = in_the_way.detail, in_the_way.code
    else:
        return None
    return {"loc": ["projects", str(project.id)], "message": message, "code": code}


async def _leave(session: AsyncSession, crew: Crew, user: User) -> None:
    if not _is_last_owner(crew, user):
        await membership.remove(session, crew, user.id, by=user.id)
        return
    await lifecycle.close(session, crew)
    if crew.project.personal:
        crew.project.name = NAMELESS
        await ProjectDAO(session).flush()


async def _farewell(session: AsyncSession, user: User) -> None:
    await codes.withdraw(session, user.id)
    await LetterDAO(session).forget(user.id)
    await outbox.write(session, "account_deleted", to=user.email, locale=user.locale, name=user.name)
    await record_about(session, user, Action.USER_DELETED)
    await announce(session, user.id)
    await UserDAO(session).delete(user.id)
