"""What Stripe's objects say, in our words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from backend.billing.payments.gateways.amounts import from_stripe
from backend.billing.payments.gateways.base import (
    DisputeFacts,
    MethodFacts,
    PaymentFacts,
    RefundFacts,
    SetupFacts,
    own_id,
)
from backend.billing.payments.models import DisputeState, PaymentState, RefundState

Fields = Mapping[str, Any]

_INTENT = {
    "succeeded": PaymentState.SUCCEEDED,
    "processing": PaymentState.PENDING,
    "requires_capture": PaymentState.PENDING,
    "requires_confirmation": PaymentState.PENDING,
    "requires_action": PaymentState.REQUIRES_ACTION,
    "canceled": PaymentState.CANCELLED,
}
_REFUND = {
    "succeeded": RefundState.SUCCEEDED,
    "failed": RefundState.FAILED,
    "canceled": RefundState.FAILED,
}


def of_intent(intent: Fields) -> PaymentFacts:
    currency = str(intent["currency"]).upper()
    state = _INTENT.get(intent["status"], PaymentState.PENDING)
    error = intent.get("last_payment_error") or {}
    if intent["status"] == "requires_payment_method" and error:
        state = PaymentState.FAILED
    # Newer objects tell what came in; it is what counts.
    received = intent.get("amount_received") if state is PaymentState.SUCCEEDED else None
    return PaymentFacts(
        ref=str(intent["id"]),
        charge_ref=str(intent["id"]),
        state=state,
        currency=currency,
        amount=from_stripe(int(received or intent["amount"]), currency),
        payment_id=own_id((intent.get("metadata") or {}).get("payment_id")),
        action_url=_where_to(intent) if state is PaymentState.REQUIRES_ACTION else None,
        failure_code=decline_code(error) if state is PaymentState.FAILED else None,
        method=_method(intent.get("payment_method")),
        saved=bool(intent.get("setup_future_usage")),
        unconfirmed=intent["status"] == "requires_confirmation",
    )


def of_checkout(page: Fields) -> PaymentFacts:
    currency = str(page["currency"]).upper()
    ref, metadata = str(page["id"]), page.get("metadata") or {}
    payment_id = own_id(metadata.get("payment_id"))
    intent = page.get("payment_intent")
    if isinstance(intent, Mapping):
        paid = of_intent(intent)
        # A card that was declined may be tried again for as long as the page is open.
        state = paid.state
        if page["status"] == "open" and state is not PaymentState.SUCCEEDED:
            state = PaymentState.REQUIRES_ACTION
        if page["status"] == "expired" and state is not PaymentState.SUCCEEDED:
            state = PaymentState.CANCELLED
        url = page.get("url") if state is PaymentState.REQUIRES_ACTION else None
        return replace(paid, ref=ref, state=state, payment_id=payment_id, action_url=url)
    states = {"open": PaymentState.REQUIRES_ACTION, "expired": PaymentState.CANCELLED}
    return PaymentFacts(
        ref=ref,
        charge_ref=str(intent) if intent else None,
        state=states.get(page["status"], PaymentState.PENDING),
        currency=currency,
        amount=from_stripe(int(page["amount_total"]), currency),
        payment_id=payment_id,
        action_url=page.get("url") if page["status"] == "open" else None,
        failure_code="expired" if page["status"] == "expired" else None,
    )


def of_refund(refund: Fields) -> RefundFacts:
    state = _REFUND.get(str(refund.get("status")), RefundState.PENDING)
    return RefundFacts(
        ref=str(refund["id"]),
        refund_id=own_id((refund.get("metadata") or {}).get("refund_id")),
        charge_ref=str(refund.get("payment_intent") or ""),
        amount=from_stripe(int(refund["amount"]), str(refund["currency"]).upper()),
        state=state,
        failure_code=str(refund.get("failure_reason") or "refused")[:60]
        if state is RefundState.FAILED
        else None,
    )


def of_dispute(dispute: Fields) -> DisputeFacts:
    status = str(dispute["status"])
    state = DisputeState.OPEN
    if status.startswith("warning_"):
        state = DisputeState.INQUIRY
    elif status in ("won", "prevented"):
        state = DisputeState.WON
    elif status == "lost":
        state = DisputeState.LOST
    return DisputeFacts(
        ref=str(dispute["id"]),
        charge_ref=str(dispute.get("payment_intent") or ""),
        amount=from_stripe(int(dispute["amount"]), str(dispute["currency"]).upper()),
        state=state,
        reason=str(dispute.get("reason") or "")[:60] or None,
    )


def of_setup(page: Fields) -> SetupFacts:
    intent = page.get("setup_intent")
    state, method, code = PaymentState.REQUIRES_ACTION, None, None
    if page["status"] == "expired":
        state, code = PaymentState.CANCELLED, "expired"
    elif page["status"] == "complete":
        state = PaymentState.PENDING
        if isinstance(intent, Mapping) and intent["status"] == "succeeded":
            method = _method(intent.get("payment_method"))
            state = PaymentState.SUCCEEDED if method else PaymentState.PENDING
    return SetupFacts(
        ref=str(page["id"]),
        setup_id=own_id((page.get("metadata") or {}).get("setup_id")),
        state=state,
        action_url=page.get("url") if state is PaymentState.REQUIRES_ACTION else None,
        failure_code=code,
        method=method,
    )


def failed(facts: PaymentFacts, code: str) -> PaymentFacts:
    return replace(facts, state=PaymentState.FAILED, failure_code=code)


def decline_code(error: Any) -> str | None:
    """Of an error, or of the fields that describe one; never its words, which may name the card."""
    given = error if isinstance(error, Mapping) else (getattr(error, "json_body", None) or {}).get("error")
    fields: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    code = fields.get("decline_code") or fields.get("code") or getattr(error, "code", None)
    return str(code)[:60] if code else None


def _where_to(intent: Fields) -> str | None:
    redirect = (intent.get("next_action") or {}).get("redirect_to_url") or {}
    url = redirect.get("url")
    return str(url) if url else None


def _method(method: object) -> MethodFacts | None:
    if not isinstance(method, Mapping):
        return None
    kind = str(method["type"])[:30]
    card = method.get(kind) or {}
    return MethodFacts(
        ref=str(method["id"]),
        kind=kind,
        brand=card.get("brand"),
        last4=card.get("last4"),
        exp_month=card.get("exp_month"),
        exp_year=card.get("exp_year"),
    )
