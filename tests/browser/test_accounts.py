"""An account from registration to deletion, as its person sees it: letters are opened, links are followed."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.accounts.links import code_of
from tests.browser.conftest import Language, Windows
from tests.browser.inspection import HEIGHTS, misfits, unreadable
from tests.browser.panel import Panel
from tests.support.customer import PASSWORD, Customer
from tests.support.mailbox import Mailbox

TOKEN = "/oauth/token"
NEW_PASSWORD = "seven gulls over the breakwater"

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "email": "E-mail",
        "password": "Password",
        "new_password": "New password",
        "register": "Create account",
        "sign_in": "Sign in",
        "send_again": "Send again",
        "sent": "The letter is on its way.",
        "confirmed": "The address is confirmed",
        "go_on": "Go on",
        "forgot": "Forgot your password?",
        "send_link": "Send the link",
        "look": "Look into your mailbox",
        "set": "Set the password",
        "done": "The password is set",
        "failed": "The link does not work",
        "services": "Services",
    },
    "ru": {
        "email": "Эл. почта",
        "password": "Пароль",
        "new_password": "Новый пароль",
        "register": "Создать аккаунт",
        "sign_in": "Войти",
        "send_again": "Отправить ещё раз",
        "sent": "Письмо отправлено.",
        "confirmed": "Адрес подтверждён",
        "go_on": "Продолжить",
        "forgot": "Забыли пароль?",
        "send_link": "Отправить ссылку",
        "look": "Проверьте почту",
        "set": "Задать пароль",
        "done": "Пароль задан",
        "failed": "Ссылка не работает",
        "services": "Сервисы",
    },
}


def path_of(link: str) -> str:
    return "/" + link.split("/", 3)[3]


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_register_verify_forget_reset(windows: Windows, mailbox: Mailbox, language: Language) -> None:
    say = WORDS[language]
    panel = await windows(language=language)
    email = f"{uuid.uuid4().hex}@example.com"

    await panel.open("/register")
    await panel.field(say["email"]).fill(email)
    await panel.field(say["password"]).fill(PASSWORD)
    await panel.button(say["register"]).click()
    await panel.at("/services")
    notice = panel.part("verify-notice")
    await expect(notice).to_contain_text(email)
    assert await unreadable(panel.page, language) == []
    first = await mailbox.letter(to=email, template="verify_email")
    await notice.get_by_role("button", name=say["send_again"]).click()
    await expect(panel.toast(say["sent"])).to_be_visible()

    # The letter before works no more, and the page says so.
    panel.watch.allow(400, "/api/v1/users/verify")
    await panel.open(path_of(first.links[0]))
    await expect(panel.heading()).to_have_text(say["failed"])
    await panel.at("/verify-email")
    assert await mailbox.count(to=email, template="verify_email") == 2
    letter = await mailbox.letter(to=email, template="verify_email")
    await panel.open(path_of(letter.links[0]))
    await expect(panel.heading()).to_have_text(say["confirmed"])
    await panel.link(say["go_on"]).click()
    await expect(panel.heading()).to_have_text(say["services"])
    await expect(notice).to_be_hidden()

    await panel.sign_out()
    await panel.at("/login")
    await panel.link(say["forgot"]).click()
    await panel.at("/forgot")
    await panel.field(say["email"]).fill(email.upper())
    await panel.button(say["send_link"]).click()
    await expect(panel.heading()).to_have_text(say["look"])
    letter = await mailbox.letter(to=email, template="password_reset")
    await panel.open(path_of(letter.links[0]))
    await panel.at("/reset")
    panel.watch.allow(422, "/api/v1/users/password-reset/confirm")
    await panel.field(say["new_password"]).fill("password12345")
    await panel.button(say["set"]).click()
    await expect(panel.error_of(say["new_password"])).not_to_be_empty()
    await panel.field(say["new_password"]).fill(NEW_PASSWORD)
    await panel.button(say["set"]).click()
    await expect(panel.heading()).to_have_text(say["done"])
    await panel.link(say["sign_in"]).click()
    await panel.field(say["email"]).fill(email)
    await panel.field(say["password"]).fill(NEW_PASSWORD)
    await panel.button(say["sign_in"]).click()
    await panel.at("/services")


async def test_another_address_and_the_way_back(panel: Panel, customer: Customer, mailbox: Mailbox) -> None:
    new = f"{uuid.uuid4().hex}@example.org"
    await panel.open("/profile")
    await panel.page.get_by_text("Use another address").click()
    await panel.field("New address").fill(new)
    await panel.button("Send the link").click()
    await expect(panel.part("pending-email")).to_contain_text(new)
    await panel.open(path_of((await mailbox.letter(to=new, template="email_change")).links[0]))
    await expect(panel.page.get_by_text(f"{new} is your account's address.")).to_be_visible()
    await panel.open("/profile")
    await expect(panel.part("email-card")).to_contain_text(new)

    letter = await mailbox.letter(to=customer.email, template="email_changed")
    await panel.open(path_of(letter.links[0]))
    panel.watch.allow(400, TOKEN)
    panel.watch.allow(401, ".*")
    await panel.button("Keep my address").click()
    await expect(panel.heading()).to_have_text("The address is yours")
    await panel.link("Forgotten password").click()
    await panel.at("/forgot")
    await panel.field("E-mail").fill(customer.email)
    await panel.button("Send the link").click()
    letter = await mailbox.letter(to=customer.email, template="password_reset")
    await panel.open(path_of(letter.links[0]))
    await panel.field("New password").fill(NEW_PASSWORD)
    await panel.button("Set the password").click()
    await expect(panel.heading()).to_have_text("The password is set")
    await customer.sign_in(customer.email, NEW_PASSWORD)


async def test_a_telephone(panel: Panel, customer: Customer, mailbox: Mailbox) -> None:
    await panel.open("/profile")
    panel.watch.allow(422, "/api/v1/me/phone.*")
    await panel.field("Number").fill("8 912 345-67-89")
    await panel.button("Send a code").click()
    await expect(panel.error_of("Number")).to_contain_text("Begin with the country code")
    await panel.field("Number").fill("+7 912 345-67-89")
    await panel.button("Send a code").click()
    await expect(panel.field("Code from the message")).to_be_focused()
    code = code_of(await mailbox.sms(to="+79123456789", template="phone_code"))
    await panel.field("Code from the message").fill(code)
    await panel.page.keyboard.press("Enter")
    await expect(panel.toast("The number is confirmed.")).to_be_visible()
    await expect(panel.part("phone-card")).to_contain_text("+7 912 345-67-89")
    await panel.part("phone-card").get_by_role("button", name="Remove").click()
    await expect(panel.toast("The number is removed.")).to_be_visible()


async def test_times_are_told_in_the_chosen_zone(panel: Panel, customer: Customer) -> None:
    # Of a clock that stands still, or the hour might change meanwhile.
    await panel.page.clock.set_fixed_time("2026-03-14T12:34:00Z")
    await panel.open("/profile")
    shown = panel.page.locator("#time-zone-hint")
    await expect(shown).to_contain_text("It is 12:34")
    await panel.field("Time zone").select_option("Asia/Kamchatka")
    await panel.button("Save").first.click()
    await expect(panel.toast("Profile saved.")).to_be_visible()
    await expect(shown).to_contain_text("It is 00:34")
    await panel.reload()
    await expect(shown).to_contain_text("It is 00:34")


async def test_a_new_password_signs_others_out(panel: Panel, customer: Customer) -> None:
    await panel.open("/security")
    panel.watch.allow(422, "/api/v1/me/password")
    await panel.field("Present password").fill("not this one")
    await panel.field("New password").fill(NEW_PASSWORD)
    await panel.button("Change the password").click()
    await expect(panel.error_of("Present password")).to_have_text("The password is wrong.")
    await panel.field("Present password").fill(PASSWORD)
    await panel.button("Change the password").click()
    await expect(panel.toast("The password is changed.")).to_be_visible()
    assert (await customer.ask("GET", "/me")).status_code == 401
    await customer.sign_in(customer.email, NEW_PASSWORD)


async def test_the_export_is_a_file(panel: Panel, customer: Customer, tmp_path: Path) -> None:
    await panel.open("/profile")
    async with panel.page.expect_download() as downloading:
        await panel.part("export").click()
    file = tmp_path / "export.json"
    await (await downloading.value).save_as(file)
    assert customer.email in file.read_text()


async def test_going_for_good(
    windows: Windows, stack, deployed, customer: Customer, mailbox: Mailbox
) -> None:  # type: ignore[no-untyped-def]
    await deployed()
    panel = await windows(customer)
    await panel.open("/profile")
    panel.watch.allow(409, "/api/v1/me/deletion")
    await panel.part("delete-account").click()
    dialog = panel.part("deletion")
    await dialog.get_by_label("Password").fill(PASSWORD)
    await dialog.get_by_role("button", name="Delete my account").click()
    await expect(dialog.get_by_text("it holds services")).to_be_visible()
    await panel.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)

    other = await stack.customer()
    panel = await windows(other)
    await panel.open("/profile")
    await panel.part("delete-account").click()
    await panel.part("deletion").get_by_label("Password").fill(PASSWORD)
    await panel.part("deletion").get_by_role("button", name="Delete my account").click()
    await panel.at("/login")
    await mailbox.letter(to=other.email, template="account_deleted")
    await other.close()


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_pages_fit_and_can_be_read(windows: Windows, customer: Customer, language: Language) -> None:
    guest, panel = await windows(language=language), await windows(customer, language=language)
    visits = [
        (guest, path) for path in ("/forgot", "/reset?token=x", "/restore-email?token=x", "/check-mail")
    ]
    for window, path in [*visits, (panel, "/profile"), (panel, "/security")]:
        await window.open(path)
        for width in HEIGHTS:
            assert await misfits(window.page, width) == [], path
        assert await unreadable(window.page, language) == [], path
