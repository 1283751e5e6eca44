"""Tasks of the `process` engine: programs of the apps' supervisord that are started once and never again.

The launcher begins a task only if nobody began it before, and the sandbox notes how it ended; so both are
known even if neither the panel nor supervisord lived to see it.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from backend.engines import processes, sandbox, supervisor
from backend.engines.base import ProcessEngineSettings, Report
from backend.engines.errors import EngineError, Reason
from backend.engines.launch import BEGUN, read_status
from backend.engines.layout import Layout, checked, remove_tree
from backend.engines.orphans import TASKS as PREFIX
from backend.engines.sealed import seal, write_atomically
from backend.engines.supervisor import Supervisor, SupervisorFault
from backend.engines.tasks import LOST, POLL, Output, TaskResult, TaskSpec, ended, not_started, timed_out
from backend.engines.unitfiles import LAUNCHER, UnitFiles

BEGUN_KEPT = 2 * 86400
LOG_BYTES = 4 * 2**20
"""After which supervisord begins a new file, and keeps one old one."""
CHUNK = 256 * 1024
SETTLED = 10
"""Looks at a task that shows no sign of life before it is given up."""


class ProcessTasks:
    def __init__(self, settings: ProcessEngineSettings, layout: Layout, instance: str) -> None:
        self._secret, self._layout, self._instance = settings.secret, layout, instance
        self._files = UnitFiles(settings, layout, instance)
        self._supervisor = Supervisor(settings.supervisor_socket)

    def _folder(self, task_id: str) -> Path:
        return self._layout.home / "tasks" / checked(task_id)

    def _conf(self, task_id: str) -> Path:
        return self._layout.units / f"{PREFIX}{task_id}.conf"

    async def run(self, spec: TaskSpec, isolation: sandbox.Isolation, report: Report) -> TaskResult:
        folder = self._folder(spec.task_id)
        if not (folder / BEGUN).exists():
            await self._start(spec, folder, isolation)
        elif not (folder / "unit").exists():
            return TaskResult(None, LOST)
        output = Output(report, spec.seen_lines)
        async with _following(folder / "log", output) as read:
            result = await self._watch(spec, folder, read)
        await output.end()
        return result

    async def _start(self, spec: TaskSpec, folder: Path, isolation: sandbox.Isolation) -> None:
        name = PREFIX + spec.task_id
        await asyncio.to_thread(self._write, spec, folder, isolation)
        try:
            await self._supervisor.call("reloadConfig")
            await self._supervisor.call("addProcessGroup", name, ignore=(supervisor.ALREADY_ADDED,))
            refusals = (supervisor.ALREADY_STARTED, supervisor.ABNORMAL_TERMINATION, supervisor.SPAWN_ERROR)
            await self._supervisor.call("startProcess", f"{name}:{name}", False, ignore=refusals)
        except SupervisorFault as fault:
            raise not_started(str(fault.code)) from fault

    def _write(self, spec: TaskSpec, folder: Path, isolation: sandbox.Isolation) -> None:
        release = spec.release
        build = self._layout.deployment(release.build_id)
        if not build.has_build:
            raise EngineError("release_missing", "The files of this release are gone; deploy again.")
        sandbox.write_stubs(self._layout.home)
        unit = folder / "unit"
        unit.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = self._files.sealable(build, release, isolation, spec.command)
        write_atomically(unit / "release.sealed", seal(self._secret, spec.task_id, content))
        words = [sys.executable, "-I", str(LAUNCHER), str(unit), self._instance, "task"]
        command = " ".join(shlex.quote(word) for word in words)
        lines = [
            f"[program:{PREFIX}{spec.task_id}]",
            f"command={command.replace('%', '%%')}",
            "autostart=false",
            "autorestart=false",
            "startsecs=0",
            "startretries=0",
            "stopsignal=TERM",
            "stopasgroup=true",
            "killasgroup=true",
            f"stopwaitsecs={supervisor.STOP_GRACE}",
            "redirect_stderr=true",
            f"stdout_logfile={str(folder / 'log').replace('%', '%%')}",
            f"stdout_logfile_maxbytes={LOG_BYTES}",
            "stdout_logfile_backups=1",
            "",
        ]
        write_atomically(self._conf(spec.task_id), "\n".join(lines).encode())

    async def _watch(self, spec: TaskSpec, folder: Path, read: Any) -> TaskResult:
        silent = 0
        while True:
            status = await asyncio.to_thread(read_status, folder / "unit" / "status")
            lives = await asyncio.to_thread(self._lives, spec.task_id, status)
            await read()
            if why := status.get("failed"):
                words = f"It was not started: {why}."
                return TaskResult(None, Reason("task_failed", words, {"detail": "not_started", "why": why}))
            if "exit-code" in status and not lives:
                await self._settle(spec.task_id)
                await read()
                return ended(int(status["exit-code"]))
            silent = 0 if lives else silent + 1
            if silent > SETTLED:
                # Killed together with what would have noted its end, or before it could begin.
                return TaskResult(None, LOST)
            if "started" in status and time.time() - status["started"] > spec.timeout:
                await self._halt(spec.task_id)
                await read()
                return timed_out(spec.timeout)
            await asyncio.sleep(POLL)

    def _lives(self, task_id: str, status: dict[str, Any]) -> bool:
        if "pid" in status and processes.start_ticks(status["pid"]) == status.get("ticks"):
            # bubblewrap, or the shell that waits for the command; a zombie once that is over.
            return "exit-code" not in status
        return bool(processes.marked(lambda value: value == self._marker(task_id)))

    def _marker(self, task_id: str) -> str:
        return processes.mark("task", task_id, self._instance)

    async def _settle(self, task_id: str) -> None:
        """Wait until supervisord has written what the task printed last."""
        name = PREFIX + task_id
        for _ in range(20):
            info = await self._supervisor.call(
                "getProcessInfo", f"{name}:{name}", ignore=(supervisor.BAD_NAME,)
            )
            if info is None or not info["pid"]:
                return
            await asyncio.sleep(POLL / 5)

    async def _halt(self, task_id: str) -> None:
        name = PREFIX + task_id
        ignored = (supervisor.BAD_NAME, supervisor.NOT_RUNNING)
        await self._supervisor.call("stopProcess", f"{name}:{name}", True, ignore=ignored)
        status = read_status(self._folder(task_id) / "unit" / "status")
        await asyncio.to_thread(
            processes.end_leftovers, self._marker(task_id), status.get("pid"), status.get("ticks"), grace=1
        )

    async def stop(self, task_id: str) -> None:
        folder, conf = self._folder(task_id), self._conf(task_id)
        if conf.exists():
            # First on disk: a supervisord that begins anew must not know it.
            await asyncio.to_thread(conf.unlink, missing_ok=True)
            await self._halt(task_id)
            name = PREFIX + task_id
            await self._supervisor.call("removeProcessGroup", name, ignore=(supervisor.BAD_NAME,))
        await asyncio.to_thread(self._forget, folder)

    def _forget(self, folder: Path) -> None:
        """All but that it was; and even that of tasks that were long ago."""
        remove_tree(folder / "unit")
        for name in ("log", "log.1"):
            (folder / name).unlink(missing_ok=True)
        for old in folder.parent.glob("*"):
            begun = old / BEGUN
            over = begun.exists() and not (old / "unit").exists()
            if over and time.time() - begun.stat().st_mtime > BEGUN_KEPT:
                remove_tree(old)

    async def all(self) -> set[str]:
        return await asyncio.to_thread(
            lambda: {folder.parent.name for folder in (self._layout.home / "tasks").glob("*/unit")}
        )


@asynccontextmanager
async def _following(path: Path, output: Output) -> AsyncIterator[Any]:
    """Gives a function that feeds `output` what was written since its last call, across one rotation."""
    file: Any = None

    async def read() -> None:
        nonlocal file
        while not output.full:
            if file is None:
                if not path.exists():
                    return
                # Its beginning may have been moved aside before the first look.
                earlier = path.with_name(path.name + ".1")
                file = await asyncio.to_thread(open, earlier if earlier.exists() else path, "rb")
            chunk = await asyncio.to_thread(file.read, CHUNK)
            if chunk:
                await output.feed(chunk)
                continue
            if not path.exists() or os.fstat(file.fileno()).st_ino == path.stat().st_ino:
                return
            file.close()
            file = await asyncio.to_thread(open, path, "rb")

    try:
        yield read
    finally:
        if file is not None:
            file.close()
