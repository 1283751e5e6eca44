"""A git server with gates: what fetches, builds or starts waits until the test lets it go on.

git.commit("app", git.app("hello").waits_to_listen("app-late").files)
await git.reached("app-late")       # the app is there, and waits
git.open("app-late")
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.gitserver import GitServer

LONGEST_SECONDS = 120

_APP = """\
import http.server, os, signal, sys, time, urllib.request


def wait(gate):
    if gate:
        urllib.request.urlopen(gate, timeout=120).read()


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = {text!r}.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


def end(*_):
    wait({stop_gate!r})
    os._exit(0)


signal.signal(signal.SIGTERM, end)
{before}
wait({start_gate!r})
address = os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])
http.server.ThreadingHTTPServer(address, Page).serve_forever()
"""

# A package whose own build does what the test wants: no registry is needed to have a build step.
_BUILD_PROJECT = """\
[build-system]
requires = []
build-backend = "step"
backend-path = ["."]
[project]
name = "step"
version = "1"
"""
_BUILD_STEP = """\
import base64, os, sys, urllib.request, zipfile


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    {code}
    info = "step-1.dist-info/"
    with zipfile.ZipFile(wheel_directory + "/step-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: step\\nVersion: 1\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return "step-1-py3-none-any.whl"
"""


@dataclass(frozen=True)
class App:
    """A small web app; `script` is a file name that no other app has, so its processes can be told apart."""

    text: str
    script: str
    start_gate: str = ""
    stop_gate: str = ""
    before: str = ""
    build: str | None = None

    @property
    def files(self) -> dict[str, str]:
        source = _APP.format(
            text=self.text, start_gate=self.start_gate, stop_gate=self.stop_gate, before=self.before
        )
        files = {self.script: source, "Procfile": f"web: python3 {self.script}\n"}
        if self.build is not None:
            files["requirements.txt"] = "./step\n"
            files["step/pyproject.toml"] = _BUILD_PROJECT
            files["step/step.py"] = _BUILD_STEP.format(code=self.build)
        return files

    def building(self, code: str) -> App:
        """Its build runs this Python statement; `os`, `sys` and `urllib.request` are imported."""
        return replace(self, build=code)


@dataclass
class Gate:
    opened: threading.Event = field(default_factory=threading.Event)
    arrivals: int = 0


class GatedGit(GitServer):
    """`GitServer` whose repositories can be held, and `/gate/<name>` for builds and apps."""

    def __init__(self) -> None:
        self._gates: dict[str, Gate] = {}
        self._counting = threading.Lock()
        super().__init__()

    def gate_url(self, name: str) -> str:
        self._gates.setdefault(name, Gate())
        return f"http://{self.address}/gate/{name}"

    def hold(self, repository: str) -> str:
        """Whoever fetches the repository waits; the gate has the repository's name."""
        self._gates.setdefault(repository, Gate())
        return repository

    def open(self, *names: str) -> None:
        for name in names:
            self._gates[name].opened.set()

    def close(self, name: str) -> None:
        """From now on it is a gate where nobody has been yet; who waits at it waits for `open` no more."""
        self._gates[name].opened.set()
        self._gates[name] = Gate()

    def open_all(self) -> None:
        self.open(*self._gates)

    def arrivals(self, name: str) -> int:
        return self._gates[name].arrivals

    async def reached(self, name: str, seconds: float = 120) -> None:
        """Somebody waits, or waited, at the gate."""
        deadline = time.monotonic() + seconds
        while not self._gates[name].arrivals:
            assert time.monotonic() < deadline, f"nobody came to the gate {name}"
            await asyncio.sleep(0.02)

    def app(self, text: str, name: str) -> App:
        return App(text, f"serve_{name}.py")

    def waiting_build(self, app: App, gate: str) -> App:
        return app.building(f"urllib.request.urlopen({self.gate_url(gate)!r}, timeout=120).read()")

    def waiting_start(self, app: App, gate: str) -> App:
        return replace(app, start_gate=self.gate_url(gate))

    def waiting_stop(self, app: App, gate: str) -> App:
        return replace(app, stop_gate=self.gate_url(gate))

    def _application(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"].strip("/")
        name = path.removeprefix("gate/") if path.startswith("gate/") else path.partition(".git")[0]
        if gate := self._gates.get(name):
            with self._counting:
                gate.arrivals += 1
            gate.opened.wait(LONGEST_SECONDS)
        if path.startswith("gate/"):
            start("200 OK", [("Content-Length", "2")])
            return [b"ok"]
        return super()._application(environ, start)
