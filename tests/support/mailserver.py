"""A mail server and a gateway of text messages on loopback, which keep what they are given."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import orjson
from aiosmtpd.smtp import SMTP, Envelope

SENDER = "Gavan <no-reply@gavan.example>"


@dataclass(frozen=True)
class Delivered:
    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage


class Postman:
    """aiosmtpd's handler. `answers` are given to the next messages to an address, before all are taken
    again; to nobody else's, which may be on their way from an earlier test.

    With an event as `held`, messages are taken and wait for their answer until it is set; with one as
    `held_before` they get stuck earlier, and what is given up there was never taken.
    """

    def __init__(self) -> None:
        self.delivered: list[Delivered] = []
        self.answers: defaultdict[str, list[str]] = defaultdict(list)
        self.asked = self.greeted = 0
        self.held: threading.Event | None = None
        self.held_before: threading.Event | None = None

    async def handle_RCPT(
        self, server: SMTP, session: Any, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.greeted += 1
        if self.held_before is not None:
            await asyncio.to_thread(self.held_before.wait, 60)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Envelope) -> str:
        self.asked += 1
        waiting = [queue for to in envelope.rcpt_tos if (queue := self.answers[str(to)])]
        answer = waiting[0].pop(0) if waiting else "250 OK"
        if answer.startswith("250"):
            message = message_from_bytes(envelope.content or b"", policy=default)
            assert isinstance(message, EmailMessage)
            recipients = tuple(map(str, envelope.rcpt_tos))
            self.delivered.append(Delivered(str(envelope.mail_from), recipients, message))
        if self.held is not None:
            await asyncio.to_thread(self.held.wait, 60)
        return answer


class MailServer:
    """`with MailServer() as server:`; further keywords are aiosmtpd's. It runs in a thread of its own."""

    def __init__(
        self, postman: Postman | None = None, *, encrypted: ssl.SSLContext | None = None, **options: Any
    ) -> None:
        self._encrypted = encrypted
        self.postman = postman or Postman()
        self._options = {"enable_SMTPUTF8": True, **options}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    async def _listen(self) -> None:
        def connection() -> SMTP:
            return SMTP(self.postman, hostname="mail.example", loop=self._loop, **self._options)

        self._server = await self._loop.create_server(connection, "127.0.0.1", self.port, ssl=self._encrypted)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@dataclass(frozen=True)
class Posted:
    content_type: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, str]:
        return orjson.loads(self.body)  # type: ignore[no-any-return]


@dataclass
class SmsServer:
    """`with SmsServer() as server:`; `statuses` are answered first, then 200."""

    posted: list[Posted] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/messages"

    def __enter__(self) -> Self:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._take))
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()
        return self

    def _take(self, posted: Posted) -> int:
        self.posted.append(posted)
        return self.statuses.pop(0) if self.statuses else 200

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(10)


def _handler(take: Callable[[Posted], int]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(take(Posted(self.headers["Content-Type"], headers, body)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler
