"""What the API says of a month's usage, for pages that show it: as nobody could use in the time of a test."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from playwright.async_api import Route, expect

from tests.browser.panel import Panel

FIRST = date(2026, 10, 1)
NAMES = (
    *("tide-tables", "harbour-radio", "lighthouse-keeper-and-fog-signal-control", "crab-count"),
    *("gull-counter", "ferry-bookings", "net-mender", "pilot-roster"),
)


def _id(number: int) -> str:
    return f"0199c2d4-9f3e-7c51-b2a4-{number:012x}"


def _charge(day: int, at: int, name: str) -> dict[str, Any]:
    gross = 60 + 37 * ((day * (at + 3)) % 7) + (400 if at == 0 and day > 20 else 0)
    return {
        "id": _id(1000 * day + at),
        "day": (FIRST + timedelta(days=day)).isoformat(),
        "service": {"id": _id(at), "name": name, "deleted": at == 3},
        "meter": "plan",
        "plan_id": "cutter" if at == 0 else "dinghy",
        "addon_id": None,
        "quantity": 1,
        "unit": None,
        "currency": "EUR",
        "seconds": 86_400 if day < 30 else 30_600,
        "net": gross,
        "tax": 0,
        "gross": gross,
        "posted_at": "2026-11-01T00:10:00Z" if day < 30 else None,
        "transaction_id": None,
    }


def usage() -> dict[str, Any]:
    charges = [_charge(day, at, name) for day in range(31) for at, name in enumerate(NAMES) if (day + at) % 9]
    services = [
        {
            "service": {"id": _id(at), "name": name, "deleted": at == 3},
            "seconds": sum(one["seconds"] for one in charges if one["service"]["id"] == _id(at)),
            **{
                part: sum(one[part] for one in charges if one["service"]["id"] == _id(at))
                for part in ("net", "tax", "gross")
            },
        }
        for at, name in enumerate(NAMES)
    ]
    sums = {part: sum(one[part] for one in charges) for part in ("net", "tax", "gross")}
    services.sort(key=lambda one: -one["gross"])
    days = {"since": FIRST.isoformat(), "until": (FIRST + timedelta(days=30)).isoformat()}
    return {"currency": "EUR", **days, **sums, "services": services, "charges": charges, "traffic": []}


def traced() -> dict[str, Any]:
    def record(begin: str, end: str, seconds: int, kind: str, number: int | None) -> dict[str, Any]:
        deployment = number and {"id": _id(number), "number": number}
        event = {"id": 7, "kind": kind, "occurred_at": f"2026-10-30T{begin}:00Z"}
        return {
            "from_at": f"2026-10-30T{begin}:00Z",
            "to_at": f"2026-10-30T{end}:00Z",
            "seconds": seconds,
            "event": {**event, "deployment": deployment, "job_id": None},
        }

    records = [
        record("00:00", "06:30", 23_400, "started", 12),
        record("06:30", "18:00", 41_400, "resized", 13),
        record("17:00", "18:00", -3_600, "resized", 13),
    ]
    charge = _charge(29, 0, NAMES[2])
    return {**charge, "seconds": 61_200, "tax": 31, "month_minor": 2_900, "records": records, "traffic": None}


FORECAST = {
    "currency": "EUR",
    "per_hour": "14.880952380952",
    "per_month": 10_000,
    "days_left": 12.5,
    "accrued": 184,
    "this_month": 7_342,
    "traffic": [],
    "services": [],
}


async def _answer(panel: Panel, path: str, body: dict[str, Any]) -> None:
    async def fulfil(route: Route) -> None:
        await route.fulfill(json=body)

    await panel.page.route(path, fulfil)


async def spend(panel: Panel) -> None:
    own = "**/api/v1/projects/*/billing"
    await _answer(panel, f"{own}/forecast", FORECAST)
    await _answer(panel, f"{own}/usage?*", usage())
    await _answer(panel, f"{own}/usage", usage())
    await _answer(panel, f"{own}/usage/charges/*", traced())
    await panel.page.reload()
    await expect(panel.part("plot")).to_be_visible()


async def spend_and_trace(panel: Panel) -> None:
    await spend(panel)
    await panel.part("charge-row").first.locator("button").click()
    await expect(panel.part("usage-trace")).to_be_visible()


async def have_run(panel: Panel) -> None:
    def run(number: int, kind: str, state: str, **more: Any) -> dict[str, Any]:
        return {
            "id": _id(number),
            "kind": kind,
            "period": None,
            "state": state,
            "progress": 100 if state == "succeeded" else 43,
            "step": None,
            "counts": {},
            "error": None,
            "started_at": "2026-11-22T10:00:00Z",
            "seen_at": "2026-11-22T10:00:41Z",
            "finished_at": "2026-11-22T10:00:42Z",
            **more,
        }

    counts = {"meters": 1389, "records": 1_000_080, "rated": 430_000, "charges": 41_670}
    items = [
        run(1, "rating", "running", step="rating", counts=counts, finished_at=None),
        run(2, "invoicing", "succeeded", period="2026-10", counts={"invoices": 311}),
        run(3, "payments", "failed", error="Something went wrong; the log says what. The next run goes on."),
        run(4, "dunning", "interrupted", counts={"projects": 200}),
        run(5, "rating", "succeeded"),
    ]
    page = {"items": items, "current_page": None, "previous_page": None, "next_page": None}
    await _answer(panel, "**/api/v1/admin/billing/runs?*", page)
    await panel.page.reload()
    await expect(panel.part("run-row")).to_have_count(len(items))
