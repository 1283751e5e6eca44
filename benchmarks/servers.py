"""PostgreSQL and Redis of their own, and uvicorn workers on unix sockets, for benchmarks of the API alone."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from embedded import postgres, redis
from embedded.processes import unprivileged

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = secrets.token_urlsafe(18)
READY_SECONDS = 60


@contextmanager
def spawned(command: list[str], log: Path, env: Mapping[str, str] | None = None) -> Iterator[int]:
    """The pid of a process that is asked to end when the block does."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield process.pid
    finally:
        # For PostgreSQL: disconnect everybody and end at once.
        process.send_signal(2)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Installation:
    """A migrated database with the catalogue, and its settings; nothing of the panel runs yet."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self.home = home
        self._stack = stack
        data = home / "postgres"
        postgres.initialise(data, PASSWORD)
        stack.enter_context(spawned([*unprivileged(), *postgres.command(data, home)], home / "postgres.log"))
        socket = home / "redis.sock"
        stack.enter_context(spawned([*unprivileged(), *redis.command(socket)], home / "redis.log"))
        self.dsn = f"postgresql://{postgres.USER}:{PASSWORD}@/{postgres.DATABASE}?host={home}"
        self.env = {
            "ENVIRONMENT": "development",
            "SECRET_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "ENGINE_SECRET": base64.b64encode(secrets.token_bytes(32)).decode(),
            "DATABASE_URL": self.dsn,
            "REDIS_URL": f"unix://{socket}?db=0",
            "PANEL_URL": "http://localhost:8080",
            "APPS_URL": "http://{name}.localhost:8080",
            "EDGE_ADDRESS": "127.0.0.1:8080",
            "EDGE_ROUTES_FILE": str(home / "routes.map"),
            "EDGE_PID_FILE": str(home / "edge.pid"),
            "ENGINE_HOME": str(home / "engine"),
            "ENGINE_SOCKET": str(home / "engine.sock"),
            "DATA_DIR": str(home / "data"),
            "LOG_FORMAT": "pretty",
            "LOG_LEVEL": "INFO",
        }
        self._wait_for_postgres()
        self.run("alembic", "upgrade", "head")
        self.run("backend.manage", "load-catalogue")

    def _wait_for_postgres(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        ask = [str(postgres.binary("pg_isready")), "--quiet", "--host", str(self.home)]
        while subprocess.run(ask, check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise RuntimeError((self.home / "postgres.log").read_text())
            time.sleep(0.05)

    def run(self, *module: str) -> None:
        env = {**os.environ, **self.env}
        subprocess.run(
            [sys.executable, "-m", *module], cwd=ROOT, env=env, check=True, stdout=subprocess.DEVNULL
        )

    def serve(self, factory: str, name: str, **env: str) -> Path:
        """The socket of one uvicorn worker of the application, started as `make up` starts the API."""
        socket = self.home / f"{name}.sock"
        command = [
            *(sys.executable, "-m", "uvicorn", factory, "--factory", "--uds", str(socket)),
            *("--no-access-log", "--no-server-header", "--proxy-headers", "--forwarded-allow-ips", "*"),
        ]
        log = self.home / f"{name}.log"
        self._stack.enter_context(spawned(command, log, {**self.env, **env}))
        deadline = time.monotonic() + READY_SECONDS
        while not socket.exists():
            if time.monotonic() > deadline:
                raise RuntimeError(log.read_text())
            time.sleep(0.05)
        return socket


@dataclass(frozen=True)
class Customer:
    user_id: str
    project_id: str
    headers: dict[str, str]


def client(socket: Path) -> httpx.Client:
    transport = httpx.HTTPTransport(uds=str(socket))
    return httpx.Client(transport=transport, base_url="http://localhost:8080", trust_env=False, timeout=30)


def customer(http: httpx.Client, name: str = "bench") -> Customer:
    """Somebody new, who is signed in."""
    email, password = f"{name}@example.com", "a lighthouse on a foggy quay"
    http.post("/api/v1/users", json={"email": email, "password": password}).raise_for_status()
    form = {"grant_type": "password", "client_id": "cli", "username": email, "password": password}
    token = http.post("/oauth/token", data=form).raise_for_status().json()["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    me = http.get("/api/v1/me", headers=headers).raise_for_status().json()
    return Customer(me["id"], me["projects"][0]["id"], headers)


def load(
    socket: Path,
    path: str,
    headers: Mapping[str, str],
    *,
    seconds: float,
    connections: int,
    bodies: Sequence[str] = (),
) -> Any:
    """What `benchmarks.load` measured."""
    command = [sys.executable, "-m", "benchmarks.load", str(socket), str(seconds), str(connections)]
    asked = json.dumps({"path": path, "headers": dict(headers), "bodies": list(bodies)})
    done = subprocess.run(
        command, cwd=ROOT, input=asked, capture_output=True, text=True, timeout=seconds + 60, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout)
