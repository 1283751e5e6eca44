"""A server shaped after YooKassa's published API: idempotency keys, redirects, saved methods, refunds."""

from __future__ import annotations

import base64
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

SHOP, SECRET = "100500", "test_a_secret_of_the_shop"
FROM = "185.71.76.5"
"""One of the addresses that notifications come from."""


class YooKassalike:
    def __init__(self) -> None:
        self.payments: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.methods: set[str] = set()
        self.answered: dict[str, dict[str, Any]] = {}
        self.bodies: list[dict[str, Any]] = []
        self.lose = 0
        """How many POSTs more are done and not answered."""
        self.decline: str | None = None
        self.url = ""

    # What customers and the shop's people do ----------------------------------------------------

    def pay(self, payment_id: str, *, reason: str | None = None) -> dict[str, Any]:
        """On its page; with a `reason`, it is refused."""
        payment = self.payments[payment_id]
        if reason is not None:
            payment |= {"status": "canceled", "cancellation_details": {"party": "issuer", "reason": reason}}
            return self.notification(payment)
        card = {"first6": "555555", "last4": "4477", "expiry_month": "07", "expiry_year": "2031"}
        method = {"type": "bank_card", "id": payment_id, "card": {**card, "card_type": "MasterCard"}}
        saved = payment.pop("_save", False)
        if saved:
            self.methods.add(payment_id)
        payment |= {"status": "succeeded", "paid": True, "payment_method": {**method, "saved": saved}}
        payment.pop("confirmation", None)
        return self.notification(payment)

    def notification(self, payment: dict[str, Any]) -> dict[str, Any]:
        event = f"payment.{payment['status']}"
        return {"type": "notification", "event": event, "object": _shown(payment)}

    # The API ------------------------------------------------------------------------------------

    async def serve(self, request: web.Request) -> web.StreamResponse:
        expected = "Basic " + base64.b64encode(f"{SHOP}:{SECRET}".encode()).decode()
        if request.headers.get("Authorization") != expected:
            return web.json_response({"type": "error", "code": "invalid_credentials"}, status=401)
        if request.method == "GET":
            return self._read(request)
        key = request.headers.get("Idempotence-Key")
        if not key:
            return _refused("invalid_request")
        if key not in self.answered:
            body = await request.json()
            self.bodies.append(body)
            made = self._refund(body) if request.path.endswith("/refunds") else self._pay(body)
            if isinstance(made, str):
                return _refused(made)
            self.answered[key] = made
        if self.lose:
            self.lose -= 1
            assert request.transport is not None
            request.transport.close()
        return web.json_response(_shown(self.answered[key]))

    def _read(self, request: web.Request) -> web.Response:
        parts = request.path.strip("/").split("/")
        kept = self.payments if parts[1] == "payments" else self.refunds
        if len(parts) == 3:
            found = kept.get(parts[2])
            return web.json_response(_shown(found)) if found else _refused("not_found", 404)
        since, payment_id = request.query.get("created_at.gte"), request.query.get("payment_id")
        items = [
            _shown(one)
            for one in kept.values()
            if (not since or datetime.fromisoformat(one["created_at"]) >= datetime.fromisoformat(since))
            and (not payment_id or one["payment_id"] == payment_id)
        ]
        return web.json_response({"type": "list", "items": items})

    def _pay(self, body: dict[str, Any]) -> dict[str, Any] | str:
        payment: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "status": "pending",
            "paid": False,
            "amount": body["amount"],
            "created_at": datetime.now(UTC).isoformat(),
            "metadata": body.get("metadata", {}),
            "_save": body.get("save_payment_method", False),
        }
        self.payments[payment["id"]] = payment
        if method := body.get("payment_method_id"):
            if method not in self.methods:
                del self.payments[payment["id"]]
                return "invalid_request"
            self.pay(payment["id"], reason=self.decline)
            return payment
        payment["confirmation"] = {
            "type": "redirect",
            "confirmation_url": f"https://yookassa.invalid/{payment['id']}",
        }
        return payment

    def _refund(self, body: dict[str, Any]) -> dict[str, Any] | str:
        payment = self.payments.get(body["payment_id"])
        if payment is None or payment["status"] != "succeeded":
            return "invalid_request"
        gone = sum(
            Decimal(one["amount"]["value"])
            for one in self.refunds.values()
            if one["payment_id"] == payment["id"]
        )
        if gone + Decimal(body["amount"]["value"]) > Decimal(payment["amount"]["value"]):
            return "invalid_request"
        refund = {
            "id": str(uuid.uuid4()),
            "payment_id": payment["id"],
            "status": "succeeded",
            "amount": body["amount"],
            "created_at": datetime.now(UTC).isoformat(),
            "metadata": body.get("metadata", {}),
        }
        self.refunds[refund["id"]] = refund
        return refund


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not name.startswith("_")}


def _refused(code: str, status: int = 400) -> web.Response:
    return web.json_response({"type": "error", "code": code, "description": "No."}, status=status)


@pytest.fixture
async def yookassa() -> AsyncIterator[YooKassalike]:
    server, app = YooKassalike(), web.Application()
    app.router.add_route("*", "/{path:.*}", server.serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    server.url = f"http://127.0.0.1:{port}/v3"
    yield server
    await runner.cleanup()
