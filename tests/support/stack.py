"""A whole installation, as `make up` makes it: a copy of the checkout with its own state, settings and port.

One per xdist worker, made when the first test asks for it (about 6 s, 500 MB). Its parts may be
killed: every test leaves it to the panel's supervisor to bring them back, and waits for that.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
import xmlrpc.client
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from supervisor.xmlrpc import SupervisorTransport

from embedded import processes, settings
from embedded.layout import Layout
from embedded.parts import BY_NAME
from tests.support import reaper
from tests.support.customer import Customer
from tests.support.gates import GatedGit
from tests.support.mailserver import SENDER, MailServer, SmsServer
from tests.support.ports import app_ports, edge_port
from tests.support.sshgitserver import SshGitServer

ROOT = Path(__file__).resolve().parents[2]
PARTS = tuple(BY_NAME)
COPIED = (
    *("backend", "embedded", "migrations", "frontend"),
    *("nginx.conf", "alembic.ini", "pyproject.toml", "requirements.txt"),
)
QUICK = {
    "JOB_LEASE_SECONDS": "3",
    "JOB_RELAY_SECONDS": "0.5",
    "RECONCILE_SECONDS": "1",
    "METRICS_SECONDS": "4",
    "LETTER_LEASE_SECONDS": "6",
    # Not so quick that what waits at a gate runs into them while a slow machine prepares the rest.
    "HEALTH_TIMEOUT_SECONDS": "30",
    "FETCH_TIMEOUT_SECONDS": "20",
    "FETCH_MAX_BYTES": str(4 * 2**20),
    "BUILD_TIMEOUT_SECONDS": "60",
    "BUILD_MAX_BYTES": str(64 * 2**20),
    **dict.fromkeys(("GUESS_FREE_TRIES", "GUESS_FREE_TRIES_ANYWHERE"), "1000"),
    **dict.fromkeys(("LOGIN_RATE_PER_ADDRESS", "REGISTRATION_RATE_PER_ADDRESS"), "10000/minute"),
    **dict.fromkeys(("CODE_RATE_PER_SUBJECT", "CODE_RATE_PER_ADDRESS"), "10000/minute"),
    "LOG_LEVEL": "DEBUG",
    "LOG_FORMAT": "json",
}


async def until(check: Callable[[], Any], seconds: float, what: str) -> Any:
    """What `check` gives, once it is true; it may be a coroutine function."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not: {what}"
        await asyncio.sleep(0.05)


@dataclass
class Stack:
    layout: Layout
    env: dict[str, str]
    git: GatedGit
    paused: list[processes.Process] = field(default_factory=list, kw_only=True)

    @property
    def parts(self) -> set[str]:
        """All that run where its engine is this one."""
        here = (None, self.env["ENGINE"])
        return {part.name for part in BY_NAME.values() if part.engine in here}

    @property
    def port(self) -> int:
        return int(self.env["EDGE_PORT"])

    @property
    def instance(self) -> str:
        """Where requests go; names below localhost are told apart by the Host header."""
        return f"http://127.0.0.1:{self.port}"

    # Customers ----------------------------------------------------------------------------------

    async def customer(self, email: str | None = None, password: str | None = None) -> Customer:
        """Somebody new who is signed in; or somebody who is there, by e-mail and password."""
        customer = Customer(self.instance, self.port)
        await customer.sign_in(email, password)
        if email is None:
            # Their mailbox is read in the tests that are about it.
            await self.rows("UPDATE users SET email_verified_at = now() WHERE email = $1", customer.email)
        return customer

    async def visit(self, name: str, path: str = "/") -> httpx.Response:
        """What a visitor of the service's address gets."""
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            return await client.get(self.instance + path, headers={"Host": f"{name}.localhost:{self.port}"})

    # The database -------------------------------------------------------------------------------

    async def rows(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.env["DATABASE_URL"], timeout=10)
        try:
            return await connection.fetch(statement, *values)
        finally:
            await connection.close()

    # The panel's parts --------------------------------------------------------------------------

    def leader(self, part: str) -> processes.Process | None:
        return processes.leader(self.layout.run / f"{part}.pid")

    async def kill(self, part: str, *, group: bool = True) -> None:
        """`kill -9`, of its children too; returns when it is gone, which its supervisor may have mended."""
        victim = self.leader(part)
        assert victim is not None, f"{part} does not run"
        with suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(victim.pid, signal.SIGKILL)
        await until(lambda: not processes.alive(victim), 20, f"{part} is gone")

    async def kill_crew(self) -> None:
        """`kill -9` of each worker, but not of whoever keeps them."""
        path = self.layout.run / "workers.pid"
        victims = [one for one in processes.members(path) if one != self.leader("workers")]
        assert len(victims) >= 7, victims
        for one in victims:
            processes.send(one, signal.SIGKILL)
        await until(lambda: not any(map(processes.alive, victims)), 20, "the workers are gone")

    def pause(self, part: str) -> Callable[[], None]:
        """Stop a part without ending it; what is returned lets it go on, if it is still the same."""
        victim = self.leader(part)
        assert victim is not None
        self.paused.append(victim)
        os.kill(victim.pid, signal.SIGSTOP)
        return lambda: processes.send(victim, signal.SIGCONT)

    def resume(self) -> None:
        """Whatever a test that failed has paused."""
        for victim in self.paused:
            processes.send(victim, signal.SIGCONT)
        self.paused.clear()

    async def healthy(self, seconds: float = 120) -> None:
        """All parts run, and the API can work."""

        async def check() -> bool:
            names = {info["name"] for info in self.panel_processes() if info["statename"] == "RUNNING"}
            if names != self.parts:
                return False
            try:
                async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
                    return (await client.get(f"{self.instance}/api/v1/ready")).status_code == 200
            except httpx.HTTPError:
                return False

        await until(check, seconds, "the installation is healthy")

    def panel_processes(self) -> list[dict[str, Any]]:
        return self._answers(self.call_panel)

    def app_processes(self) -> list[dict[str, Any]]:
        """What the supervisor of customers' apps has, by its own words."""
        return self._answers(self.call_apps)

    def call_panel(self, method: str, *arguments: Any) -> Any:
        """Ask the supervisor of the panel's parts."""
        return _call(self.layout.panel_socket, method, *arguments)

    def call_apps(self, method: str, *arguments: Any) -> Any:
        return _call(self.layout.engine_socket, method, *arguments)

    @staticmethod
    def _answers(call: Callable[..., Any]) -> list[dict[str, Any]]:
        try:
            return list(call("getAllProcessInfo"))
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return []

    # Customers' processes -----------------------------------------------------------------------

    def running_scripts(self, script: str) -> list[int]:
        """Pids of the Python processes that run this file; what only wraps them is left out."""
        found = []
        for process in processes.everything():
            with suppress(OSError):
                words = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
                if script.encode() in words and b"python" in words[0]:
                    found.append(process.pid)
        return found

    def marked(self, *deployments: str) -> list[str]:
        """`<pid> <marker>` of all processes that the engine started for these deployments."""
        found = []
        for process in processes.everything():
            with suppress(OSError):
                variables = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
                for variable in variables:
                    text = variable.decode(errors="replace")
                    if text.startswith("GAVAN_WORK=") and any(one in text for one in deployments):
                        found.append(f"{process.pid} {text}")
        return found

    def belongings(self, *ids: str, logs: bool = True) -> list[str]:
        """Files and folders of the engine whose name holds one of these ids; what apps printed, if `logs`."""
        found = []
        # Builds come and go meanwhile, which `os.walk` takes calmly.
        for folder, folders, files in os.walk(self.layout.engine):
            if not logs and Path(folder) == self.layout.engine:
                folders[:] = [name for name in folders if name != "logs"]
            found += [f"{folder}/{name}" for name in (*folders, *files) if any(one in name for one in ids)]
        return found

    # Life ---------------------------------------------------------------------------------------

    def cli(self, *words: str, seconds: float = 240) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "embedded.cli", *words],
            cwd=self.layout.root,
            env={**os.environ, "GAVAN_HOME": str(self.layout.home)},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def manage(self, *words: str) -> str:
        """What a command of `backend.manage` prints, run in this installation."""
        done = subprocess.run(
            [sys.executable, "-m", "backend.manage", *words],
            cwd=self.layout.root,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout

    def complaints(self, lines: int = 40) -> str:
        """The newest warnings and errors of the panel's own processes, for whoever reads a failed test."""
        found = []
        for part in ("api", "workers"):
            log = self.layout.log / f"{part}.log"
            # Gone with the installation, if it is its own end that failed.
            for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
                with suppress(ValueError):
                    record = json.loads(line)
                    if record["level"] in ("WARNING", "ERROR", "CRITICAL"):
                        end = "\n".join(record.get("exception", "").splitlines()[-4:])
                        found.append(f"{record['time']} {part} {record['message']}\n{end}".strip())
        return "\n".join(sorted(found)[-lines:])

    def left_processes(self) -> list[str]:
        folder = str(self.layout.root.parent)
        found = []
        for process in processes.everything():
            with suppress(OSError):
                line = Path(f"/proc/{process.pid}/cmdline").read_text().replace("\0", " ")
                if folder in line:
                    found.append(f"{process.pid} {line}")
        return found


def _call(socket: Path, method: str, *arguments: Any) -> Any:
    transport = SupervisorTransport(None, None, serverurl=f"unix://{socket}")
    proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
    return getattr(proxy.supervisor, method)(*arguments)


def _copy_checkout(root: Path) -> None:
    root.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            # Bytecode that is just being written has another name for a moment.
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("*.pyc.*"))
        else:
            shutil.copy2(source, root / name)


def start(
    folder: Path, git: GatedGit, ssh: SshGitServer, mail: MailServer, sms: SmsServer, **more: str
) -> Stack:
    _copy_checkout(folder / "c")
    layout = Layout(folder / "c", folder / "h")
    port = edge_port()
    low, high = app_ports()
    allowed = f"{git.address},{ssh.address},127.0.0.1:{port},localhost:{port},{more.pop('ALLOWED', '')}"
    wanted = {**QUICK, "EDGE_PORT": str(port), "APP_PORTS": f"{low}-{high}", "GIT_ALLOWED_PRIVATE": allowed}
    wanted |= {
        # Orders are not paid for, except in the tests of billing.
        "CREDIT_LIMIT_MINOR": "1000000000",
        "EMAIL_VERIFICATION": "required",
        "SMTP_URL": mail.url,
        "MAIL_FROM": SENDER,
        "SMS_GATEWAY_URL": sms.url,
        **more,
    }
    layout.env_file.write_text("".join(f"{name}={value}\n" for name, value in wanted.items()))
    stack = Stack(layout, {}, git)
    done = stack.cli("up")
    assert done.returncode == 0, done.stdout + done.stderr
    stack.env = settings.read(layout.env_file)
    return stack


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and stack is not None:
        report.sections.append(("the installation's complaints", stack.complaints()))
    return report


@pytest.fixture(scope="session")
def gated_git() -> Iterator[GatedGit]:
    with GatedGit() as server:
        yield server
        server.open_all()


@pytest.fixture(scope="session")
def ssh_git(gated_git: GatedGit) -> Iterator[SshGitServer]:
    """The same repositories, over ssh."""
    with SshGitServer(gated_git) as server:
        yield server


@pytest.fixture(scope="session")
def whole_stack(
    gated_git: GatedGit, ssh_git: SshGitServer, mail_server: MailServer, sms_server: SmsServer
) -> Iterator[Stack]:
    # Short, for a unix socket's path is.
    folder = Path(tempfile.mkdtemp(prefix="gs-"))
    reaper.watch(folder)
    stack = start(folder, gated_git, ssh_git, mail_server, sms_server)
    yield stack
    gated_git.open_all()
    end(stack, folder)


def end(stack: Stack, folder: Path) -> None:
    done = stack.cli("down")
    deadline = time.monotonic() + 20
    # Whoever was just told to end may still be at it.
    while (left := stack.left_processes()) and time.monotonic() < deadline:
        time.sleep(0.1)
    for line in left:
        with suppress(ProcessLookupError):
            os.kill(int(line.split()[0]), signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert left == []


@pytest.fixture
async def stack(whole_stack: Stack) -> AsyncIterator[Stack]:
    """The installation, with all parts running."""
    await whole_stack.healthy()
    yield whole_stack
    whole_stack.git.open_all()


@pytest.fixture
async def customer(stack: Stack) -> AsyncIterator[Customer]:
    """Somebody new, whose services are deleted after the test."""
    somebody = await stack.customer()
    yield somebody
    stack.resume()
    await somebody.delete_everything()
    await somebody.close()


@pytest.fixture
def fresh() -> Callable[[str], str]:
    """A service's name that nobody has."""
    return lambda prefix="t": f"{prefix}-{uuid.uuid4().hex[:10]}"
