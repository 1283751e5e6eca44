"""What a first visit costs, computed from the files: requests, and bytes as nginx would compress them."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from tests.panel.sources import FRONTEND, SHELL, routes, served, text

NGINX_LEVEL = 5
MOST_BYTES = 40 * 1024
MOST_REQUESTS = 11
HEADERS = 400
"""Bytes of an answer's headers, about what the edge sends."""

LINKED = re.compile(
    r"<(?:link rel=\"(?:stylesheet|modulepreload)\" href|script type=\"module\" src)=\"([^\"]+)\""
)
STATIC_IMPORT = re.compile(r"^import .* from \"([^\"]+)\";", re.MULTILINE)


def reachable(start: str) -> set[str]:
    """A module and all that it imports before it can run."""
    found, waiting = set(), [start]
    while waiting:
        address = waiting.pop()
        if address not in found:
            found.add(address)
            waiting += STATIC_IMPORT.findall(text(served(address)))
    return found


def first_visit(path: str, locale: str) -> set[Path]:
    """The files between an empty cache and a usable page."""
    route = next(route for route in routes() if route["path"] == path)
    addresses = set(LINKED.findall(text(SHELL))) | reachable(f"/js/{route['module']}.js")
    if "style" in route:
        addresses.add(f"/style/{route['style']}.css")
    files = {served(address) for address in addresses}
    partial = FRONTEND / f"partials/{route['partial']}.html"
    return files | {SHELL, partial, FRONTEND / f"locales/{locale}.json"}


def compressed(files: set[Path]) -> int:
    return sum(len(gzip.compress(path.read_bytes(), NGINX_LEVEL)) + HEADERS for path in files)


@pytest.mark.parametrize("locale", ["en", "ru"])
@pytest.mark.parametrize(
    ("path", "beside"),
    [
        # The picture of the harbour.
        ("/login", [FRONTEND / "images/harbour.svg"]),
        # An empty list shows a picture of the sprite: the same files.
        ("/services", []),
    ],
)
def test_first_visit_stays_small(path: str, beside: list[Path], locale: str) -> None:
    files = first_visit(path, locale) | set(beside)
    # The list of services also asks for a token and for the services, each about 2 KB.
    calls = 2 if path == "/services" else 0
    assert len(files) + calls <= MOST_REQUESTS
    assert compressed(files) + calls * 2048 < MOST_BYTES


def test_the_shell_preloads_what_the_app_imports() -> None:
    """Else the browser learns of a module only when it has read another: one more round trip."""
    linked = set(LINKED.findall(text(SHELL)))
    assert reachable("/js/core/app.js") <= linked


def test_an_empty_list_asks_for_no_picture() -> None:
    """It is what a new customer sees first, and its picture is drawn in the shell."""
    assert "/images/" not in text(served("/js/shared/services.js"))
    assert "/images/" not in text(FRONTEND / "partials/shared/services.html")
