"""Real parts for the tests of `embedded/`: a checkout's layout of its own, and a running nginx."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from embedded import edge, processes, settings
from embedded.layout import Layout
from embedded.web import Answer, Edge
from tests.support import ports

ROOT = Path(__file__).resolve().parents[2]


def until(check: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """A checkout with this repository's nginx.conf and nothing else."""
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "nginx.conf").symlink_to(ROOT / "nginx.conf")
    made = Layout(root, root / ".gavan")
    made.make_folders()
    yield made
    shutil.rmtree(made.run)


class Upstream(BaseHTTPRequestHandler):
    """Says what it was asked, or how long (/length); streams on /stream; answers 404 and 502 of its own."""

    protocol_version = "HTTP/1.1"
    seen = Event()
    """Set by whoever reads a stream and has its first event: the rest waits for that."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        given = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if path == "/length":
            self._send(200, str(len(given)).encode())
        elif path.endswith(("/stream", "/events")):
            self._stream()
        elif path.endswith("/socket"):
            self._socket()
        else:
            status = {"/404": 404, "/502": 502}.get(path, 200)
            lines = [f"{self.command} {self.path}", *(f"{k.lower()}: {v}" for k, v in self.headers.items())]
            self._send(status, "\n".join(lines).encode())

    do_POST = do_GET

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        with suppress(ConnectionError):
            for number in range(3):
                self.wfile.write(f"data: {number}\n\n".encode())
                self.wfile.flush()
                self.seen.wait(60)
        self.close_connection = True

    def _socket(self) -> None:
        """Switch protocols and echo one line."""
        self.send_response(101)
        self.send_header("Upgrade", self.headers["Upgrade"])
        self.send_header("Connection", self.headers["Connection"])
        self.end_headers()
        self.wfile.write(b"echo " + self.rfile.readline())
        self.wfile.flush()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Quiet."""


@dataclass
class RunningEdge:
    layout: Layout
    env: dict[str, str]
    process: subprocess.Popen[str]
    upstream_port: int
    client: Edge = field(init=False)

    def __post_init__(self) -> None:
        self.client = Edge(int(self.env["EDGE_PORT"]))

    @property
    def frontend(self) -> Path:
        return self.layout.root / "frontend"

    def get(self, path: str, host: str = "localhost", **headers: str) -> Answer:
        return self.client.ask("GET", path, host=host, headers=headers)

    def text(
        self, path: str, host: str = "localhost", method: str = "GET", **headers: str
    ) -> tuple[int, str]:
        status, content, _ = self.client.ask(method, path, host=host, headers=headers, raw=True)
        return status, content.decode()

    def route(self, lines: str) -> None:
        """Replace the routes and have nginx read them."""
        Path(self.env["EDGE_ROUTES_FILE"]).write_text(lines)
        self.process.send_signal(1)


@pytest.fixture(scope="module")
def running_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEdge]:
    with run_edge(tmp_path_factory.mktemp("edge")) as running:
        yield running


@contextmanager
def run_edge(root: Path, **changes: str) -> Iterator[RunningEdge]:
    """An edge below `root`, with these settings."""
    (root / "nginx.conf").symlink_to(ROOT / "nginx.conf")
    frontend = root / "frontend"
    (frontend / "js").mkdir(parents=True)
    for name in ("errors", "favicon.ico", "robots.txt"):
        (frontend / name).symlink_to(ROOT / "frontend" / name)
    (frontend / "index.html").write_text("<!doctype html><title>shell</title>" + "<p>text</p>" * 200)
    (frontend / "js" / "main.js").write_text("export const answer = 42;\n" * 100)
    layout = Layout(root, root / ".gavan")
    layout.make_folders()
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    Thread(target=upstream.serve_forever, daemon=True).start()
    upstream_port = upstream.server_address[1]
    port = ports.edge_port()
    env = settings.prepare(layout, port=port) | {"API_BIND": f"127.0.0.1:{upstream_port}"} | changes
    edge.prepare(layout, env)
    Path(env["EDGE_ROUTES_FILE"]).write_text("")
    with (layout.log / "edge.log").open("w") as log:
        process = subprocess.Popen(
            [*processes.unprivileged(), *edge.command(layout)], stdout=log, stderr=log, text=True
        )
    running = RunningEdge(layout, env, process, upstream_port)

    def answers() -> bool:
        assert process.poll() is None, (layout.log / "edge.log").read_text()
        return running.client.status("/") != 0

    until(answers)
    try:
        yield running
    finally:
        process.terminate()
        process.wait(60)
        upstream.shutdown()
        shutil.rmtree(layout.run)
