"""`/api/v1/admin/billing`: prices, coupons and tax rates."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from backend.billing.prices import coupon_editing, editing, tax_editing
from backend.billing.prices import schemas as s
from backend.billing.prices.views import COUPONS, price_list, shape_coupon, shape_rate, tax_rates
from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.database import now
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.roles.permissions import ADMIN_BILLING, ADMIN_BILLING_WRITE
from backend.utils.http import Cursor, Size, json_answer, json_bytes

admin = APIRouter(prefix="/api/v1/admin/billing", tags=["admin"])

Reader = Annotated[Principal, Depends(require(ADMIN_BILLING))]
Editor = Annotated[Principal, Depends(require(ADMIN_BILLING_WRITE, recent=True))]


@admin.get(
    "/prices",
    operation_id="admin_prices_list",
    summary="Prices and their versions",
    response_model=s.PriceList,
    responses=problems(401, 403),
)
async def admin_prices_list(session: SessionDep, _: Reader) -> Response:
    """Of every plan and add-on, in every currency: to come, present and past."""
    return json_answer(await price_list(session))


@admin.post(
    "/prices",
    status_code=201,
    operation_id="admin_prices_create",
    summary="Set a price",
    response_model=s.PriceList,
    responses=problems(401, 403, 409, 422),
)
async def admin_prices_create(body: s.PriceIn, session: SessionDep, _: Editor) -> Response:
    """A new version, from now on or from a moment to come. Who has an earlier one keeps it or moves."""
    item = body.plan_id or body.addon_id
    assert item is not None
    wanted = editing.Version(
        item,
        body.currency,
        body.month_minor,
        body.setup_minor,
        body.valid_from or now(),
        body.existing,
        body.moves_at,
        addon=body.addon_id is not None,
    )
    await editing.add_version(session, wanted)
    return json_answer(await price_list(session), 201)


@admin.delete(
    "/prices/{price_id}",
    status_code=204,
    operation_id="admin_prices_withdraw",
    summary="Withdraw a price",
    responses=problems(401, 403, 404, 409, 422),
)
async def admin_prices_withdraw(price_id: UUID, session: SessionDep, _: Editor) -> None:
    """One to come is forgotten; with the present one, it is sold in this currency no more."""
    await editing.withdraw(session, price_id)


@admin.get(
    "/coupons",
    operation_id="admin_coupons_list",
    summary="Coupons",
    response_model=Page[s.CouponView],
    responses=problems(400, 401, 403, 422),
)
async def admin_coupons_list(
    parts: PartsDep,
    _: Reader,
    code: Annotated[str | None, Query(max_length=40, pattern=r"^[A-Z0-9-]*$")] = None,
    sort: Literal["created_at", "-created_at"] = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """How often each was used, and may be."""
    pool = await parts.database.reader()
    return json_bytes(await COUPONS.page(pool, ListQuery(sort, size, cursor, {"code": code})))


@admin.post(
    "/coupons",
    status_code=201,
    operation_id="admin_coupons_create",
    summary="Make a coupon",
    response_model=s.CouponView,
    responses=problems(401, 403, 409, 422),
)
async def admin_coupons_create(body: s.CouponIn, session: SessionDep, _: Editor) -> Response:
    """What it takes off never changes: a mistake is taken back, and another coupon made."""
    return json_answer(shape_coupon(await coupon_editing.create(session, body)), 201)


@admin.delete(
    "/coupons/{coupon_id}",
    status_code=204,
    operation_id="admin_coupons_end",
    summary="Take a coupon back",
    responses=problems(401, 403, 404, 409, 422),
)
async def admin_coupons_end(coupon_id: UUID, session: SessionDep, _: Editor) -> None:
    """Nobody may use it any more. Services that were ordered with it keep their prices."""
    await coupon_editing.end(session, coupon_id)


@admin.get(
    "/tax-rates",
    operation_id="admin_tax_rates_list",
    summary="Tax rates",
    response_model=s.TaxRates,
    responses=problems(401, 403),
)
async def admin_tax_rates_list(session: SessionDep, _: Reader) -> Response:
    """Standard rates by country, and how the installation taxes."""
    return json_answer(await tax_rates(session))


@admin.post(
    "/tax-rates",
    status_code=201,
    operation_id="admin_tax_rates_create",
    summary="Add a tax rate",
    response_model=s.TaxRateView,
    responses=problems(401, 403, 409, 422),
)
async def admin_tax_rates_create(body: s.TaxRateIn, session: SessionDep, _: Editor) -> Response:
    """It follows the country's present one from a moment on; what was charged before stays as it was."""
    rate = await tax_editing.add(session, body)
    state = "coming" if rate.valid_from > now() else "present"
    return json_answer({**shape_rate(rate), "state": state}, 201)


@admin.delete(
    "/tax-rates/{rate_id}",
    status_code=204,
    operation_id="admin_tax_rates_remove",
    summary="Remove a tax rate to come",
    responses=problems(401, 403, 404, 409, 422),
)
async def admin_tax_rates_remove(rate_id: UUID, session: SessionDep, _: Editor) -> None:
    """One in force stays: taxes were charged by it."""
    await tax_editing.remove(session, rate_id)
