"""A small HTTP client for the panel's own API, through its edge."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlencode

TIMEOUT = 15.0
Answer = tuple[int, Any, dict[str, str]]


class Edge:
    """Always 127.0.0.1 with a Host header: Python does not resolve *.localhost, and no proxy may step in."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(
        self,
        method: str,
        path: str,
        *,
        host: str = "localhost",
        body: object = None,
        form: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        raw: bool = False,
    ) -> Answer:
        """Status, body (decoded JSON, None of anything else; `raw`: bytes) and headers by lower-case name;
        OSError when nothing answers."""
        sent = {"Host": f"{host}:{self.port}", **(headers or {})}
        data = None
        if form is not None:
            data, sent["Content-Type"] = urlencode(form), "application/x-www-form-urlencoded"
        elif body is not None:
            data, sent["Content-Type"] = json.dumps(body), "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, body=data, headers=sent)
            response = connection.getresponse()
            content = response.read()
            named = {name.lower(): value for name, value in response.getheaders()}
            return response.status, content if raw else _decoded(content, named), named
        except http.client.HTTPException as error:
            raise ConnectionError(f"the edge hung up: {error!r}") from error
        finally:
            connection.close()

    def status(self, path: str, *, host: str = "localhost") -> int:
        """The status of a GET; 0 when nothing answers."""
        try:
            return self.ask("GET", path, host=host)[0]
        except OSError:
            return 0


def _decoded(content: bytes, headers: dict[str, str]) -> Any:
    return json.loads(content) if "json" in headers.get("content-type", "") and content else None
