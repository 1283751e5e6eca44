"""Pages as they are while money runs out: the API's answers, changed on their way."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Route, expect

from tests.browser.panel import Panel

SINCE, LATER = "2026-11-20T09:30:00Z", "2027-01-28T15:40:00Z"
WARNED = {"stage": "warned", "days_left": 2.4, "month_rate_minor": 3500, "runs_out_at": LATER}
SUSPENDED = {
    "stage": "suspended",
    "since": SINCE,
    "next_at": LATER,
    "balance_minor": 0,
    "due_minor": 123456789,
    "suspended_services": 21,
    "credit_limit_minor": 1000,
    "held_minor": 300,
}
TROUBLED = [
    {
        "project_id": f"0199c2d4-9f3e-7c51-b2a4-3d5e6f70819{at}",
        "project_name": name,
        "owner_email": "lighthouse-keeper-and-fog-signal-control@northern-breakwater.example.org",
        "stage": stage,
        "since": SINCE,
        "next_at": next_at,
        "currency": "EUR",
        "balance_minor": 0,
        "due_minor": 123456,
        "override": override,
    }
    for at, (name, stage, next_at, override) in enumerate(
        (
            ("Harbour office", "warned", None, None),
            ("Northern-breakwater-lighthouse-and-fog-signals", "grace", LATER, None),
            (
                "Pilots",
                "suspended",
                LATER,
                {
                    "never_suspend": False,
                    "never_terminate": True,
                    "grace_days": 14,
                    "terminate_days": None,
                    "until": LATER,
                    "reason": "Pays by bank transfer at the end of each quarter, see ticket 204",
                    "set_by": "admin@example.com",
                    "updated_at": SINCE,
                },
            ),
        )
    )
]


async def _changed(panel: Panel, pattern: str, **values: Any) -> None:
    async def answer(route: Route) -> None:
        found = await (await route.fetch()).json()
        await route.fulfill(json={**found, **values})

    await panel.page.route(pattern, answer)


async def warned(panel: Panel) -> None:
    """All of the person's projects; the page is loaded anew."""
    await _overview(panel, WARNED)


async def suspended(panel: Panel) -> None:
    await _overview(panel, SUSPENDED)


async def _overview(panel: Panel, values: dict[str, Any]) -> None:
    async def account(route: Route) -> None:
        found = await (await route.fetch()).json()
        for project in found["projects"]:
            project["billing_stage"] = values["stage"]
        await route.fulfill(json=found)

    await panel.page.route("**/api/v1/me", account)
    await _changed(panel, "**/billing/overview", **values)
    await panel.page.evaluate("localStorage.removeItem('gavan.profile')")
    await panel.page.reload()
    await expect(panel.part("money-notice")).to_be_visible()


async def stands_still(panel: Panel) -> None:
    await _changed(panel, "**/api/v1/services/*", suspended_at=SINCE, status="stopped")
    await panel.page.reload()
    await expect(panel.part("suspended")).to_be_visible()


async def many_in_trouble(panel: Panel) -> None:
    async def answer(route: Route) -> None:
        found = await (await route.fetch()).json()
        await route.fulfill(json={**found, "items": TROUBLED})

    await panel.page.route("**/admin/billing/dunning?*", answer)
    await panel.page.reload()
    await expect(panel.part("dunning-row").first).to_be_visible()


async def exception(panel: Panel) -> None:
    await many_in_trouble(panel)
    await panel.part("dunning-row").last.get_by_role("button").click()
    await expect(panel.part("override-form")).to_be_visible()


async def rules(panel: Panel) -> None:
    await panel.part("dunning-rules").get_by_role("button").click()
    await expect(panel.part("rules-form")).to_be_visible()
