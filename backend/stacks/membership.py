"""What a service that belongs to a stack is not asked for by itself."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from backend.exceptions import Conflict
from backend.services.models import Service
from backend.stacks.dao import StackServiceDAO


async def refuse_member(session: AsyncSession, service: Service) -> None:
    """Raises `Conflict`: what others of its stack need is deleted with all of them."""
    stack = await StackServiceDAO(session).stack_of(service.id)
    if stack is not None:
        message = f"It belongs to the stack {stack.name}: delete that, with all its services."
        raise Conflict(message, code="service_of_stack", parameters={"stack": stack.name})
