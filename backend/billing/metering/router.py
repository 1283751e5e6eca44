"""`/api/v1/projects/{project_id}/billing/usage` and `…/forecast`, `/api/v1/admin/billing/runs`."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from backend.billing.metering import costs, reports
from backend.billing.metering.schemas import Forecast, RunKind, RunStateName, RunView, TracedCharge, UsageView
from backend.billing.runs.views import RUNS
from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.database import now
from backend.exceptions import invalid_field
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.projects.access import reachable
from backend.roles.permissions import ADMIN_BILLING, BILLING_READ
from backend.utils.dates import Day
from backend.utils.http import Cursor, Size, json_answer, json_bytes

router = APIRouter(prefix="/api/v1/projects/{project_id}/billing", tags=["billing"])
admin = APIRouter(prefix="/api/v1/admin/billing", tags=["admin"])

LONGEST_DAYS = 366
RunSort = Literal["started_at", "-started_at"]
Administrator = Annotated[Principal, Depends(require(ADMIN_BILLING))]
Reader = Annotated[Principal, Depends(require(BILLING_READ))]
CSV: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A row for each charge, oldest first, amounts with the currency's decimals.",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}


async def _own_project(project_id: UUID, session: SessionDep, principal: Reader) -> UUID:
    await reachable(session, principal, BILLING_READ, project_id)
    return project_id


OwnProject = Annotated[UUID, Depends(_own_project)]
Period = tuple[date, date]


async def _period(
    parts: PartsDep,
    since: Annotated[Day | None, Query(description="From this day on; this month's first if none.")] = None,
    until: Annotated[Day | None, Query(description="To this day, itself included; today if none.")] = None,
) -> Period:
    """Days in the time zone of billing."""
    last = until or now().astimezone(ZoneInfo(parts.settings.billing_time_zone)).date()
    first = since or last.replace(day=1)
    if not timedelta() <= last - first < timedelta(days=LONGEST_DAYS):
        message = f"must not be after the last day, nor more than {LONGEST_DAYS} days before it"
        raise invalid_field(["query", "since"], f"The first day {message}.", "period_invalid")
    return first, last


Days = Annotated[Period, Depends(_period)]


@router.get(
    "/usage",
    operation_id="billing_usage_get",
    summary="What was used and spent, by day and service",
    response_model=UsageView,
    responses=problems(401, 403, 404, 422),
)
async def billing_usage_get(
    project_id: OwnProject, session: SessionDep, days: Days, service_id: UUID | None = None
) -> Response:
    """Today's part is up to the last full hour; it is taken from the balance once the day is over."""
    return json_answer(await reports.spending(session, project_id, *days, service_id))


@router.get(
    "/usage.csv",
    operation_id="billing_usage_export",
    summary="What was used and spent, as CSV",
    response_class=Response,
    responses={**CSV, **problems(401, 403, 404, 422)},
)
async def billing_usage_export(
    project_id: OwnProject, session: SessionDep, days: Days, service_id: UUID | None = None
) -> Response:
    """A line for each charge, amounts with the currency's decimals; in UTF-8 with a byte order mark."""
    body = await reports.as_csv(session, project_id, *days, service_id)
    name = f"usage-{days[0]:%Y-%m-%d}-{days[1]:%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(body, media_type="text/csv; charset=utf-8", headers=headers)


@router.get(
    "/usage/charges/{charge_id}",
    operation_id="billing_usage_trace",
    summary="How a charge came about",
    response_model=TracedCharge,
    responses=problems(401, 403, 404, 422),
)
async def billing_usage_trace(
    project_id: UUID, charge_id: UUID, session: SessionDep, principal: Reader
) -> Response:
    """The time that it is for, and for each piece of it the change of the service that began it."""
    await reachable(session, principal, BILLING_READ, project_id)
    return json_answer(await reports.traced(session, project_id, charge_id))


@router.get(
    "/forecast",
    operation_id="billing_forecast_get",
    summary="What runs costs, and how long the balance lasts",
    response_model=Forecast,
    responses=problems(401, 403, 404, 422),
)
async def billing_forecast_get(
    project_id: OwnProject, session: SessionDep, service_id: UUID | None = None
) -> Response:
    """By service too; `service_id` lists that one alone, the sums stay the project's."""
    return json_answer(await costs.of_project(session, project_id, service_id))


@admin.get(
    "/runs",
    operation_id="admin_billing_runs_list",
    summary="Runs of billing's periodic tasks",
    response_model=Page[RunView],
    responses=problems(400, 401, 403, 422),
)
async def admin_billing_runs_list(
    parts: PartsDep,
    _: Administrator,
    kind: RunKind | None = None,
    state: RunStateName | None = None,
    sort: RunSort = "-started_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Of those that found nothing to do only the last of each kind is kept."""
    query = ListQuery(sort, size, cursor, {"kind": kind, "state": state})
    return json_bytes(await RUNS.page(await parts.database.reader(), query))
