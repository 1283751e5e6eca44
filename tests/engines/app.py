"""An app that does on request what apps do wrong, and questions to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx

from tests.engines.conftest import Panel

SERVER = """
import json, os, signal, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = 200, b""
        if self.path == "/env":
            body = json.dumps(dict(os.environ)).encode()
        elif self.path.startswith("/read"):
            try:
                body = open(self.path[5:], "rb").read()
            except OSError as error:
                status, body = 404, str(error).encode()
        elif self.path == "/fail":
            status = 503
        elif self.path == "/moved":
            status = 302
        elif self.path == "/missing":
            status = 404
        elif self.path == "/exit":
            os._exit(7)
        elif self.path == "/kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.path == "/eat":
            try:
                status, body = 500, str(len(bytearray(2 << 30))).encode()
            except MemoryError:
                body = b"no memory"
        elif self.path == "/fork":
            made = 0
            try:
                for _ in range(400):
                    if os.fork() == 0:
                        time.sleep(3)
                        os._exit(0)
                    made += 1
            except OSError:
                pass
            body = str(made).encode()
        elif self.path == "/fill":
            try:
                with open("big", "wb") as file:
                    for _ in range(400):
                        file.write(bytes(1 << 20))
                body = b"filled"
            except OSError as error:
                body = str(error).encode()
        self.send_response(status)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

def stop(*_):
    print("asked to stop", flush=True)
    time.sleep(float(os.environ.get("LINGER", "0")))
    print("stopped in order", flush=True)
    os._exit(0)

signal.signal(signal.SIGTERM, stop)
time.sleep(float(os.environ.get("LATE", "0")))
port = 0 if "ANYWHERE" in os.environ else int(os.environ["PORT"])
server = ThreadingHTTPServer((os.environ["HOST"], port), Handler)
print("listening on", server.server_port, flush=True)
server.serve_forever()
"""
APP = {"server.py": SERVER, "Procfile": "web: python3 server.py\n"}


async def get(address: str, path: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=30) as client:
        return await client.get(f"http://{address}{path}")


async def text_of(panel: Panel, service_id: str) -> str:
    page = await panel.engine.read_log(service_id, after=None, limit=1000)
    return "\n".join(line.text for line in page.lines)


async def printed(panel: Panel, service_id: str, words: str) -> None:
    """What a unit prints comes to its log a moment later."""

    async def there() -> bool:
        return words in await text_of(panel, service_id)

    await until(there)


async def until(condition: Callable[[], Awaitable[bool]], timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not await condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
