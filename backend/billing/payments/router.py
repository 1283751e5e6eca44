"""`/api/v1/projects/{project_id}/billing/…`: how a project pays."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.responses import Response

from backend.billing.payments import accepting, auto_top_up, methods, reading, receipt, transfers
from backend.billing.payments import schemas as s
from backend.billing.payments.accepting import Wanted
from backend.billing.payments.auto_top_up import Wish
from backend.billing.payments.views import PAYMENTS, payment_of, shape_payment
from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.dao.read import shaped
from backend.exceptions import NotFound
from backend.jobs.idempotency import Answer, OnceDep
from backend.oauth.principal import Principal, require
from backend.openapi import WORK, problems
from backend.projects.access import reachable
from backend.roles.permissions import BILLING_READ, BILLING_WRITE
from backend.utils.http import Cursor, Size, job_location, json_answer, json_bytes

router = APIRouter(prefix="/api/v1/projects/{project_id}/billing", tags=["billing"])

Reader = Annotated[Principal, Depends(require(BILLING_READ))]
Payer = Annotated[Principal, Depends(require(BILLING_WRITE))]
_FILE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
RECEIPT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The receipt as it is printed, PDF/A.", "content": {"application/pdf": _FILE}}
}
PaymentSort = Literal["created_at", "-created_at"]


async def _read(project_id: UUID, session: SessionDep, principal: Reader) -> UUID:
    await reachable(session, principal, BILLING_READ, project_id)
    return project_id


async def _paid(project_id: UUID, session: SessionDep, principal: Payer) -> UUID:
    await reachable(session, principal, BILLING_WRITE, project_id)
    return project_id


ReadProject = Annotated[UUID, Depends(_read)]
PaidProject = Annotated[UUID, Depends(_paid)]


@router.get(
    "/payment-options",
    operation_id="payment_options_get",
    summary="How to pay",
    response_model=s.PaymentOptions,
    responses=problems(401, 403, 404, 422),
)
async def payment_options_get(
    project_id: ReadProject, session: SessionDep, parts: PartsDep, principal: Reader
) -> Response:
    """What the operator takes, in which currency and between which amounts."""
    offered = await accepting.offered(session, parts.settings, project_id)
    may_write = BILLING_WRITE in principal.permissions and principal.acting_id is None
    bank = await transfers.instructions(session, parts.settings, project_id, may_write=may_write)
    return json_answer(offered | {"bank": bank})


@router.get(
    "/payments",
    operation_id="payments_list",
    summary="Payments",
    response_model=Page[s.PaymentView],
    responses=problems(400, 401, 403, 404, 422),
)
async def payments_list(
    project_id: ReadProject,
    parts: PartsDep,
    state: s.StateName | None = None,
    sort: PaymentSort = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Of the project, newest first."""
    filters: dict[str, Any] = {"project_id": project_id, "state": state}
    pool = await parts.database.reader()
    return json_bytes(await PAYMENTS.page(pool, ListQuery(sort, size, cursor, filters)))


@router.post(
    "/payments",
    operation_id="payments_create",
    summary="Top up",
    status_code=202,
    response_model=s.PaymentAccepted,
    responses=WORK | problems(401, 403, 404, 409, 422),
)
async def payments_create(
    wanted: s.PaymentIn,
    project_id: PaidProject,
    session: SessionDep,
    parts: PartsDep,
    principal: Payer,
    once: OnceDep,
) -> Response:
    """The job that `Location` names asks the gateway. Once it has succeeded, the payment is
    `requires_action`, with the address where the customer pays or confirms, or it is paid already.
    """

    async def work() -> Answer:
        asked = Wanted(**wanted.model_dump())
        payment, job = await accepting.accept(session, parts.settings, project_id, principal.user_id, asked)
        body = await shaped(session, payment_of(payment.id), shape_payment)
        return Answer({"payment_id": payment.id, "job_id": job.id, "payment": body}, job_location(job.id))

    return await once(session, principal.user_id, work)


@router.get(
    "/payments/{payment_id}",
    operation_id="payments_get",
    summary="A payment",
    response_model=s.PaymentView,
    responses=problems(401, 403, 404, 422),
)
async def payments_get(
    payment_id: UUID, project_id: UUID, principal: Reader, session: SessionDep
) -> Response:
    """How far it is."""
    await _read(project_id, session, principal)
    found = await shaped(session, payment_of(payment_id, project_id), shape_payment)
    if found is None:
        raise NotFound("There is no such payment.")
    return json_answer(found)


@router.get(
    "/payments/{payment_id}/receipt",
    operation_id="payments_receipt",
    summary="The receipt of a payment, as PDF",
    response_class=Response,
    responses={**RECEIPT, **problems(401, 403, 404, 422)},
)
async def payments_receipt(
    payment_id: UUID, project_id: UUID, principal: Reader, parts: PartsDep
) -> Response:
    """In the language of the project's invoices; 404 for a payment that did not succeed."""
    # Not the request's transaction, which would stay open while the file is made.
    async with parts.database.transaction() as session:
        await reachable(session, principal, BILLING_READ, project_id)
    made = await receipt.paper(parts.database, parts.settings, payment_id, project_id)
    headers = {
        "Content-Disposition": f'attachment; filename="receipt-{payment_id}.pdf"',
        "Cache-Control": "no-store",
    }
    return Response(made, media_type="application/pdf", headers=headers)


@router.get(
    "/payment-methods",
    operation_id="payment_methods_list",
    summary="Saved payment methods",
    response_model=s.MethodList,
    responses=problems(401, 403, 404, 422),
)
async def payment_methods_list(project_id: ReadProject, session: SessionDep) -> Response:
    """What may be charged again; the gateway keeps it, the panel only knows its last digits."""
    return json_answer({"items": await methods.listed(session, project_id)})


@router.post(
    "/payment-methods",
    operation_id="payment_methods_create",
    summary="Save a payment method",
    status_code=202,
    response_model=s.SetupAccepted,
    responses=WORK | problems(401, 403, 404, 409, 422),
)
async def payment_methods_create(
    wanted: s.MethodIn,
    project_id: PaidProject,
    session: SessionDep,
    parts: PartsDep,
    principal: Payer,
    once: OnceDep,
) -> Response:
    """Without a payment. Once the job has succeeded, the set-up names the gateway's page."""

    async def work() -> Answer:
        setup, job = await accepting.set_up(
            session, parts.settings, project_id, principal.user_id, wanted.gateway
        )
        return Answer({"setup_id": setup.id, "job_id": job.id}, job_location(job.id))

    return await once(session, principal.user_id, work)


@router.get(
    "/payment-method-setups/{setup_id}",
    operation_id="payment_method_setups_get",
    summary="A payment method that is being saved",
    response_model=s.SetupView,
    responses=problems(401, 403, 404, 422),
)
async def payment_method_setups_get(
    setup_id: UUID, project_id: UUID, principal: Reader, session: SessionDep
) -> Response:
    """How far it is, and where it goes on."""
    await _read(project_id, session, principal)
    return json_answer(await reading.setup(session, project_id, setup_id))


@router.patch(
    "/payment-methods/{method_id}",
    operation_id="payment_methods_update",
    summary="Prefer a payment method",
    response_model=s.MethodView,
    responses=problems(401, 403, 404, 422),
)
async def payment_methods_update(
    method_id: UUID, _: s.MethodPatch, project_id: UUID, principal: Payer, session: SessionDep
) -> Response:
    """It is offered first from now on."""
    await _paid(project_id, session, principal)
    return json_answer(await methods.prefer(session, project_id, method_id))


@router.delete(
    "/payment-methods/{method_id}",
    operation_id="payment_methods_delete",
    summary="Remove a payment method",
    status_code=204,
    responses=problems(401, 403, 404, 409, 422),
)
async def payment_methods_delete(
    method_id: UUID, project_id: UUID, principal: Payer, session: SessionDep
) -> None:
    """Here at once, at the gateway a moment later. 409 while automatic top-up uses it."""
    await _paid(project_id, session, principal)
    await methods.remove(session, project_id, method_id)


@router.get(
    "/auto-top-up",
    operation_id="auto_top_up_get",
    summary="Automatic top-up",
    response_model=s.AutoTopUp,
    responses=problems(401, 403, 404, 422),
)
async def auto_top_up_get(project_id: ReadProject, session: SessionDep, parts: PartsDep) -> Response:
    """What was wished for, and whether it has stopped."""
    return json_answer({"auto_top_up": await auto_top_up.shown(session, parts.settings, project_id)})


@router.put(
    "/auto-top-up",
    operation_id="auto_top_up_set",
    summary="Set automatic top-up",
    response_model=s.AutoTopUpView,
    responses=problems(401, 403, 404, 422),
)
async def auto_top_up_set(
    wanted: s.AutoTopUpIn,
    project_id: PaidProject,
    session: SessionDep,
    parts: PartsDep,
    principal: Payer,
) -> Response:
    """When the balance falls below the threshold, the method is charged without anybody being asked."""
    wish = Wish(**wanted.model_dump())
    await auto_top_up.put(session, parts.settings, project_id, principal.user_id, wish)
    return json_answer(await auto_top_up.shown(session, parts.settings, project_id))


@router.delete(
    "/auto-top-up",
    operation_id="auto_top_up_remove",
    summary="Switch automatic top-up off",
    status_code=204,
    responses=problems(401, 403, 404, 422),
)
async def auto_top_up_remove(project_id: PaidProject, session: SessionDep) -> None:
    """A payment that is under way is not called off by it."""
    await auto_top_up.remove(session, project_id)
