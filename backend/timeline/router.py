"""The timeline of a service."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi import Query as QueryParameter
from pydantic import BaseModel, Field
from starlette.responses import Response

from backend.context import PartsDep
from backend.dao.listing import Page, Query
from backend.openapi import problems
from backend.services.access import ReadableService
from backend.timeline.views import EVENTS
from backend.utils.http import Cursor, Size, json_bytes

router = APIRouter(prefix="/api/v1", tags=["services"])


class ServiceEventView(BaseModel):
    id: UUID
    at: datetime
    kind: str = Field(
        description="What was done (deployed, scaled, restarted, suspended, …), or what became of it: "
        "live, failed, exited, crashed, recovered.",
        examples=["exited"],
    )
    deployment_id: UUID | None
    process: str | None = Field(description="Of `exited`: whose unit it was.", examples=["web"])
    replica: int | None = Field(examples=[1])
    reason_code: str | None = Field(examples=["unit_exited"])
    reason: str | None = Field(examples=["It ended with exit status 1."])
    reason_parameters: dict[str, str | int] | None = Field(examples=[{"because": "exit_1", "exit_status": 1}])


EventSort = Annotated[Literal["-at", "at"], QueryParameter()]


@router.get(
    "/services/{service_id}/events",
    operation_id="services_events",
    summary="What happened to a service",
    response_model=Page[ServiceEventView],
    responses=problems(400, 401, 403, 404, 422),
)
async def services_events(
    service: ReadableService, parts: PartsDep, cursor: Cursor = None, size: Size = 20, sort: EventSort = "-at"
) -> Response:
    """What was done to it, when its units ended and why, and what became of its deployments."""
    query = Query(sort, size, cursor, {"service_id": service["id"]})
    return json_bytes(await EVENTS.page(await parts.database.reader(), query))
