"""Tickets: whoever may open a console gets one, and it is good once, within a minute."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.actor import Actor
from backend.audit.trail import record
from backend.config import Settings
from backend.consoles.dao import ConsoleDAO
from backend.consoles.models import Console
from backend.database import now
from backend.exceptions import Conflict, NotFound
from backend.oauth.identity import Principal
from backend.projects.access import not_enough
from backend.roles.permissions import SERVICES_CONSOLE
from backend.services.dao import ServiceDAO
from backend.utils.ids import new_id

SECONDS = 60
LONGEST = 200
"""Signs of what somebody says is a ticket."""


@dataclass(frozen=True, slots=True)
class Issued:
    id: UUID
    ticket: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Admitted:
    """What a ticket was good for."""

    id: UUID
    service_id: UUID
    service_name: str
    project_id: UUID
    deployment_id: UUID
    process: str
    replica: int
    user_id: UUID
    session_id: UUID


async def issue(
    session: AsyncSession,
    settings: Settings,
    principal: Principal,
    service_id: UUID,
    process: str,
    replica: int,
) -> Issued:
    """Raises `NotFound`, `Forbidden` and `Conflict`."""
    service = await ServiceDAO(session).readable(service_id, tuple(principal.projects))
    if service is None:
        raise NotFound("There is no such service.")
    if not principal.may(SERVICES_CONSOLE, service.project_id):
        raise not_enough()
    if service.live_deployment_id is None:
        raise Conflict("No release of this service was ever live: deploy it first.", code="never_live")
    dao = ConsoleDAO(session)
    await _lock(dao, principal.user_id)
    if await dao.used_by(principal.user_id, now()) >= settings.consoles_per_user:
        raise Conflict("You have as many consoles open as you may. Close one.", code="too_many_consoles")
    ticket = secrets.token_urlsafe(32)
    console = Console(
        id=new_id(),
        ticket_hash=_hash(ticket),
        service_id=service.id,
        deployment_id=service.live_deployment_id,
        process=process,
        replica=replica,
        user_id=principal.user_id,
        session_id=principal.session_id,
        expires_at=now() + timedelta(seconds=SECONDS),
    )
    await dao.add(console)
    return Issued(console.id, ticket, console.expires_at)


async def redeem(session: AsyncSession, ticket: str, actor: Actor) -> Admitted | None:
    """What it is good for, which it is once; None for any that is not good. On record before it is used."""
    if not 0 < len(ticket) <= LONGEST:
        return None
    console = await ConsoleDAO(session).by_ticket(_hash(ticket))
    at = now()
    if console is None or console.opened_at is not None or console.expires_at <= at:
        return None
    service = await ServiceDAO(session).get(console.service_id)
    if service is None or service.deleted_at is not None:
        return None
    console.opened_at = console.seen_at = at
    await record(
        session,
        Action.CONSOLE_OPENED,
        object_type="service",
        object_id=service.id,
        object_name=service.name,
        project_id=service.project_id,
        after={"console_id": console.id, "process": console.process, "replica": console.replica},
        actor=replace(actor, user_id=console.user_id, session_id=console.session_id),
    )
    return Admitted(
        id=console.id,
        service_id=service.id,
        service_name=service.name,
        project_id=service.project_id,
        deployment_id=console.deployment_id,
        process=console.process,
        replica=console.replica,
        user_id=console.user_id,
        session_id=console.session_id,
    )


async def _lock(dao: ConsoleDAO, user_id: UUID) -> None:
    """Of two at once by one person, one after the other."""
    await dao.lock(f"consoles of {user_id}")


def _hash(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).digest()
