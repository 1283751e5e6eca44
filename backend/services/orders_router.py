"""Orders: how a service comes to be."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.dao.read import shaped
from backend.jobs.idempotency import Answer, OnceDep
from backend.oauth.identity import identity_of
from backend.openapi import WORK, problems
from backend.roles.permissions import SERVICES_READ
from backend.services import ordering
from backend.services import schemas as s
from backend.services.access import Reader, Writer, project_to_order_in
from backend.services.views import ORDERS, deployment_of, service_of, shape_deployment, shape_service
from backend.sources import choosing
from backend.utils.http import Cursor, Size, job_location, json_bytes

router = APIRouter(prefix="/api/v1", tags=["services"])


@router.post(
    "/orders",
    operation_id="orders_create",
    summary="Order a service",
    status_code=202,
    response_model=s.OrderAccepted,
    responses=WORK | problems(401, 403, 404, 409, 422, 429),
)
async def orders_create(
    wanted: s.OrderIn,
    request: Request,
    session: SessionDep,
    parts: PartsDep,
    principal: Writer,
    once: OnceDep,
) -> Response:
    """Makes the service and starts its first deployment; follow the job named by `Location`."""
    project_id = project_to_order_in(principal, wanted.project_id)
    choosing.require_images(parts.engine, wanted.source)
    if wanted.coupon:
        await identity_of(request.app).limits.check("coupon", account=str(principal.user_id))

    async def work() -> Answer:
        order, service, deployment, job = await ordering.place(
            session, parts.settings, project_id, principal.user_id, wanted
        )
        body = {
            "order_id": order.id,
            "job_id": job.id,
            "service_id": service.id,
            "deployment_id": deployment.id,
            "service": await shaped(session, service_of(service.id), shape_service),
            "deployment": await shaped(session, deployment_of(deployment.id), shape_deployment),
        }
        return Answer(body, job_location(job.id))

    return await once(session, principal.user_id, work)


@router.get(
    "/orders",
    operation_id="orders_list",
    summary="Orders",
    response_model=Page[s.OrderView],
    responses=problems(400, 401, 403, 422),
)
async def orders_list(
    parts: PartsDep,
    principal: Reader,
    sort: Literal["created_at", "-created_at"] = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """What was ordered in your projects, and at which price."""
    filters = {"project_ids": principal.project_ids(SERVICES_READ)}
    return json_bytes(
        await ORDERS.page(await parts.database.reader(), ListQuery(sort, size, cursor, filters))
    )
