"""localstripe as a process, with what Stripe has and it lacks; the argument is its port.

Added: Checkout pages (and `/_page/…`, which does what a customer does on one), disputes, redirects for 3-D
Secure instead of a script, and answers that get lost. What is its own (cards, PaymentIntents, SetupIntents,
refunds, events) is left as it is; it also ignores Idempotency-Key and takes refunds of any amount.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from aiohttp import web
from localstripe import resources
from localstripe.errors import UserError

_confirmed = resources.PaymentIntent._api_confirm


def _confirm(id: str, return_url: str | None = None, off_session: str | None = None, **more: Any) -> Any:
    """Its own takes neither parameter, and only knows the script's way through 3-D Secure."""
    intent = _confirmed(id, **more)
    if intent.next_action and return_url:
        url = f"https://hooks.stripe.invalid/3d_secure/{intent.id}?to={return_url}"
        intent.next_action = {"type": "redirect_to_url", "redirect_to_url": {"url": url}}
    return intent


# Its server takes the routes as they are when it is imported.
resources.extra_apis[:] = [
    (method, path, _confirm if call == _confirmed else call) for method, path, call in resources.extra_apis
]
from localstripe import server  # noqa: E402

store = resources.store
store.dump_to_disk = lambda: None
seen: list[dict[str, str]] = []
lose: list[str] = []
"""Paths whose next answer gets lost, though what was asked for is done."""
held = asyncio.Event()
held.set()
held_at = [""]


class Session(resources.StripeObject):
    object = "checkout.session"
    _id_prefix = "cs_test_"

    def __init__(
        self,
        mode: str,
        success_url: str,
        cancel_url: str,
        locale: str = "auto",
        customer: str | None = None,
        currency: str | None = None,
        line_items: list[dict[str, Any]] | None = None,
        payment_intent_data: dict[str, Any] | None = None,
        setup_intent_data: dict[str, Any] | None = None,
        metadata: dict[str, str] | None = None,
        client_reference_id: str | None = None,
        expires_at: str | None = None,
    ) -> None:
        if expires_at is not None and not 1800 <= int(expires_at) - time.time() <= 86_400:
            raise UserError(400, "expires_at must be between 30 minutes and 24 hours")
        super().__init__()
        item = line_items[0]["price_data"] if line_items else {}
        self.mode, self.customer, self.metadata = mode, customer, metadata or {}
        self.currency = currency or item["currency"]
        self.amount_total = int(item["unit_amount"]) if item else None
        self.status, self.payment_status = "open", "unpaid"
        self.payment_intent: str | None = None
        self.setup_intent: str | None = None
        self._intent, self._setup = payment_intent_data or {}, setup_intent_data or {}

    @property
    def url(self) -> str | None:
        return f"https://checkout.stripe.invalid/{self.id}" if self.status == "open" else None

    @classmethod
    def _api_expire(cls, id: str) -> Session:
        found = cls._api_retrieve(id)
        if found.status != "open":
            raise UserError(400, "Only open sessions can be expired.")
        found.status = "expired"
        return found

    def _pay(self, number: str) -> None:
        """What a customer does on the page, a challenge of 3-D Secure passed if there is one."""
        method = _method(number)
        if self.mode == "setup":
            intent = resources.SetupIntent(customer=self.customer, metadata=self._setup.get("metadata"))
            intent._attach_pm(method)
            intent.status, intent.next_action = "succeeded", None
            resources.PaymentMethod._api_attach(method.id, customer=self.customer)
            self.setup_intent, self.status = intent.id, "complete"
        else:
            self._take(method)
        _event("checkout.session.completed", self)

    def _take(self, method: Any) -> None:
        intent = resources.PaymentIntent(
            amount=self.amount_total,
            currency=self.currency,
            customer=self.customer,
            payment_method=method.id,
            metadata=self._intent.get("metadata"),
        )
        intent.setup_future_usage = self._intent.get("setup_future_usage")
        self.payment_intent = intent.id
        if method._requires_authentication():
            intent._create_charge(on_failure_now=intent._report_failure)
        else:
            intent._confirm(on_failure_now=intent._report_failure)
        if intent.setup_future_usage and self.customer:
            method.customer = self.customer
        self.status, self.payment_status = "complete", "paid"


class Dispute(resources.StripeObject):
    object = "dispute"
    _id_prefix = "dp_"

    def __init__(self, payment_intent: str, amount: int, currency: str, status: str) -> None:
        super().__init__()
        self.payment_intent, self.amount, self.currency = payment_intent, amount, currency
        self.status, self.reason = status, "fraudulent"


def _method(number: str) -> Any:
    card = {"number": number, "exp_month": "12", "exp_year": "2030", "cvc": "123"}
    return resources.PaymentMethod(type="card", card=card)


def _event(kind: str, about: Any) -> None:
    resources.schedule_webhook(resources.Event(kind, about))


async def page_pay(request: web.Request) -> web.Response:
    found = Session._api_retrieve(request.match_info["id"])
    found._pay((await request.json())["number"])
    return server.json_response(found._export())


async def page_challenge(request: web.Request) -> web.Response:
    """A customer passes, or not, what the bank asks."""
    intent = resources.PaymentIntent._api_retrieve(request.match_info["id"])
    passed = (await request.json())["passed"]
    done = resources.PaymentIntent._api_authenticate(intent.id, intent.client_secret, success=passed)
    return server.json_response(done._export())


async def page_dispute(request: web.Request) -> web.Response:
    asked = await request.json()
    if "id" in asked:
        dispute = Dispute._api_retrieve(asked["id"])
        dispute.status = asked["status"]
    else:
        intent = resources.PaymentIntent._api_retrieve(asked["payment_intent"])
        amount = asked.get("amount", intent.amount)
        dispute = Dispute(intent.id, amount, intent.currency, asked["status"])
    return server.json_response(dispute._export())


async def control(request: web.Request) -> web.Response:
    asked = await request.json()
    lose.extend(asked.get("lose", ()))
    if "hold" in asked:
        held_at[0] = asked["at"]
        held.clear() if asked["hold"] else held.set()
    calls = list(seen)
    if asked.get("forget"):
        seen.clear()
    return server.json_response({"calls": calls})


@web.middleware
async def watched(request: web.Request, handler: Any) -> web.StreamResponse:
    if not request.path.startswith("/v1/"):
        return await handler(request)
    key = request.headers.get("Idempotency-Key", "")
    answer = await handler(request)
    seen.append({"method": request.method, "path": request.path, "key": key})
    if request.method == "POST" and request.path.endswith(held_at[0]):
        await held.wait()
    for path in lose:
        if request.method == "POST" and request.path.endswith(path):
            lose.remove(path)
            assert request.transport is not None
            request.transport.close()
            break
    return answer


def main(port: int) -> None:
    app, router = server.app, server.app.router
    routes = {
        "/_page/{id}/pay": page_pay,
        "/_page/{id}/challenge": page_challenge,
        "/_dispute": page_dispute,
        "/_control": control,
    }
    for path, handler in routes.items():
        router.add_post(f"/_config{path}", handler)
    sessions, disputes = "/v1/checkout/sessions", "/v1/disputes"
    router.add_post(sessions, server.api_create(Session, sessions))
    router.add_get(f"{sessions}/{{id}}", server.api_retrieve(Session, sessions))
    router.add_post(f"{sessions}/{{id}}/expire", server.api_extra(Session._api_expire, sessions))
    router.add_get(f"{disputes}/{{id}}", server.api_retrieve(Dispute, disputes))
    app.middlewares.insert(0, watched)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
