"""Pages about payments with something on them: the API's answers, changed on their way."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Route, expect

from tests.browser.panel import Panel

AT, LATER = "2026-11-20T09:30:00Z", "2026-11-20T09:31:12Z"
ID = "0199c2d4-9f3e-7c51-b2a4-3d5e6f70819"
LONG = "Northern-breakwater-lighthouse-and-fog-signals"
REFERENCE = "RF18 0539 0075 47"
OPTIONS = {
    "currency": "EUR",
    "minimum": 500,
    "maximum": 1_000_000,
    "suggestions": [1000, 2000, 5000, 10_000],
    "gateways": [
        {"name": "stripe", "saves_methods": True, "sets_up_methods": True},
        {"name": "yookassa", "saves_methods": True, "sets_up_methods": False},
    ],
    "bank": {
        "recipient": "Northern Breakwater Hosting and Fog Signals Cooperative Ltd",
        "account": "DE02120300000000202051",
        "bank_code": "BYLADEM1001",
        "bank_name": "Deutsche Kreditbank",
        "currency": "EUR",
        "reference": REFERENCE,
    },
    "contact": "In cash at the harbour office, on weekdays from nine to noon.",
}
METHODS = [
    {
        "id": f"{ID}{at}",
        "gateway": "stripe",
        "kind": "card",
        "brand": brand,
        "last4": last4,
        "exp_month": 7,
        "exp_year": 2031,
        "preferred": at == 0,
        "created_at": AT,
    }
    for at, (brand, last4) in enumerate((("visa", "4242"), ("mastercard", "4477")))
]
WISH = {
    "method_id": f"{ID}1",
    "currency": "EUR",
    "threshold": 1000,
    "amount": 2000,
    "monthly_limit": 10_000,
    "spent_this_month": 4000,
    "paused_code": "authentication_required",
}


def _payment(at: int, state: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"{ID}{at}",
        "project": {"id": f"{ID}9", "name": LONG if at % 2 else "Harbour office"},
        "gateway": "stripe",
        "state": state,
        "currency": "EUR",
        "amount": 123_456_700,
        "refunded": 0,
        "refunding": 0,
        "failure_code": None,
        "action_url": None,
        "automatic": False,
        "method": None,
        "dispute": None,
        "job_id": None,
        "note": None,
        "gateway_ref": "pi_3MjTCxEhuqCR3lNz1FLrtTeH",
        "created_at": AT,
        "succeeded_at": LATER if state == "succeeded" else None,
        **more,
    }


PAYMENTS = [
    _payment(0, "requires_action", action_url="https://checkout.stripe.com/c/pay/x", amount=2000),
    _payment(1, "succeeded", method="Visa •• 4242", automatic=True, refunded=500),
    _payment(2, "failed", failure_code="insufficient_funds"),
    _payment(3, "succeeded", gateway="bank_transfer", dispute="open"),
    _payment(4, "cancelled", failure_code="expired", gateway="yookassa"),
    _payment(5, "review", failure_code="amount_differs"),
]
DETAIL = PAYMENTS[1] | {
    "taken_amount": None,
    "taken_currency": None,
    "refunds": [
        {
            "id": f"{ID}a",
            "amount": 500,
            "state": "succeeded",
            "reason": "Ordered by mistake, ticket 204",
            "failure_code": None,
            "at_gateway": False,
            "created_at": AT,
            "succeeded_at": LATER,
        }
    ],
    "disputes": [
        {
            "id": f"{ID}b",
            "amount": 700,
            "state": "won",
            "reason": "fraudulent",
            "created_at": AT,
            "closed_at": AT,
        }
    ],
}
LINES = [
    {
        "id": f"{ID}{at}",
        "booked_on": "2026-11-20",
        "currency": "EUR",
        "amount": 123_456,
        "purpose": f"Hosting for the whole of the winter, thank you very much {REFERENCE}",
        "payer": "Lighthouse keepers of the northern breakwater",
        "bank_ref": None,
        "state": state,
        "reason_code": reason,
        "payment_id": None,
        "project": {"id": f"{ID}9", "name": LONG} if state == "matched" else None,
        "imported_at": AT,
    }
    for at, (state, reason) in enumerate(
        (("unmatched", "several_references"), ("matched", None), ("ignored", None))
    )
]
MESSAGES = [
    {
        "id": f"{ID}{at}",
        "gateway": "stripe",
        "kind": "checkout.session.async_payment_succeeded",
        "state": state,
        "copies": at + 1,
        "attempts": 1,
        "payment_id": None,
        "received_at": AT,
        "applied_at": None,
    }
    for at, state in enumerate(("received", "applied", "ignored", "unknown", "failed"))
]


async def _said(panel: Panel, pattern: str, body: Any) -> None:
    async def answer(route: Route) -> None:
        if route.request.method == "GET":
            await route.fulfill(json=body)
        else:
            await route.continue_()

    await panel.page.route(pattern, answer)


def _page(items: list[Any]) -> dict[str, Any]:
    return {"items": items, "current_page": None, "previous_page": None, "next_page": None}


async def pays(panel: Panel) -> None:
    """Everything is offered, and used."""
    await _said(panel, "**/billing/payment-options", OPTIONS)
    await _said(panel, "**/billing/payment-methods", {"items": METHODS})
    await _said(panel, "**/billing/auto-top-up", {"auto_top_up": WISH})
    await _said(panel, "**/api/v1/projects/*/billing/payments?*", _page(PAYMENTS))
    await panel.page.reload()
    await expect(panel.part("payment-row").first).to_be_visible()
    await panel.part("top-up-form").locator("[type=submit]").click()
    await expect(panel.page.locator("#top-up-amount")).to_have_attribute("aria-invalid", "true")


async def receipt(panel: Panel) -> None:
    await _said(panel, "**/api/v1/projects/*/billing/payments?*", _page(PAYMENTS))
    await panel.page.reload()
    await panel.page.locator("[data-action='payments.receipt']").first.click()
    await expect(panel.part("receipt")).to_be_visible()


async def nothing_offered(panel: Panel) -> None:
    empty: dict[str, Any] = {"gateways": [], "bank": None, "contact": ""}
    await _said(panel, "**/billing/payment-options", OPTIONS | empty)
    await panel.page.reload()
    await expect(panel.part("pay-otherwise")).to_be_visible()


async def all_payments(panel: Panel) -> None:
    await _said(panel, "**/api/v1/admin/billing/payments?*", _page(PAYMENTS))
    await panel.page.reload()
    await expect(panel.part("admin-payment-row").first).to_be_visible()


async def one_payment(panel: Panel) -> None:
    await _said(panel, f"**/api/v1/admin/billing/payments/{ID}1", DETAIL)
    await all_payments(panel)
    await panel.part("admin-payment-row").nth(1).locator("button").click()
    await expect(panel.part("admin-payment")).to_be_visible()


async def review(panel: Panel) -> None:
    """Another amount came in than was asked for."""
    detail = DETAIL | PAYMENTS[5] | {"taken_amount": 1900, "taken_currency": "EUR"}
    await _said(panel, f"**/api/v1/admin/billing/payments/{ID}5", detail)
    await all_payments(panel)
    await panel.part("admin-payment-row").nth(5).locator("button").click()
    await panel.part("admin-payment").locator("[data-action='adminpay.accept']").click()
    await expect(panel.part("review-form")).to_be_visible()


async def refund(panel: Panel) -> None:
    await one_payment(panel)
    await panel.part("admin-payment").locator("[data-action='adminpay.refund']").click()
    await expect(panel.part("refund-form")).to_be_visible()


async def bank_lines(panel: Panel) -> None:
    await _said(panel, "**/api/v1/admin/billing/bank-lines?*", _page(LINES))
    await panel.page.reload()
    await expect(panel.part("bank-line").first).to_be_visible()


async def messages(panel: Panel) -> None:
    body = {"id": "evt_1", "type": "checkout.session.completed", "data": {"object": {"object": "x" * 120}}}
    await _said(panel, f"**/api/v1/admin/billing/gateway-messages/{ID}0", MESSAGES[0] | {"body": body})
    await _said(panel, "**/api/v1/admin/billing/gateway-messages?*", _page(MESSAGES))
    await panel.page.reload()
    await panel.part("gateway-message").first.locator("button").click()
    await expect(panel.part("message-sheet")).to_be_visible()
