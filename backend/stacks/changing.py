"""What a customer asks of a stack: try again, show a secret, delete. Upgrading is in `upgrading.py`."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.database import now
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.jobs.models import Job
from backend.oauth.identity import Principal
from backend.projects.access import not_enough
from backend.services import lifecycle
from backend.services.models import ServiceStatus
from backend.stacks import membership, ordering, rendering, waiting
from backend.stacks.dao import StackDAO, StackServiceDAO
from backend.stacks.models import Stack


async def locked(session: AsyncSession, stack_id: UUID, principal: Principal, permission: str) -> Stack:
    """The stack and its services under lock: 404 for what is not theirs, 403 for too weak a role."""
    stack = await StackDAO(session).readable(stack_id, tuple(principal.projects), lock=True)
    if stack is None:
        raise NotFound("There is no such stack.")
    if not principal.may(permission, stack.project_id):
        raise not_enough()
    if stack.deleted_at is not None:
        raise Conflict("The stack is being deleted.", code="stack_deleting")
    for service in await StackServiceDAO(session).services(stack.id, lock=True):
        if service.status == ServiceStatus.DELETING:
            raise Conflict("A service of the stack is being deleted.", code="service_deleting")
    return stack


async def deploy(session: AsyncSession, stack: Stack, user_id: UUID) -> list[Job]:
    """Try again what did not go live. Raises `Conflict` if there is no such thing."""
    rows = await StackServiceDAO(session).standings(stack.id)
    parts = {row.part for row in rows if waiting.behind(row)} - membership.dropped(stack, rows)
    if not parts:
        raise Conflict("All services of the stack are deployed, or on their way.", code="nothing_to_deploy")
    await ordering.record(session, stack, Action.STACK_DEPLOYED, after={"parts": sorted(parts)})
    return [job for _, _, job in await waiting.deploy(session, stack.id, parts, user_id, "manual")]


async def reveal(session: AsyncSession, stack: Stack, name: str) -> str:
    value = rendering.opened(stack).get(f"secret.{name}")
    if value is None:
        raise NotFound("The stack has no such secret.")
    await ordering.record(session, stack, Action.STACK_SECRET_REVEALED, after={"name": name})
    return value


async def delete(session: AsyncSession, stack: Stack, user_id: UUID, name: str) -> list[Job]:
    """With all services, their volumes and secrets. `name` proves that it is meant."""
    if name != stack.name:
        message = "Type the stack's name to delete it and all its data."
        raise invalid_field(["body", "name"], message, "name_differs")
    services = await StackServiceDAO(session).services(stack.id)
    stack.deleted_at, stack.sealed = now(), None
    await ordering.record(session, stack, Action.STACK_DELETED)
    # What needs others goes first.
    return [await lifecycle.delete(session, service, user_id) for service in reversed(services)]
