"""Applications and tokens in the panel, and an application's own sign-in by a standard client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import httpx
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from playwright.async_api import expect

from tests.browser.conftest import Language, Windows
from tests.browser.inspection import HEIGHTS, misfits, unreadable
from tests.browser.panel import Panel
from tests.support.customer import Customer
from tests.support.stack import until

SCOPES = ["me:read", "services:read"]


@pytest.fixture
async def application() -> AsyncIterator[tuple[str, asyncio.Queue[str]]]:
    """Somebody's application on this machine: its address, and what browsers bring to it."""
    brought: asyncio.Queue[str] = asyncio.Queue()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ", 2)[1]
        if path.startswith("/back"):
            brought.put_nowait(path)
        page = b"<!doctype html><title>Tides</title><link rel=icon href=data:,><h1>Welcome to the tides</h1>"
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n" + page)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", brought
    server.close()


async def registered(customer: Customer, back: str, **changes: object) -> tuple[str, str]:
    body = {
        "name": "Tide calendar",
        "confidential": True,
        "grants": ["authorization_code", "refresh_token"],
        "redirect_uris": [back],
        "scopes": SCOPES,
        **changes,
    }
    answer = (await customer.ask("POST", "/me/applications", json=body)).raise_for_status().json()
    return answer["id"], answer["client_secret"]


async def refused(caller: httpx.AsyncClient, address: str = "") -> bool:
    return (await caller.get(f"{address}/api/v1/me")).status_code == 401


async def test_a_personal_token(panel: Panel, customer: Customer) -> None:
    await panel.open("/applications")
    await panel.part("new-token").click()
    networks = panel.page.locator("#token-networks")
    await panel.field("Name").fill("Nightly deploy")
    await panel.button("Make the token").click()
    await expect(panel.part("token-form")).to_contain_text("Choose at least one.")
    await panel.page.locator("[name=scopes][value='me:read']").check()
    await networks.fill("here and there")
    panel.watch.allow(422, "/api/v1/me/tokens")
    await panel.button("Make the token").click()
    await expect(panel.page.locator("#token-networks-error")).to_contain_text("neither an address")
    await networks.fill("127.0.0.0/8\n::1")
    await panel.button("Make the token").click()
    secret = await panel.part("secret").inner_text()
    assert secret.startswith("gavan_pat_")
    await panel.part("copy-secret").click()
    await expect(panel.toast("Copied.")).to_be_visible()
    await panel.button("I have kept it").click()
    row = panel.part("token")
    await expect(row).to_contain_text("Nightly deploy")
    await expect(panel.part("secret")).to_have_count(0)
    assert secret not in await panel.page.content()
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(base_url=panel.address, headers=headers, trust_env=False) as script:
        assert (await script.get("/api/v1/me")).status_code == 200
        await row.get_by_role("button").click()
        await panel.part("dialog").get_by_role("button", name="Delete").click()
        await expect(row).to_have_count(0)
        await until(lambda: refused(script), 20, "the token is refused")


async def test_an_application_is_registered_and_changed(panel: Panel) -> None:
    await panel.open("/applications")
    await panel.part("new-application").click()
    await panel.field("Name").fill("Tide calendar")
    await panel.page.locator("[name=scopes][value='services:read']").check()
    panel.watch.allow(422, "/api/v1/me/applications")
    await panel.button("Register").click()
    await expect(panel.error_of("Where people are sent back to")).to_have_text(
        "People have to be sent back somewhere."
    )
    await panel.field("Where people are sent back to").fill("https://tides.example.com/back")
    await panel.button("Register").click()
    shown = panel.part("once")
    await expect(shown.get_by_role("group", name="Client secret")).to_contain_text("gavan_secret_")
    client_id = await panel.part("client-id").inner_text()
    await panel.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await shown.get_by_role("button", name="Copy: Client ID").click()
    await expect(panel.toast("Copied.")).to_be_visible()
    clipboard = "navigator.clipboard.readText()"
    assert await panel.page.evaluate(clipboard) == client_id
    await shown.get_by_role("button", name="Copy: Client secret").click()
    secret = await panel.part("secret").inner_text()
    await panel.page.wait_for_function(f"async (secret) => await {clipboard} === secret", arg=secret)
    assert await unreadable(panel.page, "en") == []
    for width in HEIGHTS:
        assert await misfits(panel.page, width) == []
    await panel.page.set_viewport_size({"width": 1280, "height": 900})
    await panel.button("I have kept it").click()
    row = panel.part("application")
    await row.get_by_role("button", name="Copy: Client ID").click()
    await panel.page.wait_for_function(f"async (id) => await {clipboard} === id", arg=client_id)
    await row.get_by_role("button", name="Change Tide calendar").click()
    await expect(panel.field("Where people are sent back to")).to_have_value("https://tides.example.com/back")
    await panel.field("Name").fill("Moon calendar")
    await panel.button("Save").click()
    await expect(row).to_contain_text("Moon calendar")
    await row.get_by_role("button", name="New secret for Moon calendar").click()
    await panel.part("secret-form").get_by_role("button", name="New secret").click()
    assert (await panel.part("secret").inner_text()).startswith("gavan_secret_")
    await panel.button("I have kept it").click()
    await expect(row).to_contain_text("The old secret works until")


async def test_somebody_lets_an_application_in(
    windows: Windows, customer: Customer, application: tuple[str, asyncio.Queue[str]]
) -> None:
    """Signing in on the way, refusing once, and taking the access back in the end."""
    address, brought = application
    client_id, secret = await registered(customer, f"{address}/back")
    panel = await windows()
    # Asked for before there is a session to renew.
    panel.watch.allow(400, "/oauth/token")
    async with AsyncOAuth2Client(
        client_id,
        secret,
        scope=" ".join(SCOPES),
        redirect_uri=f"{address}/back",
        code_challenge_method="S256",
        trust_env=False,
    ) as standard:
        verifier = "a-verifier-of-at-least-forty-three-characters-0123456789"
        url, state = standard.create_authorization_url(
            f"{panel.address}/oauth/authorize", code_verifier=verifier
        )
        path = url.removeprefix(panel.address)
        await panel.open(path)
        await panel.sign_in(customer.email, customer.password)
        await expect(panel.heading()).to_have_text("Tide calendar asks for access to your account")
        await expect(panel.part("consent-scopes")).to_contain_text("See services and their logs")
        await panel.part("deny").click()
        await expect(panel.page.get_by_text("Welcome to the tides")).to_be_visible()
        assert "error=access_denied" in await brought.get()
        await panel.open(path)
        await panel.part("approve").click()
        await expect(panel.page.get_by_text("Welcome to the tides")).to_be_visible()
        token = await standard.fetch_token(
            f"{panel.address}/oauth/token",
            authorization_response=address + await brought.get(),
            state=state,
            code_verifier=verifier,
        )
        assert token["scope"] == " ".join(SCOPES)
        me = (await standard.get(f"{panel.address}/api/v1/me")).json()
        assert me["email"] == customer.email
        await panel.open("/applications")
        await panel.part("grant").get_by_role("button").click()
        await panel.part("dialog").get_by_role("button", name="Take back").click()
        await expect(panel.part("grant")).to_have_count(0)
        await until(lambda: refused(standard, panel.address), 20, "the access is taken back")


async def test_a_request_that_makes_no_sense(panel: Panel, customer: Customer) -> None:
    client_id, _ = await registered(customer, "https://tides.example.com/back")
    query = f"response_type=code&client_id={client_id}&redirect_uri=https://evil.example.com/"
    await panel.open(f"/oauth/authorize?{query}")
    await panel.at(r"/consent\?error=invalid_request")
    await expect(panel.heading()).to_have_text("This application cannot be let in")
    panel.watch.allow(400, "/api/v1/me/consent")
    await panel.open(f"/consent?{query}")
    await expect(panel.heading()).to_have_text("This application cannot be let in")


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_full_pages_fit_and_can_be_read(
    windows: Windows, customer: Customer, language: Language
) -> None:
    back = "https://tides.example.com/back"
    client_id, _ = await registered(customer, back)
    token = {"name": "Nightly deploy of the lighthouse", "scopes": SCOPES, "networks": ["2001:db8:1:2::/64"]}
    (await customer.ask("POST", "/me/tokens", json=token)).raise_for_status()
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": back,
        "code_challenge": "x" * 43,
        "code_challenge_method": "S256",
    }
    approval = {"decision": "approve", **query, "scope": "me:read"}
    (await customer.ask("POST", "/me/consent", json=approval)).raise_for_status()
    panel = await windows(customer, language=language)
    for path in ("/applications", f"/consent?{urlencode(query)}"):
        await panel.open(path)
        found = await unreadable(panel.page, language)
        for width in HEIGHTS:
            found += await misfits(panel.page, width)
        assert found == [], path
