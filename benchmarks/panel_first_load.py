"""`panel_first_load`: what a browser transfers until the sign-in form, and the list of services, can be used.

Counted by Chromium itself (its network events: bytes on the wire, headers included). Warm means the browser's
cache holds the files: what did not change must be answered without a body. The list is the demo customer's.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import BrowserContext, CDPSession, Page, sync_playwright

from benchmarks.checkout import fresh_checkout
from benchmarks.report import Result, Unable

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
]
SIGN_IN = "[data-page=login][aria-busy=false] #password"
SERVICES = "[data-page=services][aria-busy=false]"


@dataclass
class Traffic:
    """Of one page load until it could be used: requests, and bytes on the wire of what they brought."""

    requests: int = 0
    wire: int = 0
    file_bodies: int = 0
    """Bytes of bodies of the panel's own files; answers of the API are data."""
    usable: bool = False
    _open: dict[str, list[Any]] = field(default_factory=dict)

    def watch(self, session: CDPSession) -> None:
        session.on("Network.requestWillBeSent", self._sent)
        session.on("Network.responseReceived", self._received)
        session.on("Network.loadingFinished", self._finished)
        session.send("Network.enable")

    def _sent(self, event: dict[str, Any]) -> None:
        url = event["request"]["url"]
        if not self.usable and not url.startswith("data:"):
            self.requests += 1
            self._open[event["requestId"]] = [url, 0]

    def _received(self, event: dict[str, Any]) -> None:
        if event["requestId"] in self._open:
            self._open[event["requestId"]][1] = event["response"].get("encodedDataLength", 0)

    def _finished(self, event: dict[str, Any]) -> None:
        url, headers = self._open.pop(event["requestId"], ("", 0))
        if url:
            self.wire += int(event["encodedDataLength"])
            if "/api/" not in url and "/oauth/" not in url:
                self.file_bodies += max(0, int(event["encodedDataLength"] - headers))

    def __str__(self) -> str:
        bodies = f"bodies of files {self.file_bodies / 1000:.1f} KB"
        return f"{self.wire / 1000:5.1f} KB, {self.requests:2d} requests, {bodies}"


def run() -> Result:
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        raise Unable("it needs Chromium (Debian: apt-get install chromium)")
    with fresh_checkout() as checkout:
        checkout.make("up")
        demo = checkout.env["DEMO_EMAIL"], checkout.env["DEMO_PASSWORD"]
        with sync_playwright() as playwright:

            def profile(folder: str) -> BrowserContext:
                # One that is kept on disk, as a real browser's is: its cache outlives the page.
                return playwright.chromium.launch_persistent_context(
                    folder, executable_path=chromium, args=ARGUMENTS, headless=True
                )

            with tempfile.TemporaryDirectory() as folder:
                context = profile(folder)
                cold = visit(context, f"{checkout.panel}/", SIGN_IN)
                warm = visit(context, f"{checkout.panel}/", SIGN_IN)
                context.close()
            with tempfile.TemporaryDirectory() as folder:
                context = profile(folder)
                sign_in(context, checkout.panel, *demo)
                context.close()
                # The session's cookie stays, the cache goes: a cold visit of somebody signed in.
                context = profile(folder)
                session = context.new_cdp_session(context.pages[0])
                session.send("Network.clearBrowserCache")
                cold_list = visit(context, f"{checkout.panel}/services", SERVICES)
                warm_list = visit(context, f"{checkout.panel}/services", SERVICES)
                context.close()
    return Result(
        name="panel_first_load",
        value=max(cold.wire, cold_list.wire) / 1000,
        unit="KB",
        ratio=None,
        aim="below 40 KB and 12 requests cold; 0 bytes of unchanged files warm",
        runs=1,
        facts=[
            ("sign-in form, cold", str(cold)),
            ("sign-in form, warm", str(warm)),
            ("list of services, cold", str(cold_list)),
            ("list of services, warm", str(warm_list)),
        ],
    )


def visit(context: BrowserContext, url: str, ready: str) -> Traffic:
    page: Page = context.new_page()
    traffic = Traffic()
    traffic.watch(context.new_cdp_session(page))
    page.goto(url)
    page.wait_for_selector(ready)
    traffic.usable = True
    page.wait_for_load_state("networkidle")
    page.close()
    return traffic


def sign_in(context: BrowserContext, panel: str, email: str, password: str) -> None:
    page = context.new_page()
    page.goto(f"{panel}/login")
    page.fill("#email", email)
    page.fill("#password", password)
    page.keyboard.press("Enter")
    page.wait_for_selector(SERVICES)
    page.close()
