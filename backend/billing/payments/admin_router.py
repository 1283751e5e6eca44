"""`/api/v1/admin/billing/…`: everyone's payments, bank statements, what gateways sent."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.responses import Response

from backend.billing.payments import by_hand, deciding, reading, refunding, transfers
from backend.billing.payments import deciding_schemas as d
from backend.billing.payments import schemas as s
from backend.billing.payments.models import RefundState
from backend.billing.payments.views import BANK_LINES, EVERYONES, MESSAGES
from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.jobs.idempotency import Answer, OnceDep
from backend.oauth.principal import Principal, require
from backend.openapi import WORK, problems
from backend.roles.permissions import ADMIN_BILLING, ADMIN_BILLING_WRITE
from backend.utils.http import Cursor, Size, job_location, json_answer, json_bytes

admin = APIRouter(prefix="/api/v1/admin/billing", tags=["admin"])

Administrator = Annotated[Principal, Depends(require(ADMIN_BILLING))]
Bookkeeper = Annotated[Principal, Depends(require(ADMIN_BILLING_WRITE))]
ProvenBookkeeper = Annotated[Principal, Depends(require(ADMIN_BILLING_WRITE, recent=True))]
PaymentSort = Literal["created_at", "-created_at"]
LineSort = Literal["imported_at", "-imported_at"]
MessageSort = Literal["received_at", "-received_at"]
_PATH = "/api/v1/admin/billing/payments"


@admin.get(
    "/payments",
    operation_id="admin_payments_list",
    summary="Everyone's payments",
    response_model=Page[s.AdminPaymentView],
    responses=problems(400, 401, 403, 422),
)
async def admin_payments_list(
    parts: PartsDep,
    _: Administrator,
    state: s.StateName | None = None,
    gateway: s.GatewayName | None = None,
    project_id: UUID | None = None,
    sort: PaymentSort = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Newest first."""
    filters: dict[str, Any] = {"state": state, "gateway": gateway, "project_id": project_id}
    pool = await parts.database.reader()
    return json_bytes(await EVERYONES.page(pool, ListQuery(sort, size, cursor, filters)))


@admin.post(
    "/payments",
    operation_id="admin_payments_create",
    summary="Enter a payment by hand",
    status_code=201,
    response_model=s.AdminPaymentDetail,
    responses=problems(401, 403, 404, 409, 422),
)
async def admin_payments_create(
    wanted: s.ManualPaymentIn,
    session: SessionDep,
    parts: PartsDep,
    principal: ProvenBookkeeper,
    once: OnceDep,
) -> Response:
    """Money that the operator has already. Needs a recent proof."""

    async def work() -> Answer:
        payment = await by_hand.receive(session, parts.settings, principal.user_id, **wanted.model_dump())
        return Answer(await reading.whole(session, payment.id), f"{_PATH}/{payment.id}", 201)

    return await once(session, principal.user_id, work)


@admin.get(
    "/payments/{payment_id}",
    operation_id="admin_payments_get",
    summary="A payment of anyone",
    response_model=s.AdminPaymentDetail,
    responses=problems(401, 403, 404, 422),
)
async def admin_payments_get(payment_id: UUID, session: SessionDep, _: Administrator) -> Response:
    """With its refunds and disputes."""
    return json_answer(await reading.whole(session, payment_id))


@admin.post(
    "/payments/{payment_id}/refunds",
    operation_id="admin_refunds_create",
    summary="Refund a payment",
    status_code=202,
    response_model=d.RefundAccepted,
    responses=WORK | problems(401, 403, 404, 409, 422),
)
async def admin_refunds_create(
    payment_id: UUID, wanted: d.RefundIn, session: SessionDep, principal: ProvenBookkeeper, once: OnceDep
) -> Response:
    """Whole or in part, never more than is left of it nor more than the balance. What came by bank or by hand
    the operator sends back: it counts at once. Needs a recent proof; `Location` names the job, if there is
    one, else the payment.
    """

    async def work() -> Answer:
        refund, job = await refunding.ask(
            session, payment_id, principal.user_id, wanted.amount, wanted.reason
        )
        body = {
            "refund_id": refund.id,
            "job_id": job.id if job else None,
            "payment": await reading.whole(session, payment_id),
        }
        return Answer(body, job_location(job.id) if job else f"{_PATH}/{payment_id}")

    return await once(session, principal.user_id, work)


@admin.post(
    "/payments/{payment_id}/review",
    operation_id="admin_payments_review",
    summary="Decide about a payment in review",
    status_code=201,
    response_model=d.ReviewAnswer,
    responses=problems(401, 403, 404, 409, 422),
)
async def admin_payments_review(
    payment_id: UUID, wanted: d.ReviewIn, session: SessionDep, principal: ProvenBookkeeper, once: OnceDep
) -> Response:
    """The gateway took another amount than was asked for: it is credited, or given back. Needs a recent
    proof.
    """

    async def work() -> Answer:
        job = await deciding.review(
            *(session, payment_id, principal.user_id, wanted.reason), give_back=wanted.decision == "return"
        )
        body = {"job_id": job.id if job else None, "payment": await reading.whole(session, payment_id)}
        return Answer(body, f"{_PATH}/{payment_id}", 201)

    return await once(session, principal.user_id, work)


@admin.post(
    "/refunds/{refund_id}/end",
    operation_id="admin_refunds_end",
    summary="Say how a refund ended",
    response_model=s.AdminPaymentDetail,
    responses=problems(401, 403, 404, 409, 422),
)
async def admin_refunds_end(
    refund_id: UUID, wanted: d.RefundEnd, session: SessionDep, _: ProvenBookkeeper
) -> Response:
    """For one that the gateway cannot be asked about: sent back otherwise, or not at all. Needs a recent
    proof.
    """
    refund = await deciding.end_refund(session, refund_id, wanted.reason, RefundState(wanted.outcome))
    return json_answer(await reading.whole(session, refund.payment_id))


@admin.get(
    "/bank-lines",
    operation_id="admin_bank_lines_list",
    summary="Lines of bank statements",
    response_model=Page[s.LineView],
    responses=problems(400, 401, 403, 422),
)
async def admin_bank_lines_list(
    parts: PartsDep,
    _: Administrator,
    state: s.LineStateName | None = None,
    sort: LineSort = "-imported_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Newest first; `state=unmatched` for those that wait for a person."""
    pool = await parts.database.reader()
    return json_bytes(await BANK_LINES.page(pool, ListQuery(sort, size, cursor, {"state": state})))


@admin.post(
    "/bank-lines",
    operation_id="admin_bank_lines_create",
    summary="Enter a line of a bank statement",
    status_code=201,
    response_model=s.Imported,
    responses=problems(401, 403, 422),
)
async def admin_bank_lines_create(wanted: s.LineIn, parts: PartsDep, principal: ProvenBookkeeper) -> Response:
    """It becomes a payment if it names a project's reference; a large one when another administrator says so
    too. The same line again changes nothing. Needs a recent proof.
    """
    done = await transfers.enter(parts, principal.user_id, **wanted.model_dump())
    return json_answer(asdict(done), 201)


@admin.post(
    "/bank-statements",
    operation_id="admin_bank_statements_import",
    summary="Import a bank statement",
    response_model=s.Imported,
    responses=problems(401, 403, 422),
)
async def admin_bank_statements_import(
    wanted: s.StatementIn, parts: PartsDep, principal: ProvenBookkeeper
) -> Response:
    """A CSV file. What came in before is passed over, and what went out too; large lines wait for another
    administrator. Needs a recent proof.
    """
    done = await transfers.import_statement(parts, principal.user_id, wanted.csv)
    return json_answer(asdict(done))


@admin.post(
    "/bank-lines/{bank_line_id}/match",
    operation_id="admin_bank_lines_match",
    summary="Say whose a line of a bank statement is",
    response_model=s.LineView,
    responses=problems(401, 403, 404, 409, 422),
)
async def admin_bank_lines_match(
    bank_line_id: UUID,
    wanted: s.LineMatch,
    session: SessionDep,
    parts: PartsDep,
    principal: ProvenBookkeeper,
) -> Response:
    """It becomes a payment of the project; a large one not by who brought it in. Needs a recent proof."""
    await transfers.match(session, parts.settings, bank_line_id, wanted.project_id, principal.user_id)
    return json_answer(await reading.line(session, bank_line_id))


@admin.post(
    "/bank-lines/{bank_line_id}/ignore",
    operation_id="admin_bank_lines_ignore",
    summary="Set a line of a bank statement aside",
    response_model=s.LineView,
    responses=problems(401, 403, 404, 409, 422),
)
async def admin_bank_lines_ignore(
    bank_line_id: UUID, wanted: s.LineIgnore, session: SessionDep, _: Bookkeeper
) -> Response:
    """It is no customer's money."""
    await transfers.ignore(session, bank_line_id, wanted.reason)
    return json_answer(await reading.line(session, bank_line_id))


@admin.get(
    "/gateway-messages",
    operation_id="admin_gateway_messages_list",
    summary="Messages of payment gateways",
    response_model=Page[s.MessageView],
    responses=problems(400, 401, 403, 422),
)
async def admin_gateway_messages_list(
    parts: PartsDep,
    _: Administrator,
    state: s.MessageStateName | None = None,
    payment_id: UUID | None = None,
    sort: MessageSort = "-received_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Those that were genuine, newest first."""
    filters: dict[str, Any] = {"state": state, "payment_id": payment_id}
    pool = await parts.database.reader()
    return json_bytes(await MESSAGES.page(pool, ListQuery(sort, size, cursor, filters)))


@admin.get(
    "/gateway-messages/{message_id}",
    operation_id="admin_gateway_messages_get",
    summary="A message of a payment gateway",
    response_model=s.MessageDetail,
    responses=problems(401, 403, 404, 422),
)
async def admin_gateway_messages_get(
    message_id: UUID, session: SessionDep, parts: PartsDep, _: Administrator
) -> Response:
    """As it came, without what names people or opens anything."""
    return json_answer(await reading.message(session, parts.settings, message_id))
