"""What the API says of the ledger, for pages that show it: all that an entry can be, and long names."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Route, expect

from tests.browser.panel import Panel

PROJECT = {
    "id": "0199c2d4-9f3e-7c51-b2a4-0000000000c1",
    "name": "Northern-breakwater-lighthouse-and-fog-signals",
}
SERVICE = {"id": "0199c2d4-9f3e-7c51-b2a4-0000000000d1", "name": "lighthouse-keeper-and-fog-signal-control"}
ADMIN = "/admin/billing/ledger"
REASON = "Goodwill for the outage of 12 November, in which the northern breakwater was dark for two hours"


def _id(number: int) -> str:
    return f"0199c2d4-9f3e-7c51-b2a4-{number:012x}"


def _page(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"items": items, "current_page": None, "previous_page": None, "next_page": "x"}


def _posting(number: int, kind: str, code: str, balance: int, **more: Any) -> dict[str, Any]:
    return {
        "id": _id(number),
        "project": PROJECT,
        "kind": kind,
        "currency": "EUR",
        "amount": abs(balance) or 1,
        "balance": balance,
        "held": 0,
        "due": 0,
        "balance_after": 1_234_567_890 if balance else None,
        "code": code,
        "parameters": {},
        "service": None,
        "source_type": None,
        "source_id": None,
        "occurred_at": "2026-11-20T10:00:00Z",
        "posted_at": f"2026-11-{20 - number:02}T10:00:00Z",
        **more,
    }


def postings() -> dict[str, Any]:
    usage = {"day": "2026-11-19", "plan": "schooner"}
    return _page(
        [
            _posting(1, "charge", "usage", -1_190, service=SERVICE, parameters=usage, due=-45_678),
            _posting(2, "hold", "hold.order", -150_000, service=SERVICE, held=150_000),
            _posting(3, "top_up", "payment", 1_234_567_890, parameters={"gateway": "yookassa"}),
            _posting(4, "settle", "settled", -45_678, due=45_678),
            _posting(5, "charge", "setup", 0, service=SERVICE, held=-450),
            _posting(6, "adjustment", "adjustment", 500, parameters={"reason": REASON}),
            _posting(7, "top_up", "payment", 98_765_432, currency="JPY", parameters={"gateway": "bank"}),
        ]
    )


def _standing(currency: str, **amounts: int) -> dict[str, Any]:
    nothing = {"balance": 0, "held": 0, "due": 0, "credit_limit": 0, "available": 0}
    return {"currency": currency, **nothing, **amounts}


BALANCE = {
    "project_id": PROJECT["id"],
    "currency": "EUR",
    "standings": [
        _standing("EUR", balance=1_234_567_890, held=150_000, credit_limit=10_000, available=1_234_577_890),
        _standing("JPY", due=-4_200_000),
    ],
}


def _customer(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": _id(0x100 + number),
        "project": PROJECT,
        "currency": "EUR",
        "balance": 0,
        "held": 0,
        "due": 0,
        "credit_limit_minor": None,
        "created_at": "2026-10-01T10:00:00Z",
        **more,
    }


def _proposal(number: int, amount: int, email: str) -> dict[str, Any]:
    return {
        "id": _id(0x200 + number),
        "project": PROJECT,
        "currency": "EUR",
        "amount": amount,
        "reason": REASON,
        "state": "proposed",
        "proposed_by": {"id": _id(0x300), "email": email},
        "decided_by": None,
        "decided_at": None,
        "created_at": "2026-11-20T10:00:00Z",
    }


def _account(owner: str, kind: str, balance: int, name: str = "") -> dict[str, Any]:
    verified = None if owner == "projects" else "2026-11-22T10:00:00Z"
    return {
        **{"owner": owner, "currency": "EUR", "kind": kind, "name": name},
        **{"balance": balance, "verified_at": verified},
    }


ANSWERS: dict[str, Any] = {
    "/billing/balance": BALANCE,
    "/billing/entries": postings(),
    f"{ADMIN}/entries": postings(),
    f"{ADMIN}/customers": _page(
        [
            _customer(1, balance=1_234_567_890, held=150_000, credit_limit_minor=10_000),
            _customer(2, balance=-45_678, due=-1_234_567_890, currency="JPY"),
        ]
    ),
    f"{ADMIN}/adjustments": _page(
        [_proposal(1, 123_456_789, "chief.administrator.of.the.harbour@example.com")]
    ),
    f"{ADMIN}/accounts": {
        "items": [
            _account("projects", "balance", 1_234_567_890),
            _account("projects", "due", -45_678),
            _account("projects", "held", 150_000),
            _account("operator", "gateway", -1_334_567_890, "yookassa"),
            _account("operator", "revenue", 99_000_000),
            _account("operator", "tax", 895_678),
        ]
    },
    f"/admin/billing/projects/{PROJECT['id']}/terms": {
        **{"project_id": PROJECT["id"], "project_name": PROJECT["name"], "currency": "EUR"},
        **{"currency_fixed": True, "name": "Harbour", "address_lines": [], "country": "PT"},
        **{"vat_id": "PT501442600", "vat_id_checked": False, "tax_exempt": True},
        **{"credit_limit_minor": 10_000, "invoice_locale": None, "invoice_email": None},
    },
}


async def have_entries(panel: Panel) -> None:
    async def answer(route: Route) -> None:
        path = route.request.url.partition("?")[0]
        await route.fulfill(json=next(body for end, body in ANSWERS.items() if path.endswith(end)))

    for end in ANSWERS:
        await panel.page.route(f"**/api/v1/**{end.removeprefix('/admin')}?*", answer)
        await panel.page.route(f"**/api/v1/**{end.removeprefix('/admin')}", answer)
    await panel.page.reload()
    await expect(panel.part("posting")).to_have_count(7)


async def have_project(panel: Panel) -> None:
    await have_entries(panel)
    await panel.open(f"{ADMIN}?project_id={PROJECT['id']}")
    await expect(panel.part("ledger-project")).to_contain_text(PROJECT["name"])


async def adjust(panel: Panel) -> None:
    await _open(panel, "ledger.adjust", "adjust")
    await panel.page.locator("#adjust-amount").fill("twelve")
    await panel.page.locator("#adjust-reason").fill(REASON)
    await panel.part("adjust").locator("[type=submit]").click()
    await expect(panel.page.locator("#adjust-amount")).to_have_attribute("aria-invalid", "true")


async def change_terms(panel: Panel) -> None:
    await _open(panel, "ledger.terms", "terms")


async def _open(panel: Panel, action: str, dialog: str) -> None:
    await have_project(panel)
    await panel.page.locator(f"[data-action='{action}']").click()
    await expect(panel.part(dialog)).to_be_visible()
