"""The panel's files as the checks read them."""

from __future__ import annotations

import re
from pathlib import Path

FRONTEND = Path(__file__).parents[2] / "frontend"
SCRIPTS = sorted(FRONTEND.glob("js/**/*.js"))
PARTIALS = sorted(FRONTEND.glob("partials/**/*.html"))
SHELL = FRONTEND / "index.html"
MARKUP = [SHELL, *PARTIALS]
PANEL = [*MARKUP, *SCRIPTS]
"""Everything under the panel's policy; `errors/` is shown on customers' host names and is not."""

ROUTE = re.compile(r"\{ path: \"(?P<path>[^\"]+)\"(?P<rest>[^}]*)\}")
FIELD = re.compile(r"(\w+): \"([^\"]+)\"")


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def served(path: str) -> Path:
    """The file behind an absolute address of the panel."""
    return FRONTEND / path.removeprefix("/")


def routes() -> list[dict[str, str]]:
    """The route table of `app.js`, one dictionary a route."""
    found = ROUTE.finditer(text(FRONTEND / "js/core/app.js"))
    return [{"path": match["path"], **dict(FIELD.findall(match["rest"]))} for match in found]
