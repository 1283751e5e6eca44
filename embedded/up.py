"""`make up`: bring every part to run what the checkout says, change nothing that is so already."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from backend.engines.sandbox import detect_isolation
from embedded import docker, edge, postgres, processes, settings, state
from embedded.bootstrap import BEGAN
from embedded.commands import Backend
from embedded.console import Failure, say, step, warn
from embedded.demo import APP, CREDIT_MINOR, Demo
from embedded.layout import Layout, locked
from embedded.logs import files, tail
from embedded.parts import Part, parts_of
from embedded.supervisor import Supervisor, write_configurations
from embedded.web import Edge

READY_SECONDS = 120.0
POLL = 0.05
STARTS_ALLOWED = 4


class Up:
    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.supervisor = Supervisor(layout)
        self.env: dict[str, str] = {}
        self.parts: list[Part] = []
        self.admin_password = ""
        self.credit: dict[str, str] = {}
        """Who was given how much now."""
        self.starts: dict[str, set[int]] = {}
        """Of each part, the times at which it was seen to start."""

    def __call__(self) -> None:
        # As the person saw it: the environment was prepared by another process, whose clock is the same.
        begin = float(os.environ.pop(BEGAN, time.monotonic()))
        with locked(self.layout.home / "up.lock"):
            try:
                self._settings()
                changed = self._parts()
                example = self._example()
                if changed and docker.is_engine(self.env):
                    docker.guard(self.layout, self.env)
            finally:
                self._tell_password()
        self._summary(example, changed, time.monotonic() - begin)

    def _settings(self) -> None:
        if not processes.can_run_unprivileged():
            raise Failure(
                "PostgreSQL does not run as root, and this machine does not let root make a user namespace",
                "run `make up` as an ordinary user",
            )
        self.layout.make_folders()
        bind = settings.read(self.layout.env_file).get("EDGE_BIND", settings.FIXED["EDGE_BIND"])
        wanted = int(settings.read(self.layout.env_file).get("EDGE_PORT", settings.DEFAULT_PORT))
        port = wanted
        if not processes.members(self.layout.run / "edge.pid"):
            port = settings.free_port(bind, wanted)
        self.env = settings.prepare(self.layout, port=port)
        if port != wanted:
            warn(f"port {wanted} is taken by another program: the panel uses {port} (EDGE_PORT in .env)")
        self.edge = Edge(port)
        self.parts = parts_of(self.env)
        if docker.is_engine(self.env):
            docker.demand(self.env)

    @property
    def _backing_parts(self) -> list[str]:
        return [part.name for part in self.parts if part.backing]

    @property
    def _panel(self) -> list[str]:
        return [part.name for part in self.parts if not part.backing]

    def _parts(self) -> bool:
        """True when something was started or restarted."""
        new_supervisor = write_configurations(self.layout, self.parts)
        new_edge = edge.prepare(self.layout, self.env)
        stamp = state.stamp(self.layout)
        alive = self.supervisor.alive()
        new_code = state.load(self.layout).get("stamp") != stamp
        if not (new_supervisor or new_edge or new_code) and alive == {part.name for part in self.parts}:
            return False
        state.save(self.layout, stamp=None)
        if new_supervisor:
            self.supervisor.kill()
        self._backing(reload_edge=new_edge and "edge" in alive)
        if state.load(self.layout).get("engine") == "docker" and not docker.is_engine(self.env):
            # Now that no worker of before is there to bring them back.
            docker.stop_apps(self.layout, {**self.env, "ENGINE": "docker"})
        if new_code:
            self._migrate()
        self._start(*self._panel)
        with step("waiting for the panel to answer"):
            self._wait(self._panel_answers, self._panel)
        state.save(self.layout, stamp=stamp)
        return True

    def _backing(self, *, reload_edge: bool) -> None:
        with step("PostgreSQL, Redis and nginx") as line, ThreadPoolExecutor() as pool:
            if not postgres.is_initialised(self.layout.postgres_data):
                line.more("new database")
            cluster = pool.submit(
                postgres.initialise, self.layout.postgres_data, self.env["POSTGRES_PASSWORD"]
            )
            self.supervisor.spawn(self.parts)
            self._start(*(name for name in self._backing_parts if name != "postgres"))
            cluster.result()
            self._start("postgres")
            if reload_edge:
                self.supervisor.call("signalProcess", "edge", "HUP")
            self._wait(self._backing_answer, self._backing_parts)

    def _backing_answer(self) -> bool:
        ask = [str(postgres.binary("pg_isready")), "--quiet", "--host", str(self.layout.run)]
        return (
            accepts(self.layout.redis_socket)
            and (docker.is_engine(self.env) or accepts(self.layout.engine_socket))
            and self.edge.status("/") != 0
            and subprocess.run(ask, check=False).returncode == 0
        )

    def _panel_answers(self) -> bool:
        return self.edge.status("/api/v1/ready") == 200 and self.supervisor.all_run()

    def _migrate(self) -> None:
        running = self.supervisor.processes()
        if any(running[name]["pid"] for name in self._panel):
            with step("stopping what runs older code or settings"):
                self.supervisor.stop(*self._panel)
        with step("database schema, catalogue, administrator"):
            people = (self.env["ADMIN_EMAIL"], self.env["DEMO_EMAIL"])
            work = Backend(self.layout, self.env, "embedded.database", *people)
            work.line()
            self._start(*self._panel)
            work.line()
            said = json.loads(work.line())
            self.credit |= json.loads(work.line())["credit"]
            work.finish()
            self.admin_password = said["password"] if said["created"] else ""

    def _start(self, *names: str) -> None:
        for name in names:
            self.supervisor.start(name)

    def _wait(self, ready: Callable[[], bool], names: list[str]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not ready():
            self._watch()
            if time.monotonic() > deadline:
                raise self._part_failed(names[0], f"does not answer after {READY_SECONDS:.0f} s")
            time.sleep(POLL)

    def _watch(self) -> None:
        """A Failure with the end of its log when a part keeps dying."""
        for name, info in self.supervisor.processes().items():
            starts = self.starts.setdefault(name, set())
            starts.add(info["start"])
            if info["statename"] == "FATAL" or len(starts) > STARTS_ALLOWED:
                raise self._part_failed(name, "keeps failing")

    def _part_failed(self, name: str, what: str) -> Failure:
        end = [line for path in files(self.layout, name) for line in tail(path, 15)]
        lines = "\n".join(f"    {line}" for line in end)
        return Failure(f"{name} {what}. The end of its log:\n{lines}", f"make logs PART={name}")

    def _example(self) -> str:
        """Publish the examples and have the demo customer's app running. The app's name."""
        source = self.layout.root / "examples"
        if not source.is_dir():
            return ""
        from embedded.examples import publish

        if published := publish(source, self.layout.examples):
            with step(f"example repositories · {', '.join(published)}"):
                pass
        known, engine = state.load(self.layout), self.env["ENGINE"]
        moved = known.get("engine", "process") != engine
        if moved or not known.get("example"):
            with step("demo customer's app") as line:
                demo = Demo(self.edge, self.env["DEMO_EMAIL"], self.env["DEMO_PASSWORD"])
                demo.sign_in(self._welcome_demo)
                demo.deploy(line.more, self._watch, again=moved)
            state.save(self.layout, example=APP, engine=engine)
        return APP

    def _welcome_demo(self) -> None:
        """Credit for the example; and nobody reads the demo customer's mailbox: where that is asked for, the
        operator answers for it."""
        credit = ("give-credit", "--minor", str(CREDIT_MINOR), "--email", self.env["DEMO_EMAIL"])
        giving = Backend(self.layout, self.env, "backend.manage", *credit)
        self.credit |= json.loads(giving.line())["credit"]
        giving.finish()
        if self.env.get("SMTP_URL") or self.env.get("EMAIL_VERIFICATION"):
            email = self.env["DEMO_EMAIL"]
            Backend(self.layout, self.env, "backend.manage", "verify-email", "--email", email).finish()

    def _tell_password(self) -> None:
        if self.admin_password:
            say()
            say(f"  Administrator   {self.env['ADMIN_EMAIL']}")
            say(f"  Password        {self.admin_password}   (shown only now)")

    def _summary(self, example: str, changed: bool, seconds: float) -> None:
        panel = self.env["PANEL_URL"]
        say()
        say(f"  Panel           {panel}")
        say(f"  API             {panel}/api/docs")
        if example:
            say(f"  Example app     {self.env['APPS_URL'].format(name=example)}")
            say(f"  Demo customer   {self.env['DEMO_EMAIL']}   password: DEMO_PASSWORD in .env")
        for email, amount in self.credit.items():
            say(f"  Credit          {amount} for {email}, to try out what is paid for")
        say()
        if not docker.is_engine(self.env) and detect_isolation().name == "none":
            warn("no working bubblewrap: customers' apps are not isolated from each other or the panel")
        what = "Ready" if changed else "Already running, nothing to do"
        say(f"  {what} after {seconds:.1f} s.   make status · make logs · make down")


def accepts(path: object) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
