"""What something would cost, and the coupons of a project."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from backend.billing.prices import quoting
from backend.billing.prices import schemas as s
from backend.billing.prices.views import REDEMPTIONS
from backend.catalogue.loading import Plans
from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.exceptions import NotFound, invalid_field
from backend.oauth.identity import identity_of
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.projects.access import not_enough, reachable
from backend.roles.permissions import BILLING_READ
from backend.services.access import project_to_order_in
from backend.services.dao import ServiceDAO
from backend.services.schemas import CatalogueId
from backend.utils.http import Cursor, Size, json_answer, json_bytes

router = APIRouter(prefix="/api/v1", tags=["billing"])

LARGEST_QUANTITY = 1_000_000
Reader = Annotated[Principal, Depends(require(BILLING_READ))]


@router.get(
    "/orders/preview",
    operation_id="orders_preview",
    summary="What an order would cost",
    response_model=s.Quote,
    responses=problems(401, 403, 404, 422, 429),
)
async def orders_preview(
    request: Request,
    session: SessionDep,
    principal: Reader,
    plan_id: Annotated[
        CatalogueId | None, Query(description="Without it, the first of the catalogue.")
    ] = None,
    project_id: UUID | None = None,
    coupon: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """Per hour and month, set-up, discount, tax, and what would be held of the balance now."""
    chosen = project_to_order_in(principal, project_id)
    if not principal.may(BILLING_READ, chosen):
        raise not_enough()
    if coupon:
        await identity_of(request.app).limits.check("coupon", account=str(principal.user_id))
    offered = [plan["id"] for plan in await Plans(session).offered()]
    wanted = plan_id or next(iter(offered), None)
    if wanted not in offered or wanted is None:
        raise invalid_field(["query", "plan_id"], "There is no such plan.", "plan_unknown")
    return json_answer(await quoting.of_order(session, chosen, principal.user_id, wanted, coupon))


@router.get(
    "/services/{service_id}/plan-preview",
    operation_id="services_plan_preview",
    summary="What a plan would cost the service",
    response_model=s.Quote,
    responses=problems(401, 403, 404, 409, 422),
)
async def services_plan_preview(
    service_id: UUID,
    session: SessionDep,
    principal: Reader,
    plan_id: Annotated[CatalogueId | None, Query(description="Without it, the service's own.")] = None,
) -> Response:
    """With its discount, and what would be held of the balance now."""
    service = await ServiceDAO(session).readable(service_id, tuple(principal.projects))
    if service is None or not principal.may(BILLING_READ, service.project_id):
        raise NotFound("There is no such service.")
    wanted = plan_id or service.plan_id
    if await Plans(session).get(wanted) is None:
        raise invalid_field(["query", "plan_id"], "There is no such plan.", "plan_unknown")
    return json_answer(await quoting.of_plan(session, service, wanted))


@router.get(
    "/services/{service_id}/addition-preview",
    operation_id="services_addition_preview",
    summary="What more of something would cost the service",
    response_model=s.AdditionQuote,
    responses=problems(401, 403, 404, 409, 422),
)
async def services_addition_preview(
    service_id: UUID,
    session: SessionDep,
    principal: Reader,
    item: Annotated[
        Literal["units", "volume", "address", "backup"],
        Query(description="An add-on, or further units: processes that run beside the first."),
    ] = "units",
    quantity: Annotated[int, Query(ge=1, le=LARGEST_QUANTITY)] = 1,
) -> Response:
    """Per hour and month, and what would be held of the balance now."""
    service = await ServiceDAO(session).readable(service_id, tuple(principal.projects))
    if service is None or not principal.may(BILLING_READ, service.project_id):
        raise NotFound("There is no such service.")
    return json_answer(await quoting.of_addition(session, service, item, quantity))


@router.get(
    "/projects/{project_id}/billing/coupons",
    operation_id="coupons_list",
    summary="Coupons in use",
    response_model=Page[s.RedemptionView],
    responses=problems(400, 401, 403, 404, 422),
)
async def coupons_list(
    project_id: UUID,
    session: SessionDep,
    parts: PartsDep,
    principal: Reader,
    sort: Literal["redeemed_at", "-redeemed_at"] = "-redeemed_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Which services of the project were ordered with which coupon, and until when it lowers their price."""
    await reachable(session, principal, BILLING_READ, project_id)
    filters = {"project_id": str(project_id)}
    pool = await parts.database.reader()
    return json_bytes(await REDEMPTIONS.page(pool, ListQuery(sort, size, cursor, filters)))
