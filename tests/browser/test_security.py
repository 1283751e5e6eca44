"""Second factors in the panel: adding them, signing in with them, and confirming that it is oneself."""

from __future__ import annotations

import time
from typing import Any

import pyotp
import pytest
from playwright.async_api import expect

from tests.browser.conftest import PICTURES, RESULTS, Language, Windows
from tests.browser.inspection import HEIGHTS, misfits, unreadable
from tests.browser.panel import Panel
from tests.support.customer import PASSWORD, Customer
from tests.support.stack import until

SCREENS: list[tuple[Language, int]] = [("en", 1440), ("ru", 360), ("en", 360), ("ru", 1440)]
WORDS: dict[Language, dict[str, str]] = {
    "en": {"add": "Add", "on": "Turn on", "kept": "I have kept them", "in": "Sign in", "create": "Create"},
    "ru": {"add": "Добавить", "on": "Включить", "kept": "Коды сохранены", "in": "Войти", "create": "Создать"},
}


@pytest.fixture(params=SCREENS, ids=lambda screen: f"{screen[0]}-{screen[1]}")
def screen(request: pytest.FixtureRequest) -> tuple[Language, int]:
    return request.param  # type: ignore[no-any-return]


def code_of(secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(time.time() + 30 * steps)


async def authenticator(panel: Panel) -> tuple[Any, str]:
    """A passkey's authenticator in the browser, whose owner always agrees."""
    session = await panel.context.new_cdp_session(panel.page)
    await session.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True}
    options |= {"hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True}
    made = await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session, made["authenticatorId"]


async def fits(panel: Panel, language: Language, width: int, name: str) -> None:
    if PICTURES:
        await panel.page.screenshot(path=RESULTS / "screenshots" / f"security-{name}-{language}-{width}.png")
    found = await unreadable(panel.page, language)
    for screen in HEIGHTS:
        found += await misfits(panel.page, screen)
    await panel.page.set_viewport_size({"width": width, "height": 900})
    assert found == [], name


async def password_of(panel: Panel, email: str) -> None:
    await panel.open("/login")
    await panel.page.locator("#email").fill(email)
    await panel.page.locator("#password").fill(PASSWORD)
    await panel.page.locator("form [type=submit]").click()


async def sign_out(panel: Panel) -> None:
    await panel.sign_out()
    await panel.at("/login")


async def test_the_authenticator_app(
    windows: Windows, customer: Customer, screen: tuple[Language, int]
) -> None:
    language, width = screen
    words = WORDS[language]
    panel = await windows(customer, language=language, width=width)
    await panel.open("/security")
    await fits(panel, language, width, "page")
    await panel.part("totp").get_by_role("button", name=words["add"]).click()
    dialog = panel.part("totp-dialog")
    await expect(dialog.locator("img.qr")).to_be_visible()
    drawn = "image => image.decode().then(() => image.naturalWidth > 0)"
    assert await dialog.locator("img.qr").evaluate(drawn)
    await fits(panel, language, width, "totp")
    secret = (await panel.part("totp-secret").inner_text()).replace(" ", "")
    panel.watch.allow(422, "/api/v1/me/totp/confirmation")
    await dialog.locator("#totp-code").fill("000000")
    await dialog.get_by_role("button", name=words["on"]).click()
    await expect(dialog.locator(".field-error")).not_to_be_empty()
    await dialog.locator("#totp-code").fill(code_of(secret))
    await dialog.get_by_role("button", name=words["on"]).click()
    codes = panel.part("codes").locator("li")
    await expect(codes).to_have_count(10)
    recovery = await codes.first.inner_text()
    await fits(panel, language, width, "codes")
    await panel.button(words["kept"]).click()
    await expect(panel.part("totp")).to_have_attribute("data-in-use", "true")
    assert recovery not in await panel.page.content()
    await sign_out(panel)

    panel.watch.allow(400, "/oauth/token")
    await password_of(panel, customer.email)
    step = panel.part("second-step")
    await expect(step.locator("#second-otp")).to_be_focused()
    await fits(panel, language, width, "second-step")
    await step.locator("#second-otp").fill("000000")
    await step.locator("[type=submit]").click()
    await expect(step.get_by_role("alert")).to_be_visible()
    # The code of now was used to add the app; a clock may be half a minute fast.
    await step.locator("#second-otp").fill(code_of(secret, 1))
    await step.locator("[type=submit]").click()
    await panel.at("/services")
    await sign_out(panel)

    await password_of(panel, customer.email)
    await step.locator("[value=recovery_code]").click()
    await step.locator("#second-recovery").fill(recovery)
    await step.locator("[type=submit]").click()
    await panel.at("/services")
    await panel.go("/security")
    await expect(panel.part("recovery-codes")).to_contain_text("9")
    await expect(panel.part("sign-in").first).to_be_visible()
    await fits(panel, language, width, "in-use")


async def test_a_passkey(windows: Windows, customer: Customer, screen: tuple[Language, int]) -> None:
    language, width = screen
    words = WORDS[language]
    panel = await windows(customer, language=language, width=width)
    session, key = await authenticator(panel)
    await panel.open("/security")
    await panel.page.locator("[data-action='factors.add_passkey']").click()
    await fits(panel, language, width, "passkey")
    await panel.page.locator("#passkey-name").fill("Ключ от маяка")
    await panel.button(words["create"]).click()
    await expect(panel.part("codes").locator("li")).to_have_count(10)
    await panel.button(words["kept"]).click()
    await expect(panel.part("passkey")).to_contain_text("Ключ от маяка")
    await fits(panel, language, width, "passkeys")
    await sign_out(panel)

    await panel.open("/login")
    await fits(panel, language, width, "login")
    await panel.part("login-passkey").click()
    await panel.at("/services")
    await sign_out(panel)

    panel.watch.allow(400, "/oauth/token")
    await password_of(panel, customer.email)
    step = panel.part("second-step")
    await expect(step.locator("[type=submit]")).to_be_focused()
    await step.locator("[type=submit]").click()
    await panel.at("/services")
    kept = (await session.send("WebAuthn.getCredentials", {"authenticatorId": key}))["credentials"]
    assert [one["isResidentCredential"] for one in kept] == [True]


async def test_dangerous_actions_ask_who_is_there(panel: Panel, customer: Customer) -> None:
    """The session's proof is taken to be old by an answer in the API's name; the proof itself is real."""
    asked = 0

    async def refuse_once(route: Any) -> None:
        nonlocal asked
        asked += 1
        if asked in (1, 2):
            body = {"code": "proof_required", "title": "", "detail": "Confirm", "status": 403}
            await route.fulfill(status=403, json=body, content_type="application/problem+json")
        else:
            await route.continue_()

    panel.watch.allow(403, "/api/v1/me/totp")
    panel.watch.allow(422, "/api/v1/me/proof")
    await panel.open("/security")
    await panel.page.route("**/api/v1/me/totp", refuse_once)
    add = panel.part("totp").get_by_role("button", name="Add")
    await add.click()
    proof = panel.part("proof")
    await expect(proof.locator("#proof-password")).to_be_focused()
    await proof.get_by_role("button", name="Cancel").click()
    await expect(panel.toast("Confirm that it is you, and do this again.")).to_be_visible()
    await add.click()
    await proof.locator("#proof-password").fill("wrong")
    await proof.get_by_role("button", name="Confirm").click()
    await expect(proof.locator(".field-error")).to_have_text("The password is wrong.")
    await proof.locator("#proof-password").fill(PASSWORD)
    await proof.get_by_role("button", name="Confirm").click()
    # What was asked for goes on.
    await expect(panel.part("totp-dialog")).to_be_visible()
    assert asked == 3


async def signed_out(customer: Customer) -> bool:
    return (await customer.ask("GET", "/me")).status_code == 401


async def test_signing_out_from_afar(windows: Windows, customer: Customer) -> None:
    here, there = await windows(customer), await windows(customer)
    await there.open("/services")
    await here.open("/security")
    sessions = here.part("session")
    await expect(sessions.nth(2)).to_be_visible()
    there.watch.allow(401, "/api/v1/.*")
    there.watch.allow(400, "/oauth/token")
    await here.part("end-others").click()
    await here.part("dialog").get_by_role("button", name="Sign out everywhere else").click()
    await expect(sessions).to_have_count(1)
    await until(lambda: signed_out(customer), 20, "the other sessions have ended")
    await there.link("Jobs").click()
    await there.at(r"/login\?next=.*")
    # The customer's own script was signed out too.
    await customer.sign_in(customer.email)


async def test_an_administrator_helps_whoever_lost_everything(
    windows: Windows, customer: Customer, admin: Customer
) -> None:
    begun = (await customer.ask("POST", "/me/totp")).json()
    confirmed = await customer.ask("POST", "/me/totp/confirmation", json={"code": code_of(begun["secret"])})
    assert confirmed.status_code == 200, confirmed.text
    me = (await customer.ask("GET", "/me")).json()
    panel = await windows(admin)
    await panel.open(f"/admin/users/{me['id']}")
    await panel.part("reset-factors").click()
    await panel.part("dialog").get_by_role("button", name="Reset the second step").click()
    await expect(panel.toast("The second step is reset.")).to_be_visible()
    await expect(panel.part("reset-factors")).to_have_count(0)
    guest = await windows()
    await password_of(guest, customer.email)
    await guest.at("/services")
