"""What can be ordered, for everyone to see."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from backend.catalogue import loading, schemas
from backend.context import PartsDep, SessionDep

router = APIRouter(prefix="/api/v1", tags=["catalogue"])


@router.get("/plans", operation_id="plans_list", summary="Plans", response_model=schemas.Plans)
async def plans(session: SessionDep) -> dict[str, Any]:
    """How much a service may take, and its price per month."""
    return {"items": await loading.Plans(session).offered()}


@router.get(
    "/templates", operation_id="templates_list", summary="Templates", response_model=schemas.Templates
)
async def templates(session: SessionDep, parts: PartsDep) -> dict[str, Any]:
    """What a service can be made from, public examples among them."""
    offered = await loading.Templates(session).offered()
    return {"items": offered, "apps_url": parts.settings.apps_url}
