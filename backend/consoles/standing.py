"""Whether whoever has a console open may still have it."""

from __future__ import annotations

from backend.consoles.dao import ConsoleDAO
from backend.consoles.tickets import Admitted
from backend.database import Database, now
from backend.oauth.dao import read_identity
from backend.projects.dao import MemberDAO
from backend.roles.permissions import PROJECT_ROLES, SERVICES_CONSOLE
from backend.services.dao import ServiceDAO


async def trouble(database: Database, console: Admitted) -> str | None:
    """Why not; None while they may."""
    identity = await read_identity(await database.reader(), console.session_id, console.user_id)
    if identity is None:
        return "session"
    if SERVICES_CONSOLE not in identity["permissions"] or identity["acting_id"] is not None:
        return "permission"
    async with database.transaction() as session:
        role = await MemberDAO(session).role_of(console.project_id, console.user_id)
        service = await ServiceDAO(session).get(console.service_id)
    if role is None or SERVICES_CONSOLE not in PROJECT_ROLES[role]:
        return "permission"
    if service is None or service.deleted_at is not None or service.project_id != console.project_id:
        return "service"
    return None


async def touch(database: Database, console: Admitted) -> None:
    async with database.transaction() as session:
        await ConsoleDAO(session).touch(console.id, now())
