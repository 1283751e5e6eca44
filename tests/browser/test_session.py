"""Signing in, staying signed in, and leaving."""

from __future__ import annotations

import uuid

from playwright.async_api import expect

from tests.browser.panel import Panel
from tests.support.customer import PASSWORD, Customer

TOKEN = "/oauth/token"
QUARTER_HOUR = 16 * 60_000


async def test_a_session_outlives_a_reload(panel: Panel) -> None:
    await panel.open("/services")
    await panel.at("/services")
    await panel.reload()
    await panel.at("/services")
    # What scripts may read holds no token; a browser that lost it all still has the cookie.
    kept: str = await panel.page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
    assert "token" not in kept
    assert "eyJ" not in kept
    await panel.page.evaluate("localStorage.clear()")
    await panel.reload()
    await panel.at("/services")
    cookies = {one["name"]: one for one in await panel.context.cookies(f"{panel.address}/oauth/token")}
    cookie = cookies["gavan_refresh"]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/oauth")
    assert await panel.context.cookies(f"{panel.address}/services") == []


async def test_an_access_token_that_ends_is_renewed_unseen(panel: Panel) -> None:
    await panel.page.clock.install()
    await panel.open("/services")
    async with panel.page.expect_response(f"**{TOKEN}") as renewal:
        await panel.page.clock.fast_forward(QUARTER_HOUR)
        await panel.link("Jobs").click()
    assert (await renewal.value).ok
    await panel.at("/jobs")
    await expect(panel.heading()).to_have_text("Jobs")


async def test_tabs_share_the_session_and_its_end(panel: Panel) -> None:
    await panel.open("/services")
    other = await panel.another_tab("/jobs")
    await other.at("/jobs")
    panel.watch.allow(401, "/api/v1/.*")
    await panel.page.bring_to_front()
    await panel.sign_out()
    await panel.at("/login")
    await other.at(r"/login\?next=%2Fjobs")
    for tab in (panel, other):
        panel.watch.allow(400, TOKEN)
        await tab.open("/services")
        await tab.at(r"/login\?next=%2Fservices")
    await panel.page.go_back()
    await expect(panel.page.get_by_test_id("login-form")).to_be_visible()


async def test_the_page_that_was_asked_for_comes_after_signing_in(guest: Panel, customer: Customer) -> None:
    guest.watch.allow(400, TOKEN)
    await guest.open("/jobs?state=failed")
    await guest.at(r"/login\?next=%2Fjobs%3Fstate%3Dfailed")
    await guest.link("Register").click()
    await guest.at(r"/register\?next=%2Fjobs%3Fstate%3Dfailed")
    await guest.link("Sign in").click()
    await guest.sign_in(customer.email)
    await guest.at(r"/jobs\?state=failed")
    await expect(guest.heading()).to_have_text("Jobs")
    # Signed in already: the way in is no place to be.
    await guest.open("/login")
    await guest.at("/services")


async def test_signing_in_leads_nowhere_else(guest: Panel, customer: Customer) -> None:
    for elsewhere in ("//evil.example/", "https://evil.example/", "/\\evil.example"):
        await guest.open(f"/login?next={elsewhere}")
        await guest.sign_in(customer.email)
        await guest.at("/services")
        await guest.sign_out()
        await guest.at("/login")


async def test_a_wrong_password_is_said(guest: Panel, customer: Customer) -> None:
    await guest.open("/login")
    await guest.sign_in("somebody", "")
    await expect(guest.error_of("E-mail")).to_have_text("This does not look like an e-mail address.")
    await expect(guest.error_of("Password")).to_have_text("Please fill this in.")
    await expect(guest.field("E-mail")).to_be_focused()
    for email in (customer.email, "nobody@example.com"):
        guest.watch.allow(400, TOKEN)
        await guest.sign_in(email, "not this one")
        await expect(guest.page.get_by_role("alert")).to_have_text(
            "The e-mail or the password is wrong, or the address is not confirmed yet."
        )
        await guest.at("/login")
    await guest.sign_in(customer.email)
    await guest.at("/services")


async def test_registration_says_what_is_wrong_with_a_field(guest: Panel, customer: Customer) -> None:
    await guest.open("/register")
    await guest.field("E-mail").fill("at sea")
    await guest.field("Password").fill("short")
    await guest.button("Create account").click()
    await expect(guest.error_of("E-mail")).to_have_text("This does not look like an e-mail address.")
    await expect(guest.error_of("Password")).to_have_text("At least 10 characters.")
    await expect(guest.field("E-mail")).to_be_focused()
    await expect(guest.field("E-mail")).to_have_attribute("aria-invalid", "true")

    guest.watch.allow(422, "/api/v1/users")
    email = f"{uuid.uuid4().hex}@example.com"
    await guest.field("E-mail").fill(email)
    await guest.field("Password").fill("aaaaaaaaaaaa")
    await guest.button("Create account").click()
    await expect(guest.error_of("Password")).to_have_text("This password is too easy to guess.")
    await expect(guest.error_of("E-mail")).to_have_text("")

    guest.watch.allow(400, TOKEN)
    await guest.field("E-mail").fill(customer.email)
    await guest.field("Password").fill("another lighthouse on a quay")
    await guest.button("Create account").click()
    # Whether there is such an account is said in the letter alone.
    await guest.at("/check-mail")
    await expect(guest.heading()).to_have_text("Look into your mailbox")

    await guest.open("/register")
    await guest.field("Password").fill(PASSWORD)
    await guest.field("E-mail").fill(email)
    await guest.button("Create account").click()
    await guest.at("/services")


async def test_a_panel_whose_server_is_away_says_so_and_goes_on(panel: Panel) -> None:
    await panel.open("/jobs")
    await panel.link("Services").click()
    await panel.at("/services")
    await panel.settled()
    panel.watch.allow(0, "/(api|oauth|images)/.*")
    await panel.context.set_offline(True)
    await panel.link("Jobs").click()
    await expect(panel.heading()).to_have_text("This page could not be shown")
    await expect(panel.page.get_by_text("The server cannot be reached.")).to_be_visible()
    await panel.context.set_offline(False)
    await panel.button("Try again").click()
    await expect(panel.heading()).to_have_text("Jobs")
