"""What a browser complains of while the panel is used: nothing is expected but what a test allows."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Request, Response, WebError

# Chromium says this of every request that failed or was refused; those are heard of with their path.
REQUEST = "Failed to load resource: "
LEFT = "net::ERR_ABORTED"
"""A request that its own page gave up, as every page that is left does with its streams."""


class Watch:
    """Console errors and warnings (refusals of the content policy among them), errors of scripts, and
    requests to the panel that failed or were answered from 400 on. Customers' apps are their own affair.
    """

    def __init__(self, context: BrowserContext, host: str) -> None:
        self.host = host
        self.complaints: list[str] = []
        self._allowed: list[tuple[int, str]] = []
        context.on("console", self._console)
        context.on("weberror", self._script)
        context.on("response", self._response)
        context.on("requestfailed", self._failed)

    def allow(self, status: int, path: str) -> None:
        """Answers with this status to paths that match are meant; 0 for no answer at all."""
        self._allowed.append((status, path))

    def _ours(self, url: str) -> bool:
        return urlsplit(url).netloc == self.host

    def _note(self, status: int, method: str, url: str, words: str) -> None:
        path = urlsplit(url).path
        if not any(status == meant and re.fullmatch(pattern, path) for meant, pattern in self._allowed):
            self.complaints.append(f"{method} {path}: {words}")

    def _console(self, message: ConsoleMessage) -> None:
        location: Any = message.location
        url = location.get("url") or (message.page.url if message.page else "")
        if message.text.startswith(REQUEST) or not self._ours(url):
            return
        if message.type in ("error", "warning"):
            self.complaints.append(f"console {message.type}: {message.text} ({url})")

    def _script(self, error: WebError) -> None:
        if error.page is None or self._ours(error.page.url):
            self.complaints.append(f"script: {error.error.stack or error.error}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and self._ours(response.url):
            self._note(response.status, response.request.method, response.url, f"answered {response.status}")

    def _failed(self, request: Request) -> None:
        if self._ours(request.url) and request.failure != LEFT:
            self._note(0, request.method, request.url, request.failure or "failed")
