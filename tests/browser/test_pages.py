"""Every page, in both languages and on four screens, in every state that changes what it shows.

With GAVAN_SCREENSHOT set (`make screenshot`), also pictures of each in test-results/screenshots/.
"""

from __future__ import annotations

import json

import pytest
from playwright.async_api import expect

from tests.browser.conftest import PICTURES, RESULTS, Language, Windows
from tests.browser.harbour import Harbour
from tests.browser.inspection import HEIGHTS, misfits, unreadable
from tests.browser.panel import Panel
from tests.browser.places import PLACES
from tests.support.customer import Customer
from tests.support.stack import ROOT

PICTURED = (360, 768, 1440)
LOCALES = {
    language: {
        key: words
        for area in ("", "/work", "/stacks")
        for key, words in json.loads((ROOT / f"frontend/locales/{language}{area}.json").read_text()).items()
    }
    for language in ("en", "ru")
}


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("who", PLACES)
async def test_every_page_fits_and_can_be_read(
    windows: Windows,
    harbour: Harbour,
    customer: Customer,
    admin: Customer,
    who: str,
    language: Language,
) -> None:
    known = {"newcomer": customer, "owner": harbour.owner, "payer": harbour.owner}
    somebody = None if who == "guest" else known.get(who, admin)
    panel = await windows(somebody, language=language)
    names = {**harbour.services, "live": harbour.live, "failed": harbour.failed, "job": harbour.job}
    complaints: dict[str, list[str]] = {}
    go = panel.open
    for place in PLACES[who]:
        await panel.page.set_viewport_size({"width": 1440, "height": 900})
        try:
            await go(place.path.format_map(names))
        except AssertionError as error:
            complaints[place.name], go = [str(error)], panel.open
            continue
        go = panel.go
        if place.prepare:
            await place.prepare(panel)
            # What lies over the page, or is half filled in, goes with the next load.
            go = panel.open
        found = await unreadable(panel.page, language)
        for width in HEIGHTS:
            found += await misfits(panel.page, width)
        title = await panel.page.title()
        if LOCALES[language].get(place.title, place.title) not in title:
            found.append(f"title: {title}")
        if found:
            complaints[place.name] = found
        if PICTURES:
            await _pictures(panel, f"{language}-{place.name}")
    assert complaints == {}


async def _pictures(panel: Panel, name: str) -> None:
    for width in PICTURED:
        await panel.page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
        for scheme in ("light", "dark"):
            await panel.page.emulate_media(color_scheme=scheme)
            place = RESULTS / "screenshots" / f"{name}-{width}-{scheme}.png"
            await panel.page.screenshot(path=place, full_page=True)
    await panel.page.emulate_media(color_scheme="light")


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_the_open_menu_fits_a_phone(windows: Windows, admin: Customer, language: Language) -> None:
    panel = await windows(admin, language=language, width=320)
    await panel.open("/admin")
    await panel.page.locator("#burger").click()
    await expect(panel.page.locator("#sidebar")).to_be_visible()
    assert [*await unreadable(panel.page, language), *await misfits(panel.page, 320)] == []
    if PICTURES:
        await _pictures(panel, f"{language}-menu")
