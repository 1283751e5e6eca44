"""`deploy_overhead`: from POST of an order to the first 200 through the edge, less the same done by hand.

By hand means: clone the same address with dulwich, make the environment and install the requirements with
the same uv, start the app, ask it until it answers. The app has a package of its own to build, so there is
a build, but no package registry that would add its own moods. Both have warm caches and take turns.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import uv
from dulwich import porcelain

from backend.engines import sandbox
from benchmarks.checkout import Checkout, fresh_checkout
from benchmarks.report import Result, middle
from embedded.examples import publish

RUNS = 7
GIVE_UP = 60.0
POLL = 0.002
REPOSITORY = "overhead"
ANSWER = b"at last"
STEPS = ("fetching", "building", "releasing", "checking")
FILES = {
    "Procfile": "web: python app.py\n",
    "requirements.txt": "./words\n",
    "app.py": """\
import http.server, os
import words


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(words.ANSWER)))
        self.end_headers()
        self.wfile.write(words.ANSWER)


http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
""",
    "words/pyproject.toml": """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "words"
version = "1"
""",
    "words/backend.py": f"""\
import zipfile


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    info = "words-1.dist-info/"
    with zipfile.ZipFile(wheel_directory + "/words-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("words.py", "ANSWER = {ANSWER!r}")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: words\\nVersion: 1\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return "words-1-py3-none-any.whl"
""",
}


def run() -> Result:
    with fresh_checkout() as checkout, tempfile.TemporaryDirectory(prefix="gavan-bench-") as folder:
        checkout.make("up")
        url = repository(checkout, Path(folder))
        panel, hand = Panel(checkout, {"repo_url": url}), Hand(url, Path(folder))
        # Once each for the caches.
        panel.deploy()
        hand.deploy()
        deployed, done = [], []
        for _ in range(RUNS):
            deployed.append(panel.deploy())
            done.append(hand.deploy())
    whole, by_hand = (middle([one["whole"] for one in rounds]) for rounds in (deployed, done))
    overheads = [one["whole"] - other["whole"] for one, other in zip(deployed, done, strict=True)]
    return Result(
        name="deploy_overhead",
        value=middle(overheads),
        unit="s",
        ratio=whole / by_hand,
        aim="below 0.5 s",
        runs=RUNS,
        facts=[
            ("order to first 200 through the edge", spread([one["whole"] for one in deployed])),
            ("the same by hand", spread([one["whole"] for one in done])),
            ("the panel's own part", spread(overheads)),
            *((f"panel: {name}", f"{middle([one[name] for one in deployed]):.3f} s") for name in PARTS),
            *((f"by hand: {name}", f"{middle([one[name] for one in done]):.3f} s") for name in HAND_PARTS),
        ],
    )


PARTS = ("accepted", "queued", *STEPS, "said live")
HAND_PARTS = ("fetch", "build", "first 200")


def spread(values: list[float]) -> str:
    return f"{middle(values):.3f} s   ({min(values):.3f} … {max(values):.3f})"


def repository(checkout: Checkout, folder: Path) -> str:
    """The address of the app's repository, which the panel's own edge serves to both."""
    source = folder / "source" / REPOSITORY
    for name, content in FILES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(content)
    publish(source.parent, checkout.root / ".gavan" / "examples")
    return f"{checkout.panel}/examples/{REPOSITORY}.git"


def until_answers(port: int, host: str) -> None:
    deadline = time.monotonic() + GIVE_UP
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/", headers={"Host": host})
            if connection.getresponse().read() == ANSWER:
                return
        connection.close()
        time.sleep(POLL)
    raise RuntimeError(f"{host} does not answer")


class Panel:
    """A customer who orders, visits, and deletes."""

    def __init__(self, checkout: Checkout, source: dict[str, str]) -> None:
        self._port, self._source, self._count = checkout.port, source, 0
        # Each deployment reloads the edge, which drops the connections that wait for another request.
        fresh = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(base_url=checkout.panel, trust_env=False, timeout=30, limits=fresh)
        account = {"email": "overhead@example.com", "password": "a lighthouse on a foggy quay"}
        self._http.post("/api/v1/users", json=account).raise_for_status()
        form = {"grant_type": "password", "client_id": "cli"}
        form |= {"username": account["email"], "password": account["password"]}
        token = self._http.post("/oauth/token", data=form).raise_for_status().json()["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"
        self._plan = self._get("/plans")["items"][-1]["id"]

    def _get(self, path: str) -> Any:
        return self._http.get(f"/api/v1{path}").raise_for_status().json()

    def _finished(self, job_id: str) -> None:
        deadline = time.monotonic() + GIVE_UP
        while (job := self._get(f"/jobs/{job_id}"))["finished_at"] is None:
            if time.monotonic() > deadline:
                raise RuntimeError(f"not final: {job}")
            time.sleep(0.02)
        if job["state"] != "succeeded":
            raise RuntimeError(f"did not succeed: {job}")

    def _order(self, name: str) -> Any:
        order = {
            "template_id": "git-app",
            "plan_id": self._plan,
            "name": name,
            "source": self._source,
        }
        return self._http.post("/api/v1/orders", json=order).raise_for_status().json()

    def deploy(self, *, keep: bool = False) -> dict[str, float]:
        """Seconds: the whole until the first 200, and what the deployment says of its steps."""
        self._count += 1
        name = f"overhead-{self._count}"
        began, clock = time.monotonic(), time.time()
        accepted = self._order(name)
        answered = time.monotonic() - began
        until_answers(self._port, f"{name}.localhost:{self._port}")
        whole = time.monotonic() - began
        self._finished(accepted["job_id"])
        said = self._get(f"/deployments/{accepted['deployment_id']}")
        if not keep:
            self._delete(accepted["service_id"])
        entered = {step["name"]: moment(step["started_at"]) for step in said["steps"]}
        left = {step["name"]: moment(step["finished_at"]) for step in said["steps"]}
        return {
            "whole": whole,
            "accepted": answered,
            "queued": entered["fetching"] - clock - answered,
            **{name: left[name] - entered[name] for name in STEPS},
            "said live": moment(said["finished_at"]) - clock,
        }

    def deploy_many(self, count: int) -> None:
        """Order them all, then wait until each answers."""
        first = self._count + 1
        names = [f"overhead-{number}" for number in range(first, first + count)]
        accepted = [self._order(name) for name in names]
        self._count += count
        for name, order in zip(names, accepted, strict=True):
            self._finished(order["job_id"])
            until_answers(self._port, f"{name}.localhost:{self._port}")

    def delete_all(self) -> None:
        while services := self._get("/services")["items"]:
            for service in services:
                self._delete(service["id"])

    def _delete(self, service_id: str) -> None:
        deleted = self._http.delete(f"/api/v1/services/{service_id}").raise_for_status().json()
        self._finished(deleted["job_id"])


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


class Hand:
    """The same with nobody in between."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder = url, folder / "by-hand"
        self._env = {
            **os.environ,
            "UV_CACHE_DIR": str(folder / "cache"),
            "UV_LINK_MODE": "copy",
            "UV_PYTHON_DOWNLOADS": "never",
            "VIRTUAL_ENV": str(self._folder / "venv"),
        }

    def deploy(self) -> dict[str, float]:
        app = self._folder / "app"
        port = free_port()
        self._folder.mkdir()
        began = time.monotonic()
        porcelain.clone(self._url, str(app), depth=1, errstream=porcelain.NoneStream()).close()
        fetched = time.monotonic()
        tool, venv = uv.find_uv_bin(), self._folder / "venv"
        self._run(tool, "venv", "--quiet", "--python", sandbox.base_python(), str(venv), cwd=app)
        self._run(tool, "pip", "install", "--quiet", "-r", "requirements.txt", cwd=app)
        built = time.monotonic()
        process = subprocess.Popen(
            [str(venv / "bin" / "python"), "app.py"],
            cwd=app,
            env={**self._env, "PORT": str(port)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until_answers(port, f"localhost:{port}")
            ended = time.monotonic()
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            shutil.rmtree(self._folder)
        return {
            "whole": ended - began,
            "fetch": fetched - began,
            "build": built - fetched,
            "first 200": ended - built,
        }

    def _run(self, *command: str, cwd: Path) -> None:
        done = subprocess.run(command, cwd=cwd, env=self._env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(done.stderr)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
