"""How the installation is: for load balancers, and for the operator's first look."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.exceptions import Unavailable
from backend.monitoring import overview
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.roles.permissions import ADMIN_OVERVIEW
from backend.utils.http import json_answer

router = APIRouter(prefix="/api/v1", tags=["system"])
admin = APIRouter(prefix="/api/v1/admin", tags=["admin"])
Administrator = Annotated[Principal, Depends(require(ADMIN_OVERVIEW))]


class Health(BaseModel):
    status: str = Field(examples=["ok"])


class Part(BaseModel):
    name: str = Field(examples=["postgres"])
    state: str = Field(examples=["up"])


class CautionView(BaseModel):
    code: str = Field(description="Stable, for programs.", examples=["shared_machine"])
    message: str = Field(description="The same in English.", examples=["Apps share this machine's network."])


class EngineView(BaseModel):
    name: str = Field(examples=["process"])
    isolation: str = Field(description="What keeps apps apart.", examples=["bubblewrap"])
    warnings: list[CautionView] = Field(description="What the operator should know of it.")


class Delivery(BaseModel):
    """`missing`: what is written waits, for a day; `console`: the worker prints it (development)."""

    email: Literal["configured", "missing"]
    sms: Literal["configured", "console", "missing"]


class Overview(BaseModel):
    services: dict[str, int] = Field(description="By status.", examples=[{"running": 12}])
    jobs: dict[str, int] = Field(description="By state.", examples=[{"succeeded": 40, "failed": 1}])
    letters: dict[str, int] = Field(description="By state.", examples=[{"sent": 9}])
    delivery: Delivery
    payable: bool | None = Field(
        description="Whether customers are told of any way to pay; null where nothing is charged."
    )
    users: int = Field(examples=[7])
    engine: EngineView
    parts: list[Part]


@router.get("/health", operation_id="system_health", summary="The API lives", response_model=Health)
async def health() -> dict[str, Any]:
    """Answers without asking anything else."""
    return {"status": "ok"}


@router.get(
    "/ready",
    operation_id="system_ready",
    summary="The API can work",
    response_model=Health,
    responses=problems(503),
)
async def ready(parts: PartsDep) -> dict[str, Any]:
    """503 while the database or the broker does not answer."""
    states = await asyncio.gather(overview.database_state(parts), overview.redis_state(parts))
    if any(state != "up" for state in states):
        raise Unavailable("The database or the broker does not answer.")
    return {"status": "ok"}


@admin.get(
    "/overview",
    operation_id="admin_overview",
    summary="The installation at a glance",
    response_model=Overview,
    responses=problems(401, 403),
)
async def admin_overview(parts: PartsDep, session: SessionDep, _: Administrator) -> Response:
    """Counts by state, how the engine isolates, and which parts answer."""
    return json_answer(await overview.overview(parts, session))
