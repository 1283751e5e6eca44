"""The panel in a browser window, as a person uses it."""

from __future__ import annotations

import re
from typing import Any

from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.browser.watching import Watch
from tests.support.customer import PASSWORD, Customer
from tests.support.gates import App
from tests.support.stack import until

# Cores are shared: what has to come may come late.
PATIENCE = 20_000
expect.set_options(timeout=PATIENCE)


class Panel:
    def __init__(self, context: BrowserContext, page: Page, watch: Watch, address: str) -> None:
        self.context, self.page, self.watch, self.address = context, page, watch, address
        page.set_default_timeout(PATIENCE)

    # Finding ------------------------------------------------------------------------------------

    def part(self, testid: str) -> Locator:
        return self.page.get_by_test_id(testid)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def link(self, name: str) -> Locator:
        return self.page.get_by_role("link", name=name, exact=True)

    def field(self, label: str) -> Locator:
        return self.page.get_by_label(label, exact=True)

    def heading(self) -> Locator:
        return self.page.get_by_role("heading", level=1)

    def toast(self, text: str) -> Locator:
        return self.part("toasts").get_by_text(text)

    def error_of(self, label: str) -> Locator:
        return self.page.locator(".field", has=self.field(label)).locator(".field-error")

    # Going --------------------------------------------------------------------------------------

    async def open(self, path: str = "/") -> None:
        """As typed into the address bar; returns when the page is filled."""
        await self.page.goto(self.address + path)
        await self.settled()

    async def go(self, path: str) -> None:
        """As by the browser's own buttons, within the loaded panel; to a page, not to another tab of one."""
        await self.page.evaluate(
            """(path) => {
              history.pushState({}, "", path);
              dispatchEvent(new PopStateEvent("popstate"));
            }""",
            path,
        )
        await self.settled()

    async def settled(self) -> None:
        await expect(self.page.locator("#content > .page:not([aria-busy=true])")).to_be_visible()
        await expect(self.page.locator("#content .skeleton")).to_have_count(0)

    async def at(self, path: str) -> None:
        """The address is, or soon becomes, this path, and the page is filled; a regular expression that
        fits all of the path.
        """
        await expect(self.page).to_have_url(re.compile(re.escape(self.address) + path + "$"))
        await self.settled()

    async def reload(self) -> None:
        await self.page.reload()
        await self.settled()

    async def another_tab(self, path: str = "/") -> Panel:
        """Of the same person's browser."""
        tab = Panel(self.context, await self.context.new_page(), self.watch, self.address)
        await tab.open(path)
        return tab

    # The account --------------------------------------------------------------------------------

    async def remember(self, somebody: Customer) -> None:
        """The browser of somebody who signed in earlier: it has the session's cookie."""
        form: dict[str, Any] = {"grant_type": "password", "client_id": "panel"}
        form |= {"username": somebody.email, "password": somebody.password}
        answer = await self.context.request.post(f"{self.address}/oauth/token", form=form)
        assert answer.ok, await answer.text()

    async def sign_in(self, email: str, password: str = PASSWORD) -> None:
        await self.settled()
        await self.field("E-mail").fill(email)
        await self.field("Password").fill(password)
        await self.button("Sign in").click()

    async def sign_out(self) -> None:
        await self.part("account").click()
        await self.part("sign-out").click()

    # Services -----------------------------------------------------------------------------------

    async def fill_order(self, name: str, repo_url: str, **variables: str) -> None:
        await self.field("Name").first.fill(name)
        await self.field("Repository").fill(repo_url)
        for key, value in variables.items():
            await self.add_variable(key, value)

    async def add_variable(self, name: str, value: str) -> None:
        await self.part("add-variable").click()
        row = self.part("variable").last
        await row.locator("[data-name]").fill(name)
        await row.locator("[data-value]").fill(value)

    async def status(self, status: str) -> None:
        """Of a service, on its page."""
        await expect(self.part("status").locator(".badge")).to_have_attribute("data-state", status)

    async def state(self, *states: str) -> None:
        """Of a deployment, on its page."""
        allowed = re.compile(f"^({'|'.join(states)})$")
        await expect(self.part("state").locator(".badge")).to_have_attribute("data-state", allowed)

    async def step(self, name: str, state: str) -> None:
        step = self.part("steps").locator(f"[data-step={name}]")
        await expect(step).to_have_attribute("data-state", state)

    async def progress_beyond(self, least: int) -> int:
        """The bar is told by the job, which may be heard of after the deployment's state."""

        async def beyond() -> int:
            value = int(await self.part("progress").get_attribute("value") or 0)
            return value if value > least else 0

        found: int = await until(beyond, PATIENCE / 1000, f"the progress is beyond {least} %")
        return found

    async def visit(self) -> Page:
        """What opens from the button "Open app"."""
        async with self.page.expect_popup() as popup:
            await self.part("open-app").click()
        app = await popup.value
        await app.wait_for_load_state()
        return app


def showing(app: App, variable: str) -> App:
    """The app, but its page is the value of an environment variable."""
    page = f"os.environ[{variable!r}].encode()"
    answer = f"(self.send_response(200), self.end_headers(), self.wfile.write({page}))"
    return App(
        app.text,
        app.script,
        start_gate=app.start_gate,
        build=app.build,
        before=f"Page.do_GET = lambda self: {answer}",
    )
