"""Forges as far as commit statuses go, over HTTP on loopback, after what their documentation says.

with Forge() as forge:
    forge.token = "s3cret"
    forge.url                        # http://127.0.0.1:<port>
    forge.said("gavan/hello", sha)   # what it shows of a commit
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

REPOSITORY = "me/hello"


@dataclass(frozen=True)
class _Shape:
    """Where a forge takes statuses, under which token, and what it insists on."""

    path: re.Pattern[str]
    repository: re.Pattern[str]
    header: Callable[[str], tuple[str, str]]
    states: frozenset[str]
    name: str
    link: str
    seen: dict[str, Any] = field(default_factory=dict)


def _bearer(token: str) -> tuple[str, str]:
    return "Authorization", f"Bearer {token}"


_PUSH = {"permissions": {"push": True, "pull": True, "admin": False}}
SHAPES = {
    "github": _Shape(
        re.compile(r"/api/v3/repos/(.+)/statuses/(\w+)"),
        re.compile(r"/api/v3/repos/([^/]+/[^/]+)"),
        _bearer,
        frozenset({"error", "failure", "pending", "success"}),
        *("context", "target_url"),
        _PUSH,
    ),
    "gitea": _Shape(
        re.compile(r"/api/v1/repos/(.+)/statuses/(\w+)"),
        re.compile(r"/api/v1/repos/([^/]+/[^/]+)"),
        lambda token: ("Authorization", f"token {token}"),
        frozenset({"pending", "success", "error", "failure", "warning"}),
        *("context", "target_url"),
        _PUSH,
    ),
    "gitlab": _Shape(
        re.compile(r"/api/v4/projects/([^/]+)/statuses/(\w+)"),
        re.compile(r"/api/v4/projects/([^/]+)"),
        lambda token: ("PRIVATE-TOKEN", token),
        frozenset({"pending", "running", "success", "failed", "canceled", "skipped"}),
        *("name", "target_url"),
        {"permissions": {"project_access": {"access_level": 40}, "group_access": None}},
    ),
    "bitbucket": _Shape(
        re.compile(r"/2\.0/repositories/(.+)/commit/(\w+)/statuses/build"),
        re.compile(r"/2\.0/repositories/([^/]+/[^/]+)"),
        _bearer,
        frozenset({"INPROGRESS", "SUCCESSFUL", "FAILED", "STOPPED"}),
        *("name", "url"),
    ),
    "bitbucket_server": _Shape(
        re.compile(r"/rest/api/latest/projects/(.+)/commits/(\w+)/builds"),
        re.compile(r"/rest/api/latest/projects/([^/]+/repos/[^/]+)"),
        _bearer,
        frozenset({"INPROGRESS", "SUCCESSFUL", "FAILED", "CANCELLED", "UNKNOWN"}),
        *("name", "url"),
    ),
}


class Forge:
    """Speaks as any of them. `trouble` answers instead of it; `hold` is waited for before an answer."""

    def __init__(self) -> None:
        self.token, self.username = "tok_of_a_forge", ""
        self.trouble: list[tuple[int, dict[str, str]]] = []
        self.hold: threading.Event | None = None
        self.entered = threading.Event()
        self.requests: list[tuple[str, str]] = []
        self._said: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        handler = type("Handler", (_Handler,), {"forge": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Forge:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.hold is not None:
            self.hold.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def said(self, name: str, commit: str) -> list[dict[str, Any]]:
        """Everything that was said of it under that name, oldest first."""
        return self._said[name, commit]

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, str], Any]:
        self.requests.append((method, path))
        self.entered.set()
        if self.hold is not None:
            self.hold.wait(30)
        if self.trouble:
            return *self.trouble.pop(0), {"message": "Trouble"}
        for forge, shape in SHAPES.items():
            for pattern, wanted in ((shape.path, "POST"), (shape.repository, "GET")):
                if (match := pattern.fullmatch(path)) is None:
                    continue
                if not self._believed(shape, headers):
                    return 401, {}, {"message": "Bad credentials"}
                if unquote(match[1]).replace("/repos", "").lower() != REPOSITORY:
                    return 404, {}, {"message": "Not Found"}
                if method != wanted:
                    return 405, {}, {}
                return self._told(forge, shape, match[2], body) if method == "POST" else (200, {}, shape.seen)
        return 404, {}, {"message": "Not Found"}

    def _believed(self, shape: _Shape, headers: Any) -> bool:
        name, value = shape.header(self.token)
        if self.username:
            pair = base64.b64encode(f"{self.username}:{self.token}".encode()).decode()
            name, value = "Authorization", f"Basic {pair}"
        return headers.get(name) == value and bool(headers.get("User-Agent"))

    def _told(self, forge: str, shape: _Shape, commit: str, body: bytes) -> tuple[int, dict[str, str], Any]:
        given = json.loads(body)
        keyed = forge.startswith("bitbucket")
        missing = keyed and not (given.get("key") and len(given["key"]) <= 40)
        if given["state"] not in shape.states or missing or not given[shape.link].startswith("http"):
            return 400, {}, {"message": "Validation Failed"}
        before = self._said[given[shape.name], commit]
        if forge == "gitlab" and before and before[-1]["state"] == given["state"]:
            return 400, {}, {"message": f"Cannot transition status via :run from :{given['state']}"}
        before.append(given)
        return 201, {}, {"id": len(before)}


class _Handler(BaseHTTPRequestHandler):
    forge: Forge

    def log_message(self, format: str, *args: object) -> None: ...

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, headers, said = self.forge.answer(self.command, self.path, self.headers, body)
        content = json.dumps(said).encode()
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            # Whoever asked has gone.
            self.close_connection = True
