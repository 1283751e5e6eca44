"""The picture in the README: a customer's services, as the panel really shows them."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from tests.browser.conftest import PICTURES, Windows
from tests.browser.harbour import page
from tests.support.customer import Customer
from tests.support.stack import ROOT, Stack

PICTURE = ROOT / "docs" / "screenshot.png"
MOST_BYTES = 300_000
SERVICES = {
    "sea-glass-shop": ("Sell by the kilo", "40 minutes"),
    "weather-buoy": ("Report gusts, not only means", "5 hours"),
    "moorings": ("Book a berth from a phone", "2 days"),
    "harbour-bot": ("Answer where it was asked", "6 days"),
    "chart-room": ("Depths of the new dredging", "9 days"),
    "regatta-2025": ("Final results", "7 months"),
    "lock-keeper": ("Open at high water", "11 months"),
    "pilot-notes": ("What the pilots told us", "26 months"),
}


@pytest.mark.skipif(not PICTURES, reason="made with GAVAN_SCREENSHOT=1 (make screenshot)")
async def test_the_picture_of_the_readme(windows: Windows, stack: Stack, customer: Customer) -> None:
    await customer.ask("PATCH", "/me", json={"name": "Marina Duarte"})

    async def deploy(name: str, subject: str) -> str:
        files = {"notes.txt": subject} if name == "weather-buoy" else page(name, subject)
        stack.git.commit(name, files, message=subject)
        accepted = await customer.order(name, stack.git.url(name))
        await customer.finished(accepted["job_id"])
        return str(accepted["service_id"])

    deployed = [deploy(name, subject) for name, (subject, _) in SERVICES.items()]
    services = dict(zip(SERVICES, await asyncio.gather(*deployed), strict=True))
    stopped = await customer.post(f"/services/{services['regatta-2025']}/stop")
    await customer.finished(stopped["job_id"])
    for name, (_, age) in SERVICES.items():
        older = f"UPDATE services SET created_at = now() - interval '{age}' WHERE id = $1"
        await stack.rows(older, services[name])

    panel = await windows(customer, width=1440)
    await panel.open("/services")
    await expect(panel.part("services").locator("[data-state=running]")).to_have_count(6)
    await panel.page.screenshot(path=PICTURE)
    assert PICTURE.stat().st_size < MOST_BYTES
