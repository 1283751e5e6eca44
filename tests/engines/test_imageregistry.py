"""Whom a login to a registry is shown to, whatever the registry's answers say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from backend.engines.access import Access
from backend.engines.addresses import Allowed
from backend.engines.errors import EngineError
from backend.engines.imagenames import check
from backend.engines.imageregistry import Registry

Told = list[tuple[str, str | None]]


@contextmanager
def server(status: int, header: tuple[str, str], told: Told) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.append((self.path, self.headers.get("Authorization")))
            self.send_response(status)
            self.send_header(*(part.replace("{host}", self.headers["Host"]) for part in header))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{made.server_port}"
    finally:
        made.shutdown()
        made.server_close()


def test_whom_a_registry_redirects_to_may_not_ask_for_its_login() -> None:
    told: Told = []
    challenge = ("WWW-Authenticate", 'Bearer realm="http://{host}/token",service="other"')
    with server(401, challenge, told) as other, server(307, ("Location", f"http://{other}/x"), []) as host:
        allowed = Allowed.parse((host, other))
        access = Access(host, username="ada", token="secret")
        with pytest.raises(EngineError) as caught:
            Registry(check(f"{host}/me/app:1", allowed), allowed, access).manifest("1")
    assert caught.value.code == "source_auth_failed"
    assert told == [("/x", None)]
