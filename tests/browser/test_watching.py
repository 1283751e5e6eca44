"""The other tests' watch and inspection do complain when there is something to complain of."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.browser.inspection import misfits, unreadable
from tests.browser.panel import PATIENCE, Panel
from tests.support.stack import until

COMPLAINTS = {
    "console error: out loud": "console.error('out loud')",
    "script: Error: unseen": "setTimeout(() => { throw new Error('unseen'); })",
    "script: Error: nobody waited": "setTimeout(() => Promise.reject(new Error('nobody waited')))",
    "directive 'style-src": "document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">')",
    "directive 'script-src": "document.body.append(Object.assign("
    "document.createElement('script'), { textContent: 'window.broken = true' }))",
    "GET /images/none.svg: answered 404": "fetch('/images/none.svg')",
    "GET /api/v1/nothing: answered": "fetch('/api/v1/nothing')",
}


async def test_the_watch_hears(guest: Panel) -> None:
    await guest.open("/login")
    assert guest.watch.complaints == []
    for complaint, code in COMPLAINTS.items():
        await guest.page.evaluate(f"() => {{ {code} }}")
        await _heard(guest, complaint)
        guest.watch.complaints.clear()


async def _heard(panel: Panel, complaint: str) -> None:
    def heard() -> bool:
        return any(complaint in one for one in panel.watch.complaints)

    await until(heard, PATIENCE / 1000, f"{complaint!r} is among {panel.watch.complaints}")


FAULTS = {
    "no label": "content.insertAdjacentHTML('beforeend', '<input>')",
    "no name: <button": "content.insertAdjacentHTML('beforeend', '<button><svg></svg></button>')",
    "2 h1 are seen": "content.insertAdjacentHTML('beforeend', '<h1>Again</h1>')",
    "ids given twice": "content.insertAdjacentHTML('beforeend', '<p id=\"email\"></p>')",
    "lang is de": "document.documentElement.lang = 'de'",
    "names nothing": "email.setAttribute('aria-describedby', 'nowhere')",
    "320 px: the page is": "content.insertAdjacentHTML('beforeend', '<p>' + 'wide'.repeat(99) + '</p>')",
    "off what it says": "content.querySelector('[type=submit]').textContent = 'x'.repeat(99)",
}


async def _inspected(page: Page) -> str:
    return "\n".join([*await unreadable(page, "en"), *await misfits(page, 320)])


async def test_the_inspection_sees(guest: Panel) -> None:
    for fault, code in FAULTS.items():
        await guest.open("/login")
        assert await _inspected(guest.page) == ""
        await guest.page.evaluate(f"() => {{ const {{ content, email }} = window; {code} }}")
        assert fault in await _inspected(guest.page), fault
    await guest.reload()
    await expect(guest.heading()).to_be_visible()
