"""Two supervisors: one keeps the panel's parts running; one of those is another for customers' services."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backend.engines.supervisor import render_config
from embedded import leftovers, processes
from embedded.console import Failure
from embedded.layout import Layout
from embedded.parts import PARTS, Part

START_SECONDS = 10.0
STOPPED_STATES = (0, 100, 200, 1000)
"""Of supervisord: STOPPED, EXITED, FATAL, UNKNOWN."""


def escaped(text: object) -> str:
    """supervisord expands `%` in every value."""
    return str(text).replace("%", "%%")


def panel_configuration(layout: Layout, parts: Sequence[Part]) -> str:
    head = f"""\
[unix_http_server]
file={escaped(layout.panel_socket)}
chmod=0700

[supervisord]
identifier=gavan-panel
nodaemon=true
silent=true
logfile={escaped(layout.log)}/supervisor.log
logfile_maxbytes=2MB
logfile_backups=1
pidfile={escaped(layout.run)}/supervisord.pid

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    programs = [
        f"""\
[program:{part.name}]
command="{escaped(sys.executable)}" -m embedded.launch {part.name}
directory={escaped(layout.root)}
priority={index}
autostart=false
autorestart=true
startsecs=1
startretries=1000
stopsignal={part.stop.name.removeprefix("SIG")}
stopwaitsecs={part.grace}
killasgroup={"false" if part.adopts else "true"}
redirect_stderr=true
stdout_logfile={escaped(layout.log / part.name)}.log
stdout_logfile_maxbytes=5MB
stdout_logfile_backups=2
"""
        for index, part in enumerate(parts, start=1)
    ]
    return "\n".join([head, *programs])


def write_configurations(layout: Layout, parts: Sequence[Part] = PARTS) -> bool:
    """Write both. True when the panel's one changed, so that its supervisord must be started anew."""
    apps = layout.engine / "supervisord.conf"
    try:
        apps.write_text(render_config(layout.engine, layout.engine_socket))
    except ValueError as error:
        raise Failure(str(error), "set GAVAN_HOME to a folder without blanks in its path") from None
    path, wanted = layout.home / "supervisord.conf", panel_configuration(layout, parts)
    if path.exists() and path.read_text() == wanted:
        return False
    path.write_text(wanted)
    return True


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__()
        self.path, self.timeout = str(path), timeout

    def make_connection(self, host: Any) -> UnixConnection:
        return UnixConnection(self.path, self.timeout)


class Supervisor:
    """The panel's supervisord, through its socket."""

    def __init__(self, layout: Layout, timeout: float = 90) -> None:
        self.layout = layout
        transport = _UnixTransport(layout.panel_socket, timeout)
        self._proxy = xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=transport)
        self.pid_file = layout.run / "supervisor.pid"

    def call(self, method: str, *arguments: object) -> Any:
        return getattr(self._proxy.supervisor, method)(*arguments)

    def answers(self) -> bool:
        try:
            return bool(self.call("getState")["statecode"] == 1)
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return False

    def spawn(self, parts: Sequence[Part] = PARTS) -> None:
        """Start supervisord on its own. What an earlier one left behind is ended first, so that an answer is
        the new one's; customers' services run on, unless `parts` no longer has what runs them."""
        if self.answers():
            return
        if old := processes.leader(self.pid_file):
            processes.end([old], signal.SIGTERM, 5)
        leftovers.end_all(self.layout, (part for part in PARTS if not (part.adopts and part in parts)))
        self.layout.panel_socket.unlink(missing_ok=True)
        with (self.layout.log / "supervisor.out").open("w") as out:
            child = subprocess.Popen(
                [
                    *processes.unprivileged(),
                    sys.executable,
                    "-m",
                    "supervisor.supervisord",
                    "-c",
                    str(self.layout.home / "supervisord.conf"),
                ],
                cwd=self.layout.root,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        processes.record(self.pid_file, child.pid)
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if child.poll() is not None or time.monotonic() > deadline:
                said = (self.layout.log / "supervisor.out").read_text()
                raise Failure(f"supervisord did not start:\n{said}", "see .gavan/log/supervisor.log")
            time.sleep(0.03)

    def kill(self) -> None:
        """End supervisord but none of its children, so that customers' services run on; see `spawn`."""
        if running := processes.leader(self.pid_file):
            processes.end([running], signal.SIGKILL, 0)

    def processes(self) -> dict[str, dict[str, Any]]:
        """What supervisord knows of each part, by name; empty when it does not run."""
        try:
            return {info["name"]: info for info in self.call("getAllProcessInfo")}
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return {}

    def start(self, name: str) -> None:
        try:
            self.call("startProcess", name, False)
        except xmlrpc.client.Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise

    def stop(self, *names: str) -> None:
        """Ask all of `names` to stop at once, then wait for every one."""
        for name in names:
            try:
                self.call("stopProcess", name, False)
            except xmlrpc.client.Fault as fault:
                # Not every installation has every part.
                if not any(code in fault.faultString for code in ("NOT_RUNNING", "BAD_NAME")):
                    raise
        while set(names) & self.alive():
            time.sleep(0.05)

    def all_run(self) -> bool:
        return all(info["statename"] == "RUNNING" for info in self.processes().values())

    def alive(self) -> set[str]:
        """The parts that have not come to rest."""
        return {name for name, info in self.processes().items() if info["state"] not in STOPPED_STATES}

    def shut_down(self) -> None:
        """End supervisord itself; its parts have been stopped before."""
        with contextlib.suppress(OSError, http.client.HTTPException, xmlrpc.client.Error):
            self.call("shutdown")
        if left := processes.leader(self.pid_file):
            deadline = time.monotonic() + 10
            while processes.alive(left) and time.monotonic() < deadline:
                time.sleep(0.03)
            processes.end([left], signal.SIGTERM, 5)
        self.pid_file.unlink(missing_ok=True)
