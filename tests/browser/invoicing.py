"""What the API says of invoices, for pages that show them: months nobody waits for in a test."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Route, expect

from tests.browser.panel import Panel

INVOICE = "0199c2d4-9f3e-7c51-b2a4-0000000000a1"
NOTE = "0199c2d4-9f3e-7c51-b2a4-0000000000b1"
PROJECT = {
    "id": "0199c2d4-9f3e-7c51-b2a4-0000000000c1",
    "name": "Northern-breakwater-lighthouse-and-fog-signals",
}
BUYER = {"name": "Vasconcelos e Albuquerque, Sociedade de Navegação Costeira, Lda.", "country": "PT"}
LONG = "lighthouse-keeper-and-fog-signal-control"


def _id(number: int) -> str:
    return f"0199c2d4-9f3e-7c51-b2a4-{number:012x}"


def _page(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"items": items, "current_page": None, "previous_page": None, "next_page": "x"}


def _invoice(number: int, month: int, gross: int, **more: Any) -> dict[str, Any]:
    net = gross * 100 // 123
    return {
        "id": _id(number),
        "reference": f"INV-2026-{number:06}",
        "kind": "invoice",
        "project": PROJECT,
        "currency": "EUR",
        "period_start": f"2026-{month:02}-01",
        "period_end": f"2026-{month:02}-28",
        "net": net,
        "tax": gross - net,
        "gross": gross,
        "credited": 0,
        "locale": "en",
        "buyer": {**BUYER, "vat_id": "PT501442600"},
        "corrects": None,
        "reason": None,
        "issued_at": f"2026-{month + 1:02}-01T02:10:00Z",
        **more,
    }


def listed() -> dict[str, Any]:
    note = {
        "kind": "credit_note",
        "reference": "CN-2026-000002",
        "corrects": {"id": INVOICE, "reference": "INV-2026-000417"},
        "reason": "Not available on 12 October",
    }
    return _page(
        [
            _invoice(0xB1, 10, 1_230, **note),
            _invoice(0xA1, 10, 123_456_789, reference="INV-2026-000417", credited=1_230),
            _invoice(3, 9, 2_460, credited=2_460),
            _invoice(2, 8, 4_200_000, currency="JPY"),
            _invoice(1, 7, 1_999),
        ]
    )


def whole() -> dict[str, Any]:
    found = _invoice(0xA1, 10, 5_166, reference="INV-2026-000417", credited=1_230)
    found["seller"] = {
        "name": "Harbour Hosting GmbH",
        "address": ["Kai 1", "20457 Hamburg"],
        "country": "DE",
        "vat_id": "DE136695976",
        "registration": "Amtsgericht Hamburg, HRB 123456",
    }
    found["buyer"] = {
        **found["buyer"],
        "address": ["Cais do Sodré 12", "1200-450 Lisboa"],
        "project": "Porto",
    }
    found["lines"] = [
        {
            "id": _id(100 + at),
            "position": at + 1,
            "service_id": _id(at),
            "code": code,
            "parameters": {
                "service": name,
                "plan": "dinghy",
                "plan_title": {"en": "Dinghy", "ru": "Шлюпка"},
                "month_minor": 1_000,
                **({"seconds": 2_678_400} if code == "usage" else {}),
            },
            "first_day": "2026-10-01",
            "last_day": "2026-10-31" if code == "usage" else "2026-10-01",
            "tax_code": "destination",
            "tax_rate": 230_000,
            "tax_country": "PT",
            "net": 1_400,
            "tax": 322,
            "gross": 1_722,
            "credited": 1_230 if at == 1 else 0,
        }
        for at, (name, code) in enumerate(
            ((LONG, "usage"), ("tide-tables", "usage"), ("tide-tables", "setup"))
        )
    ]
    note = {"id": NOTE, "reference": "CN-2026-000002", "gross": 1_230, "issued_at": "2026-11-12T10:00:00Z"}
    return {**found, "credit_notes": [note]}


CHARGES = [
    {
        "id": _id(900 + day),
        "occurred_at": f"2026-10-{day:02}T12:00:00Z",
        "day": f"2026-10-{day:02}",
        "source_type": "usage_charge",
        "source_id": _id(800 + day),
        "net": 45,
        "tax": 10,
    }
    for day in range(1, 32)
]
TAXES = {
    "rows": [
        {
            "month": month,
            "country": country,
            "code": code,
            "rate": rate,
            "currency": currency,
            "net": 123_456_789,
            "tax": 123_456_789 * rate // 1_000_000,
            "gross": 123_456_789 + 123_456_789 * rate // 1_000_000,
            "documents": documents,
        }
        for month, country, code, rate, currency, documents in (
            ("2026-11", "DE", "domestic", 190_000, "EUR", 211),
            ("2026-11", "FI", "destination", 255_000, "EUR", 1),
            ("2026-11", "FR", "reverse_charge", 0, "EUR", 22),
            ("2026-11", None, "export", 0, "KWD", 3),
            ("2026-10", "DE", "domestic", 190_000, "EUR", 198),
        )
    ],
    "not_invoiced": [{"currency": "EUR", "net": 4_321, "tax": 821}],
}


async def _answer(panel: Panel, path: str, body: Any) -> None:
    async def fulfil(route: Route) -> None:
        await route.fulfill(json=body)

    await panel.page.route(path, fulfil)


async def have_invoices(panel: Panel) -> None:
    for whose in ("projects/*", "admin"):
        await _answer(panel, f"**/api/v1/{whose}/billing/invoices?*", listed())
    await panel.page.reload()
    await expect(panel.part("invoice-row")).to_have_count(5)


async def open_one(panel: Panel) -> None:
    """By the list, since by its address alone it is not there."""
    await have_invoices(panel)
    for whose in ("projects/*", "admin"):
        await _answer(panel, f"**/api/v1/{whose}/billing/invoices/{INVOICE}", whole())
        await _answer(panel, f"**/api/v1/{whose}/billing/invoices/{INVOICE}/lines/*/charges", CHARGES)
    await panel.page.get_by_role("link", name="INV-2026-000417").click()
    await expect(panel.part("invoice-line")).to_have_count(3)


async def trace_one(panel: Panel) -> None:
    await open_one(panel)
    await panel.part("invoice-line").first.get_by_role("button").click()
    await expect(panel.part("charges")).to_be_visible()


async def credit_one(panel: Panel) -> None:
    await open_one(panel)
    await panel.part("credit").click()
    await expect(panel.part("credit-note-form")).to_be_visible()


async def edit_details(panel: Panel) -> None:
    await panel.part("billing-details").get_by_role("button").click()
    await expect(panel.part("details-form")).to_be_visible()


async def have_taxes(panel: Panel) -> None:
    await _answer(panel, "**/api/v1/admin/billing/taxes?*", TAXES)
    await _answer(panel, "**/api/v1/admin/billing/taxes", TAXES)
    await panel.page.reload()
    await expect(panel.part("tax-row")).to_have_count(5)
