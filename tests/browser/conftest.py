"""Chromium through the edge of a whole installation; every window is watched for complaints."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Literal, Protocol

import pytest
from playwright.async_api import Browser, async_playwright

from tests.browser.harbour import Harbour, build_harbour
from tests.browser.panel import Panel
from tests.browser.quiet import quiet
from tests.browser.watching import Watch
from tests.support.customer import Customer
from tests.support.stack import ROOT, Stack

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
RESULTS = ROOT / "test-results"
PICTURES = bool(os.environ.get("GAVAN_SCREENSHOT"))
_failed = pytest.StashKey[bool]()

Language = Literal["en", "ru"]


class Windows(Protocol):
    """Opens a window; with the browser of somebody, when given."""

    def __call__(
        self, somebody: Customer | None = None, *, language: Language = "en", width: int = 1280
    ) -> Awaitable[Panel]: ...


@pytest.fixture(scope="session", autouse=True)
def chromium() -> str:
    """Before the installation is made, which without a browser would be for nothing."""
    found = shutil.which(os.environ.get("CHROMIUM", CHROMIUM))
    if not found:
        reason = f"no Chromium at {CHROMIUM} (Debian: apt-get install chromium; elsewhere: CHROMIUM=/path)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return found


@pytest.fixture(scope="session")
async def browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    program = quiet(chromium, tmp_path_factory.mktemp("chromium"))
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield running
        await running.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[_failed] = item.stash.get(_failed, False) or report.failed
    return report


@pytest.fixture
def customer_first(request: pytest.FixtureRequest) -> None:
    """The windows close before the test's customer's services are deleted, which open pages would notice."""
    if "customer" in request.fixturenames:
        request.getfixturevalue("customer")


@pytest.fixture
async def windows(
    browser: Browser, stack: Stack, customer_first: None, request: pytest.FixtureRequest
) -> AsyncIterator[Windows]:
    """Any number of windows, each a browser of its own. At the end none may have complained; of a test that
    failed, a picture of each stays in test-results/failures/.
    """
    opened: list[Panel] = []

    async def window(
        somebody: Customer | None = None, *, language: Language = "en", width: int = 1280
    ) -> Panel:
        context = await browser.new_context(
            locale={"en": "en-GB", "ru": "ru-RU"}[language],
            timezone_id="Europe/Lisbon",
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
            color_scheme="light",
        )
        if language != "en":
            await context.add_init_script(f"localStorage['gavan.language'] ??= '{language}'")
        host = f"localhost:{stack.port}"
        watch = Watch(context, host)
        panel = Panel(context, await context.new_page(), watch, f"http://{host}")
        opened.append(panel)
        if somebody:
            await panel.remember(somebody)
        return panel

    yield window
    complaints = [one for panel in opened for one in panel.watch.complaints]
    for number, panel in enumerate(opened):
        if request.node.stash.get(_failed, False):
            place = RESULTS / "failures" / f"{re.sub(r'[^a-z0-9_-]+', '-', request.node.name)}-{number}.png"
            await panel.page.screenshot(path=place, full_page=True)
        await panel.context.close()
    assert complaints == []


@pytest.fixture
async def guest(windows: Windows) -> Panel:
    """A window of somebody unknown."""
    return await windows()


@pytest.fixture
async def panel(windows: Windows, customer: Customer) -> Panel:
    """A window of the customer, who signed in earlier."""
    return await windows(customer)


@pytest.fixture
def deployed(stack: Stack, customer: Customer, fresh: Callable[[str], str]) -> Callable[..., Awaitable[str]]:
    """Has the customer's app live; returns the service's id. Its page says its name."""

    async def deploy(name: str | None = None, files: dict[str, str] | None = None) -> str:
        name = name or fresh("app")
        stack.git.commit(name, files or {"index.html": f"<h1>{name}</h1>"}, message="First light")
        accepted = await customer.order(name, stack.git.url(name))
        await customer.live(accepted)
        return str(accepted["service_id"])

    return deploy


@pytest.fixture(scope="session")
async def admin(whole_stack: Stack) -> AsyncIterator[Customer]:
    """An administrator made on the command line, as an operator makes one."""
    made = json.loads(whole_stack.manage("create-admin", "--email", "browser@example.com"))
    somebody = await whole_stack.customer(made["email"], made["password"])
    yield somebody
    await somebody.close()


@pytest.fixture(scope="session")
async def harbour(whole_stack: Stack) -> AsyncIterator[Harbour]:
    owner = await whole_stack.customer()
    yield await build_harbour(whole_stack, owner)
    await owner.delete_everything()
    await owner.close()
