"""What a service that belongs to a stack is not asked for by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from backend.exceptions import Conflict
from backend.services.models import Service
from backend.stacks.dao import StackServiceDAO
from backend.stacks.library import library
from backend.stacks.models import Stack


async def refuse_member(session: AsyncSession, service: Service) -> None:
    """Raises `Conflict`: what others of its stack need is deleted with all of them."""
    found = await StackServiceDAO(session).stack_of(service.id)
    if found is None or is_dropped(found.Stack, found.part):
        return
    message = f"It belongs to the stack {found.Stack.name}: delete that, with all its services."
    raise Conflict(message, code="service_of_stack", parameters={"stack": found.Stack.name})


def is_dropped(stack: Stack, part: str) -> bool:
    """Whether the version that the stack has by now is without it. Not if the version's file is gone."""
    blueprint = library().get(stack.template_id, stack.version)
    return blueprint is not None and part not in blueprint.services


def dropped(stack: Stack, rows: Sequence[Row[Any]]) -> set[str]:
    return {row.part for row in rows if is_dropped(stack, row.part)}
