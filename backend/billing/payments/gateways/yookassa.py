"""YooKassa, after its published API: a payment redirects to its page, a saved method is charged at once.

Its own library is synchronous, global and waits for ever; what is needed of it are five calls.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import orjson

from backend.billing.payments.gateways.amounts import from_yookassa, to_yookassa
from backend.billing.payments.gateways.base import (
    Gateway,
    GatewayError,
    GatewayRefused,
    MethodFacts,
    Order,
    PaymentFacts,
    RefundFacts,
    RefundOrder,
    own_id,
)
from backend.billing.payments.models import PaymentState, RefundState

_DESCRIPTION = 128
_AROUND = timedelta(minutes=10)
"""By which its clock may differ from ours."""
_GIVEN_UP = frozenset({"expired_on_confirmation", "expired_on_capture", "canceled_by_merchant"})
"""Reasons of a cancellation that are no refusal."""


class YooKassaGateway(Gateway):
    name = "yookassa"

    def __init__(
        self, shop_id: str, secret_key: str, api_url: str, timeout: float, receipt_vat_code: int | None
    ) -> None:
        self._vat_code = receipt_vat_code
        self._http = httpx.AsyncClient(base_url=api_url, auth=(shop_id, secret_key), timeout=timeout)

    async def close(self) -> None:
        await self._http.aclose()

    async def begin(self, order: Order) -> PaymentFacts:
        body: dict[str, Any] = {
            "amount": to_yookassa(order.amount, order.currency),
            "capture": True,
            "description": order.description[:_DESCRIPTION],
            "metadata": {"payment_id": str(order.payment_id), "project_id": str(order.project_id)},
        }
        if order.method is not None:
            body["payment_method_id"] = order.method
        else:
            body["save_payment_method"] = order.save_method
        if order.method is None or not order.automatic:
            locale = "ru_RU" if order.locale == "ru" else "en_US"
            body["confirmation"] = {"type": "redirect", "return_url": order.return_url, "locale": locale}
        if receipt := self._receipt(order.email, order.description, body["amount"]):
            body["receipt"] = receipt
        return _payment(await self._ask("POST", "/payments", key=order.payment_id, json=body))

    async def look(self, ref: str) -> PaymentFacts:
        return _payment(await self._ask("GET", f"/payments/{ref}"))

    async def find(self, order: Order) -> PaymentFacts | None:
        """Among all of that time, since it forgets idempotency keys after a day. Raises `GatewayError`."""
        if order.begun_at is None:
            return None
        params: dict[str, str] = {
            "created_at.gte": (order.begun_at - _AROUND).isoformat(timespec="milliseconds"),
            "limit": "100",
        }
        while True:
            page = await self._ask("GET", "/payments", params=params)
            for found in map(_payment, page["items"]):
                if found.payment_id == order.payment_id:
                    return found
            if not page.get("next_cursor"):
                return None
            params = params | {"cursor": str(page["next_cursor"])}

    async def cancel(self, ref: str) -> PaymentFacts:
        """It ends by itself: what has not been paid can be called off by nobody."""
        return await self.look(ref)

    async def refund(self, order: RefundOrder) -> RefundFacts:
        body: dict[str, Any] = {
            "payment_id": order.charge_ref,
            "amount": to_yookassa(order.amount, order.currency),
            "description": order.description,
            "metadata": {"refund_id": str(order.refund_id)},
        }
        if receipt := self._receipt(order.email, order.description, body["amount"]):
            body["receipt"] = receipt
        return _refund(await self._ask("POST", "/refunds", key=order.refund_id, json=body))

    async def refunds_of(self, charge_ref: str) -> list[RefundFacts]:
        page = await self._ask("GET", "/refunds", params={"payment_id": charge_ref, "limit": "100"})
        return [_refund(one) for one in page["items"]]

    def _receipt(self, email: str | None, words: str, amount: dict[str, str]) -> dict[str, Any] | None:
        """For sellers who owe their customers a fiscal receipt (54-FZ): an advance is paid."""
        if self._vat_code is None or email is None:
            return None
        item = {
            "description": words[:_DESCRIPTION],
            "quantity": "1.00",
            "amount": amount,
            "vat_code": self._vat_code,
            "payment_mode": "advance",
            "payment_subject": "payment",
        }
        return {"customer": {"email": email}, "items": [item]}

    async def _ask(
        self, method: str, path: str, *, key: UUID | None = None, json: Any = None, params: Any = None
    ) -> dict[str, Any]:
        headers = {"Idempotence-Key": str(key)} if key is not None else {}
        try:
            answer = await self._http.request(method, path, headers=headers, json=json, params=params)
        except httpx.HTTPError as error:
            raise GatewayError(type(error).__name__) from None
        if answer.status_code in (401, 403):
            raise GatewayRefused("gateway_credentials")
        if answer.status_code >= 500 or answer.status_code in (202, 408, 429):
            raise GatewayError(f"HTTP {answer.status_code}")
        try:
            body = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            raise GatewayError("not JSON") from None
        if answer.status_code != 200:
            raise GatewayRefused(str(body.get("code") or "refused"))
        return dict(body)


def _payment(body: dict[str, Any]) -> PaymentFacts:
    amount, currency = from_yookassa(body["amount"])
    state, code = PaymentState.PENDING, None
    url = (body.get("confirmation") or {}).get("confirmation_url")
    if body["status"] == "succeeded":
        state = PaymentState.SUCCEEDED
    elif body["status"] == "canceled":
        code = str((body.get("cancellation_details") or {}).get("reason") or "refused")[:60]
        state = PaymentState.CANCELLED if code in _GIVEN_UP else PaymentState.FAILED
    elif body["status"] == "pending" and url:
        state = PaymentState.REQUIRES_ACTION
    method = body.get("payment_method") or {}
    return PaymentFacts(
        ref=str(body["id"]),
        charge_ref=str(body["id"]),
        state=state,
        currency=currency,
        amount=amount,
        payment_id=own_id((body.get("metadata") or {}).get("payment_id")),
        action_url=url if state is PaymentState.REQUIRES_ACTION else None,
        failure_code=code,
        method=_method(method) if method.get("id") else None,
        saved=bool(method.get("saved")),
    )


def _method(method: dict[str, Any]) -> MethodFacts:
    card = method.get("card") or {}
    month, year = str(card.get("expiry_month") or ""), str(card.get("expiry_year") or "")
    return MethodFacts(
        ref=str(method["id"]),
        kind="card" if method["type"] == "bank_card" else str(method["type"])[:30],
        brand=str(card["card_type"])[:30] if card.get("card_type") else None,
        last4=str(card["last4"])[:4] if card.get("last4") else None,
        exp_month=int(month) if month.isdecimal() else None,
        exp_year=int(year) if year.isdecimal() else None,
    )


def _refund(body: dict[str, Any]) -> RefundFacts:
    amount, _ = from_yookassa(body["amount"])
    states = {"succeeded": RefundState.SUCCEEDED, "canceled": RefundState.FAILED}
    state = states.get(body["status"], RefundState.PENDING)
    reason = (body.get("cancellation_details") or {}).get("reason")
    return RefundFacts(
        ref=str(body["id"]),
        refund_id=own_id((body.get("metadata") or {}).get("refund_id")),
        charge_ref=str(body["payment_id"]),
        amount=amount,
        state=state,
        failure_code=str(reason or "refused")[:60] if state is RefundState.FAILED else None,
    )
