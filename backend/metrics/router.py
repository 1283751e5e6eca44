"""What services take of the machines."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.exceptions import Conflict
from backend.metrics import series
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.roles.permissions import ADMIN_OVERVIEW
from backend.services.access import ReadableService
from backend.utils.http import json_answer

router = APIRouter(prefix="/api/v1", tags=["services"])
admin = APIRouter(prefix="/api/v1/admin", tags=["admin"])
Administrator = Annotated[Principal, Depends(require(ADMIN_OVERVIEW))]

Points = list[float | None]


class MetricsOfUnit(BaseModel):
    """One value for each of `at`; null where nothing was measured."""

    process: str | None = Field(description="Null for the sum of all units.", examples=["web"])
    replica: int | None = Field(examples=[1])
    cpu_millis: Points = Field(description="Thousandths of a core, on average.", examples=[[12.5, 14.0]])
    cpu_peak: Points = Field(examples=[[20.1, 31.5]])
    memory_bytes: Points = Field(description="On average.", examples=[[67108864, 67108864]])
    memory_peak: Points = Field(examples=[[67108864, 70254592]])
    received: Points = Field(
        description="Bytes a second; null where units share the machine's network.", examples=[[120.0, 90.5]]
    )
    sent: Points = Field(examples=[[480.0, 360.2]])


class PresentMetrics(BaseModel):
    process: str = Field(examples=["web"])
    replica: int = Field(examples=[1])
    cpu_millis: float | None = Field(examples=[12.5])
    memory_bytes: int = Field(examples=[67108864])
    memory_limit: int | None = Field(
        description="What the kernel holds the unit to, where it does so for a unit as a whole.",
        examples=[268435456],
    )
    received: float | None = Field(examples=[120.0])
    sent: float | None = Field(examples=[480.0])


class MetricLimits(BaseModel):
    """Of one unit, by the plan."""

    memory_bytes: int | None = Field(examples=[268435456])
    cpu_millis: int | None = Field(examples=[250])


class ServiceMetrics(BaseModel):
    range: str = Field(examples=["24h"])
    step: int = Field(description="Seconds between two points.", examples=[300])
    at: list[int] = Field(description="Unix times of the points.", examples=[[1795340400, 1795340700]])
    series: list[MetricsOfUnit]
    now: list[PresentMetrics] = Field(description="Of each unit that was measured in the last minute.")
    limits: MetricLimits


class ServiceUse(BaseModel):
    service_id: UUID
    name: str = Field(examples=["tide-tables"])
    units: int = Field(examples=[2])
    cpu_millis: float = Field(examples=[31.5])
    memory_bytes: int = Field(examples=[134217728])
    received: float = Field(examples=[120.0])
    sent: float = Field(examples=[480.0])


class InstallationUse(BaseModel):
    services: int = Field(description="That were measured in the last minute.", examples=[12])
    units: int = Field(examples=[17])
    cpu_millis: float = Field(examples=[812.5])
    memory_bytes: int = Field(examples=[3221225472])
    received: float = Field(description="Bytes a second.", examples=[51200.0])
    sent: float = Field(examples=[204800.0])
    by_memory: list[ServiceUse] = Field(description="Who takes most of it.")
    by_cpu: list[ServiceUse]


@router.get(
    "/services/{service_id}/metrics",
    operation_id="services_metrics",
    summary="What a service takes",
    response_model=ServiceMetrics,
    responses=problems(401, 403, 404, 409, 422),
)
async def services_metrics(
    service: ReadableService,
    parts: PartsDep,
    session: SessionDep,
    wanted: Annotated[Literal["1h", "24h", "7d", "90d"], Query(alias="range")] = "1h",
    by: Annotated[Literal["sum", "unit"], Query(description="All units together, or each.")] = "sum",
) -> Response:
    """CPU, memory and network of its units, over time and now: some hundred points, whatever the range."""
    if "metrics" not in parts.engine.abilities:
        raise Conflict("This installation's engine measures nothing.", code="not_supported_here")
    found = await series.of_service(session, service["id"], service["plan_id"], wanted, summed=by == "sum")
    return json_answer(found)


@admin.get(
    "/metrics",
    operation_id="admin_metrics",
    summary="What all services take now",
    response_model=InstallationUse,
    responses=problems(401, 403),
)
async def admin_metrics(session: SessionDep, _: Administrator) -> Response:
    """The installation's sum, and who takes most."""
    return json_answer(await series.of_all(session))
