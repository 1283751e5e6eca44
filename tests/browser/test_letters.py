"""The page of letters: what was sent to whom, a letter to oneself, and what each of them looks like."""

from __future__ import annotations

from uuid import UUID

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Windows
from tests.browser.inspection import misfits, unreadable
from tests.support.customer import Customer
from tests.support.mailbox import Mailbox
from tests.support.mailserver import MailServer
from tests.support.stack import Stack


async def test_a_letter_to_myself(
    windows: Windows, admin: Customer, mailbox: Mailbox, mail_server: MailServer
) -> None:
    panel = await windows(admin)
    await panel.open("/admin")
    await expect(panel.page.get_by_text("Letters go to the mail server.")).to_be_visible()
    await panel.link("Letters").first.click()
    await panel.at("/admin/letters")

    await panel.part("test-letter").click()
    await expect(panel.toast(f"A letter to {admin.email} is on its way")).to_be_visible()
    row = panel.part("letter-row").filter(has_text=admin.email).first
    await expect(row).to_have_attribute("data-letter-state", "sent")
    await expect(row).to_contain_text("Letters from Gavan arrive")
    await mailbox.letter(to=admin.email, template="test")

    # One that is refused says why, in the server's words, and there is nothing left to try again.
    mail_server.postman.answers[admin.email] = ["550 5.1.1 No such sailor"]
    await panel.part("test-letter").click()
    failed = panel.page.locator("[data-letter-state=failed]").first
    await expect(failed).to_contain_text("No such sailor")
    await expect(failed.get_by_role("button")).to_have_count(0)

    await panel.field("State").select_option("failed")
    await expect(panel.part("letter-row")).to_have_count(1)
    await panel.field("Part of an address or number").fill("nobody-at-all")
    await expect(panel.page.get_by_text("Nothing found")).to_be_visible()
    await panel.at(r"/admin/letters\?state=failed&recipient=nobody-at-all")
    await panel.reload()
    await expect(panel.page.get_by_text("Nothing found")).to_be_visible()


async def test_trying_again(
    windows: Windows, admin: Customer, mailbox: Mailbox, stack: Stack, mail_server: MailServer
) -> None:
    mail_server.postman.answers[admin.email] = ["451 4.7.1 Not today"]
    letter = (await admin.ask("POST", "/admin/letters/test")).json()
    panel = await windows(admin)
    await panel.open("/admin/letters?state=queued")
    row = panel.part("letter-row").filter(has_text="Not today")
    await expect(row).to_contain_text("Next attempt:")
    # As if it had been tried for hours.
    await stack.rows("UPDATE letters SET state = 'failed', attempts = 8 WHERE id = $1", UUID(letter["id"]))
    await panel.open("/admin/letters?state=failed")
    await (
        panel.part("letter-row").filter(has_text="Not today").get_by_role("button", name="Try again").click()
    )
    await expect(panel.toast("The letter is queued again.")).to_be_visible()
    await mailbox.letter(to=admin.email, template="test")


@pytest.mark.parametrize("width", [360, 1440])
async def test_previews(windows: Windows, admin: Customer, width: int) -> None:
    panel = await windows(admin, width=width)
    await panel.open("/admin/letters")
    await panel.link("Templates").click()
    await panel.at("/admin/letters/templates")
    await panel.field("Template").select_option("password_reset")
    letter = panel.page.frame_locator("iframe.letter-frame")
    # The one before it is on display until then.
    await expect(letter.get_by_role("heading", level=1)).to_have_text("Set a new password")
    # Its own styles are on, and nothing in it leads anywhere.
    await expect(letter.locator(".button")).to_have_css("background-color", "rgb(194, 65, 12)")
    await expect(letter.locator("a[href]")).to_have_count(0)
    excess = "(node) => node.scrollWidth - node.clientWidth"
    assert await letter.locator("html").evaluate(excess) == 0
    assert await misfits(panel.page, width) == []
    assert await unreadable(panel.page, "en") == []

    await panel.field("Language").select_option("ru")
    await expect(letter.locator("html[lang=ru]")).to_have_count(1)
    await panel.part("preview").locator("xpath=..").get_by_text("Text", exact=True).click()
    await expect(panel.part("preview").locator("pre")).to_contain_text("https://")
    await panel.at(r"/admin/letters/templates\?template=password_reset&locale=ru&form=text")
    await panel.field("Template").select_option("phone_code")
    await expect(panel.part("preview").locator("pre")).to_contain_text("204816")
