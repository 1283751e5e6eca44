"""Serves a folder of static files on $HOST:$PORT: `gavan-static [folder]` in a customer's sandbox.

Standard library only, for it runs in the sandbox and has to start fast. GET and HEAD; nothing
outside the folder, no dot files; index.html for folders, name.html for /name, 404.html if present.
"""

import contextlib
import html
import os
import shutil
import signal
import socket
import stat
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import BinaryIO
from urllib.parse import quote, unquote_to_bytes

TYPES = {
    b".html": "text/html; charset=utf-8",
    b".htm": "text/html; charset=utf-8",
    b".css": "text/css; charset=utf-8",
    b".js": "text/javascript; charset=utf-8",
    b".mjs": "text/javascript; charset=utf-8",
    b".json": "application/json",
    b".map": "application/json",
    b".webmanifest": "application/manifest+json",
    b".xml": "application/xml",
    b".txt": "text/plain; charset=utf-8",
    b".md": "text/markdown; charset=utf-8",
    b".csv": "text/csv; charset=utf-8",
    b".svg": "image/svg+xml",
    b".png": "image/png",
    b".jpg": "image/jpeg",
    b".jpeg": "image/jpeg",
    b".gif": "image/gif",
    b".webp": "image/webp",
    b".avif": "image/avif",
    b".ico": "image/x-icon",
    b".woff": "font/woff",
    b".woff2": "font/woff2",
    b".ttf": "font/ttf",
    b".otf": "font/otf",
    b".pdf": "application/pdf",
    b".wasm": "application/wasm",
    b".mp4": "video/mp4",
    b".webm": "video/webm",
    b".mp3": "audio/mpeg",
    b".zip": "application/zip",
}
DRAIN = 5
"""Seconds that answers under way get after SIGTERM."""
LINGER = 2
"""Seconds in which a refused request's body is still taken."""


class Site(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def __init__(self, host: str, port: int, root: bytes) -> None:
        self.root = os.path.realpath(root)
        self.busy = 0
        self.lock = threading.Lock()
        super().__init__((host, port), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Site
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "gavan-static", ""
    timeout = 60

    def do_GET(self) -> None:
        with self._counted():
            self._answer()

    do_HEAD = do_GET

    @contextlib.contextmanager
    def _counted(self):  # type: ignore[no-untyped-def]
        with self.server.lock:
            self.server.busy += 1
        try:
            yield
        finally:
            with self.server.lock:
                self.server.busy -= 1

    def _answer(self) -> None:
        parts = [
            part for part in unquote_to_bytes(self.path.split("?", 1)[0].split("#", 1)[0]).split(b"/") if part
        ]
        if any(b"\0" in part or (part.startswith(b".") and part != b".well-known") for part in parts):
            return self._missing()
        wanted = os.path.join(self.server.root, *parts)
        folder = os.path.isdir(wanted)
        if folder and parts and not self.path.split("?", 1)[0].endswith("/"):
            return self._moved(b"/" + b"/".join(parts) + b"/")
        candidates = [os.path.join(wanted, b"index.html")] if folder else [wanted, wanted + b".html"]
        for path in candidates:
            if opened := self._open(path):
                with opened[0] as file:
                    return self._send(200, file, opened[1], path)
        return self._missing()

    def _open(self, path: bytes) -> tuple[BinaryIO, os.stat_result] | None:
        """A regular file whose real place is inside the folder, wherever links lead."""
        real = os.path.realpath(path)
        if not real.startswith(os.path.join(self.server.root, b"")):
            return None
        if any(
            part.startswith(b".") and part != b".well-known"
            for part in real[len(self.server.root) :].split(b"/")
        ):
            return None
        try:
            file = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError:
            return None
        info = os.fstat(file)
        if not stat.S_ISREG(info.st_mode):
            os.close(file)
            return None
        return open(file, "rb"), info

    def _send(self, status: int, file: BinaryIO, info: os.stat_result, path: bytes) -> None:
        tag = f'"{info.st_mtime_ns:x}-{info.st_size:x}"'
        if status == 200 and tag in self.headers.get("If-None-Match", ""):
            self.send_response(304)
            self.send_header("ETag", tag)
            self.end_headers()
            return
        self.send_response(status)
        self.send_header(
            "Content-Type", TYPES.get(os.path.splitext(path)[1].lower(), "application/octet-stream")
        )
        self.send_header("Content-Length", str(info.st_size))
        if status == 200:
            self.send_header("ETag", tag)
            self.send_header("Last-Modified", formatdate(info.st_mtime, usegmt=True))
            self.send_header("Cache-Control", "no-cache")
        self.end_headers()
        if self.command != "HEAD":
            shutil.copyfileobj(file, self.wfile, 1 << 16)

    def _missing(self) -> None:
        path = os.path.join(self.server.root, b"404.html")
        if opened := self._open(path):
            with opened[0] as file:
                return self._send(404, file, opened[1], path)
        return self._short(404, "There is nothing at this address.")

    def _moved(self, location: bytes) -> None:
        self.send_response(308)
        self.send_header("Location", quote(location))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _short(self, status: int, text: str) -> None:
        body = f"<!doctype html><title>{status}</title><p>{html.escape(text)}</p>\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Called by the base class for what it refuses; other methods are not allowed rather than unknown."""
        self.close_connection = True
        self._short(405 if code == 501 else code, message or "This cannot be answered.")
        # Closed with a body unread, the connection would be reset and the answer lost with it.
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(LINGER)
            deadline = time.monotonic() + LINGER
            while time.monotonic() < deadline and self.connection.recv(65536):
                pass

    def log_message(self, format: str, *args: object) -> None:
        line = (format % args).translate(dict.fromkeys((*range(32), 127)))
        print(line, flush=True)


def main() -> None:
    folder = os.fsencode(sys.argv[1] if len(sys.argv) > 1 else ".")
    site = Site(os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"]), folder)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=site.shutdown).start())
    print(f"Serving {os.fsdecode(folder)} on port {site.server_port}", flush=True)
    site.serve_forever(poll_interval=0.1)
    site.server_close()
    deadline = time.monotonic() + DRAIN
    while site.busy and time.monotonic() < deadline:
        time.sleep(0.02)


if __name__ == "__main__":
    main()
