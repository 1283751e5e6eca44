"""Stripe: PaymentIntents for saved cards, its own hosted page (Checkout) for cards that are entered.

A PaymentIntent is created first and confirmed in a second call, once its id is ours: whatever is killed
in between, nothing is charged twice, even after Stripe has forgotten the idempotency key.
"""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from backend.billing.payments.gateways import stripe_facts as facts
from backend.billing.payments.gateways.amounts import to_stripe
from backend.billing.payments.gateways.base import (
    DisputeFacts,
    Gateway,
    GatewayError,
    GatewayRefused,
    Order,
    PaymentFacts,
    RefundFacts,
    RefundOrder,
    SetupFacts,
    SetupOrder,
)

if TYPE_CHECKING:
    import stripe

T = TypeVar("T")
_CHECKOUT = "cs_"
_SHORTEST, _LONGEST = timedelta(hours=1), timedelta(hours=23, minutes=55)
"""For how long Stripe lets a page of its own be open is half an hour at least, from when it hears of it: the
other half hour is for asking again."""


class StripeGateway(Gateway):
    name = "stripe"

    def __init__(self, secret_key: str, api_url: str, timeout: float) -> None:
        # Thirty megabytes that only the workers of an installation with Stripe need.
        import stripe

        self._stripe = stripe
        self._http = stripe.HTTPXClient(timeout=timeout)
        self._client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_url},
            max_network_retries=0,
            http_client=self._http,
        )

    async def close(self) -> None:
        await self._http.close_async()

    async def customer(self, project_id: UUID, email: str | None) -> str | None:
        params: Any = {"metadata": {"project_id": str(project_id)}}
        if email:
            params["email"] = email
        made = await self._ask(
            self._client.v1.customers.create_async(params, _once(f"customer:{project_id}"))
        )
        return str(made["id"])

    async def begin(self, order: Order) -> PaymentFacts:
        metadata = {"payment_id": str(order.payment_id), "project_id": str(order.project_id)}
        once = _once(str(order.payment_id))
        if order.method is not None:
            params: Any = {
                "amount": to_stripe(order.amount, order.currency),
                "currency": order.currency.lower(),
                "customer": order.customer,
                "payment_method": order.method,
                "payment_method_types": ["card"],
                "metadata": metadata,
            }
            return facts.of_intent(
                await self._ask(self._client.v1.payment_intents.create_async(params, once))
            )
        intent: dict[str, Any] = {"metadata": metadata}
        if order.save_method:
            intent["setup_future_usage"] = "off_session"
        page: Any = _page(order.customer, order.locale, order.return_url) | {
            "mode": "payment",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": order.currency.lower(),
                        "unit_amount": to_stripe(order.amount, order.currency),
                        "product_data": {"name": order.description},
                    },
                }
            ],
            "payment_intent_data": intent,
            "metadata": metadata,
            "client_reference_id": str(order.payment_id),
            "expires_at": _page_ends(order.first_asked_at, order.expires_at),
        }
        return facts.of_checkout(await self._ask(self._client.v1.checkout.sessions.create_async(page, once)))

    async def confirm(self, order: Order, ref: str) -> PaymentFacts:
        present = await self.look(ref)
        if not present.unconfirmed:
            return present
        params: Any = {"off_session": True} if order.automatic else {"return_url": order.return_url}
        once = _once(f"{order.payment_id}:confirm")
        try:
            return facts.of_intent(
                await self._ask(self._client.v1.payment_intents.confirm_async(ref, params, once))
            )
        except GatewayRefused as refused:
            # A declined card is an error and a fact: the PaymentIntent holds the reason.
            declined = await self.look(ref)
            if declined.unconfirmed or declined.state.open:
                raise
            return declined if declined.failure_code else facts.failed(declined, refused.code)

    async def look(self, ref: str) -> PaymentFacts:
        if ref.startswith(_CHECKOUT):
            params: Any = {"expand": ["payment_intent.payment_method"]}
            found = await self._ask(self._client.v1.checkout.sessions.retrieve_async(ref, params))
            return facts.of_checkout(found)
        params = {"expand": ["payment_method"]}
        return facts.of_intent(await self._ask(self._client.v1.payment_intents.retrieve_async(ref, params)))

    async def cancel(self, ref: str) -> PaymentFacts:
        present = await self.look(ref)
        if not present.state.open:
            return present
        try:
            if ref.startswith(_CHECKOUT):
                await self._ask(self._client.v1.checkout.sessions.expire_async(ref))
            else:
                await self._ask(self._client.v1.payment_intents.cancel_async(ref))
        except GatewayRefused:
            # It was paid in this moment, or is being paid.
            return await self.look(ref)
        return await self.look(ref)

    async def refund(self, order: RefundOrder) -> RefundFacts:
        params: Any = {
            "payment_intent": order.charge_ref,
            "amount": to_stripe(order.amount, order.currency),
            "metadata": {"refund_id": str(order.refund_id), "payment_id": str(order.payment_id)},
        }
        return facts.of_refund(
            await self._ask(self._client.v1.refunds.create_async(params, _once(str(order.refund_id))))
        )

    async def refunds_of(self, charge_ref: str) -> list[RefundFacts]:
        params: Any = {"payment_intent": charge_ref, "limit": 100}
        found = await self._ask(self._client.v1.refunds.list_async(params))
        return [facts.of_refund(one) for one in found["data"]]

    async def look_dispute(self, ref: str) -> DisputeFacts:
        return facts.of_dispute(await self._ask(self._client.v1.disputes.retrieve_async(ref)))

    async def begin_setup(self, order: SetupOrder) -> SetupFacts:
        metadata = {"setup_id": str(order.setup_id), "project_id": str(order.project_id)}
        page: Any = _page(order.customer, order.locale, order.return_url) | {
            "mode": "setup",
            "currency": order.currency.lower(),
            "setup_intent_data": {"metadata": metadata},
            "metadata": metadata,
        }
        once = _once(str(order.setup_id))
        return facts.of_setup(await self._ask(self._client.v1.checkout.sessions.create_async(page, once)))

    async def look_setup(self, ref: str) -> SetupFacts:
        params: Any = {"expand": ["setup_intent.payment_method"]}
        return facts.of_setup(await self._ask(self._client.v1.checkout.sessions.retrieve_async(ref, params)))

    async def forget_method(self, ref: str) -> None:
        try:
            await self._ask(self._client.v1.payment_methods.detach_async(ref))
        except GatewayRefused:
            # It is not attached to anybody, which is what was wanted.
            return

    async def _ask(self, call: Awaitable[stripe.StripeObject]) -> dict[str, Any]:
        library = self._stripe
        try:
            return (await call).to_dict()
        except (library.CardError, library.InvalidRequestError) as error:
            raise GatewayRefused(facts.decline_code(error) or "refused") from None
        except (library.AuthenticationError, library.PermissionError):
            raise GatewayRefused("gateway_credentials") from None
        except library.StripeError as error:
            raise GatewayError(type(error).__name__) from None


def _once(key: str) -> Any:
    return {"idempotency_key": key}


def _page(customer: str | None, locale: str, return_url: str) -> dict[str, Any]:
    page = {"success_url": return_url, "cancel_url": return_url, "locale": locale}
    return page | ({"customer": customer} if customer else {})


def _page_ends(first_asked_at: datetime | None, expires_at: datetime | None) -> int:
    """By when Stripe was asked first: what comes again with an idempotency key has to be the same."""
    at = first_asked_at or datetime.now(UTC)
    wanted = expires_at or at + _LONGEST
    return int(min(max(wanted, at + _SHORTEST), at + _LONGEST).timestamp())
