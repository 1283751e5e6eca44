"""Units: one supervisord program per release. Files say what should be; supervisord says what is."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backend.engines import ports, processes, sandbox, supervisor, unitlog
from backend.engines.base import (
    EngineError,
    ProcessEngineSettings,
    Reason,
    ReleaseSpec,
    Retry,
    Unit,
    UnitState,
)
from backend.engines.exits import exited
from backend.engines.launch import read_status
from backend.engines.layout import Deployment, Layout
from backend.engines.sealed import seal, unseal, write_atomically
from backend.engines.startup import checked_environment, shell_script
from backend.engines.supervisor import Supervisor, SupervisorFault

LAUNCHER = Path(__file__).resolve().parent / "launch.py"
QUICK_RETRIES = 3
NICE = 5
DESCRIPTORS = 65536

_STATES = {
    0: UnitState.STOPPED,
    10: UnitState.STARTING,
    20: UnitState.RUNNING,
    30: UnitState.BACKOFF,
    40: UnitState.STOPPED,
    100: UnitState.EXITED,
    200: UnitState.FATAL,
    1000: UnitState.FATAL,
}


class Units:
    def __init__(self, settings: ProcessEngineSettings, layout: Layout, instance: str) -> None:
        self._settings, self._layout, self._instance = settings, layout, instance
        self._supervisor = Supervisor(settings.supervisor_socket)

    # What is ------------------------------------------------------------------------------------

    async def inspect(self, deployment_id: str) -> Unit | None:
        at = self._layout.deployment(deployment_id)
        facts = at.unit_facts()
        if facts is None:
            return None
        return self._unit(at, facts, await self._info(at))

    async def all(self) -> list[Unit]:
        infos = {info["group"]: info for info in await self._supervisor.call("getAllProcessInfo")}
        started = await asyncio.to_thread(self._started)
        return [self._unit(at, facts, infos.get(at.id)) for at, facts in started]

    def _started(self) -> list[tuple[Deployment, dict[str, Any]]]:
        return [(at, facts) for at in self._layout.all_deployments() if (facts := at.unit_facts())]

    async def groups(self) -> set[str]:
        """Names of the programs that supervisord has, whoever added them."""
        return {info["group"] for info in await self._supervisor.call("getAllProcessInfo")}

    async def _info(self, at: Deployment) -> dict[str, Any] | None:
        info: dict[str, Any] | None = await self._supervisor.call(
            "getProcessInfo", f"{at.id}:{at.id}", ignore=(supervisor.BAD_NAME,)
        )
        return info

    def _unit(self, at: Deployment, facts: dict[str, Any], info: dict[str, Any] | None) -> Unit:
        state = _STATES[info["state"]] if info else UnitState.STOPPED
        status = read_status(at.unit / "status")
        if facts["stopped"] and state not in (UnitState.STARTING, UnitState.RUNNING):
            state = UnitState.STOPPED
        elif state in (UnitState.STARTING, UnitState.RUNNING) and status.get("waiting"):
            state = UnitState.BACKOFF
        elif state is UnitState.EXITED and facts["stopped"] is False:
            # supervisord restarts it within the second.
            state = UnitState.BACKOFF
        alive = state in (UnitState.STARTING, UnitState.RUNNING)
        return Unit(
            deployment_id=at.id,
            service_id=facts["service_id"],
            state=state,
            address=f"127.0.0.1:{facts['port']}",
            pid=info["pid"] if info and alive and info["pid"] else None,
            started_at=datetime.fromtimestamp(info["start"], UTC)
            if info and alive and info["start"]
            else None,
            reason=None if alive else _reason(state, facts, status, info),
        )

    def last_exit(self, deployment_id: str) -> Reason | None:
        """How the life before the present one ended."""
        code = read_status(self._layout.deployment(deployment_id).unit / "status").get("previous_exit")
        return None if code is None else exited(int(code))

    def marker(self, deployment_id: str) -> str:
        return processes.mark("unit", deployment_id, self._instance)

    # What should be -----------------------------------------------------------------------------

    async def start(self, spec: ReleaseSpec, isolation: sandbox.Isolation) -> Unit:
        at = self._layout.deployment(spec.deployment_id)
        info = await self._info(at)
        facts = at.unit_facts()
        if info and facts and _STATES[info["state"]] in (UnitState.STARTING, UnitState.RUNNING):
            return self._unit(at, facts, info)
        if info:
            await self._halt(at)
        facts = await asyncio.to_thread(self._write, at, spec, isolation)
        await self._run(at, known=info is not None)
        return self._unit(at, facts, await self._info(at))

    def _write(self, at: Deployment, spec: ReleaseSpec, isolation: sandbox.Isolation) -> dict[str, Any]:
        build = self._layout.deployment(spec.build_id)
        if not build.has_build:
            raise EngineError("release_missing", "The files of this release are gone; deploy again.")
        sandbox.write_stubs(self._layout.home)
        logs = self._layout.service_logs(spec.service_id)
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._layout.locked("units"):
            earlier = at.unit_facts() or {}
            log = unitlog.log_file(logs, at.id)
            port = self._port(at, earlier.get("port"))
            stage = self._stage(build, spec, isolation, port)
            release = {"isolation": isolation.arguments, "tree": str(build.tree), "stage": stage}
            facts = {
                "service_id": spec.service_id,
                "build_id": build.id,
                "port": port,
                "stopped": False,
                "log": str(log),
            }
            # A release that runs another one's build has no folder yet.
            at.folder.mkdir(mode=0o700, exist_ok=True)
            at.unit.mkdir(mode=0o700, exist_ok=True)
            write_atomically(at.unit / "release.sealed", seal(self._settings.secret, at.id, release))
            at.write_unit_facts(facts)
        (at.unit / "status").unlink(missing_ok=True)
        self._write_conf(at, facts)
        unitlog.prune(logs, {other.id for other, _ in self._started()})
        return facts

    def _port(self, at: Deployment, earlier: int | None) -> int:
        taken = {facts["port"] for other, facts in self._started() if other.id != at.id}
        if earlier is not None and earlier not in taken and ports.is_free(earlier):
            return earlier
        return ports.choose(self._settings.port_range, taken)

    def _stage(
        self, build: Deployment, spec: ReleaseSpec, isolation: sandbox.Isolation, port: int
    ) -> dict[str, Any]:
        limits = {
            "RLIMIT_CORE": 0,
            "RLIMIT_DATA": spec.limits.memory_bytes,
            "RLIMIT_FSIZE": spec.limits.disk_bytes,
            "RLIMIT_NOFILE": DESCRIPTORS,
        }
        if isolation.arguments:
            limits["RLIMIT_NPROC"] = spec.limits.pids
        return {
            "argv": ["/bin/sh", "-c", shell_script(spec.command)],
            "env": {
                **sandbox.certificate_variables(),
                "HOME": str(build.home),
                "HOST": "127.0.0.1",
                "LANG": "C.UTF-8",
                "NODE_ENV": "production",
                "PATH": sandbox.search_path(self._layout.home, isolation, build.tree),
                "PYTHONUNBUFFERED": "1",
                **({"VIRTUAL_ENV": str(build.venv)} if build.venv.is_dir() else {}),
                **checked_environment(spec.env),
                "PORT": str(port),
            },
            "cwd": str(build.app),
            "limits": limits,
            "nice": NICE,
        }

    def _write_conf(self, at: Deployment, facts: Mapping[str, Any]) -> None:
        """Only paths and ids: neither the app's command nor its environment."""
        words = [sys.executable, "-I", str(LAUNCHER), str(at.unit), self._instance]
        command = " ".join(shlex.quote(word) for word in words)
        lines = [
            f"[program:{at.id}]",
            f"command={command.replace('%', '%%')}",
            f"autostart={'false' if facts['stopped'] else 'true'}",
            "autorestart=true",
            "startsecs=1",
            f"startretries={QUICK_RETRIES}",
            "stopsignal=TERM",
            "stopasgroup=true",
            "killasgroup=true",
            f"stopwaitsecs={supervisor.STOP_GRACE}",
            "redirect_stderr=true",
            f"stdout_logfile={facts['log'].replace('%', '%%')}",
            f"stdout_logfile_maxbytes={unitlog.ROTATE_BYTES}",
            f"stdout_logfile_backups={unitlog.ROTATE_FILES}",
            "",
        ]
        write_atomically(at.conf, "\n".join(lines).encode())

    async def _run(self, at: Deployment, *, known: bool) -> None:
        """Have supervisord start the program, which it learns from the file when it does not know it."""
        try:
            if not known:
                await self._supervisor.call("reloadConfig")
                await self._supervisor.call("addProcessGroup", at.id, ignore=(supervisor.ALREADY_ADDED,))
            await self._supervisor.call(
                "startProcess", f"{at.id}:{at.id}", False, ignore=(supervisor.ALREADY_STARTED,)
            )
        except SupervisorFault as fault:
            raise EngineError(
                "engine_unavailable",
                f"The app could not be handed to its supervisor ({fault.code}); this is tried again.",
                retry=Retry.BACKOFF,
                detail="supervisor_refused",
                fault=fault.code,
            ) from fault

    async def _halt(self, at: Deployment) -> None:
        """SIGTERM, SIGKILL after the grace; also what left the process group."""
        await self._supervisor.call(
            "stopProcess", f"{at.id}:{at.id}", True, ignore=(supervisor.BAD_NAME, supervisor.NOT_RUNNING)
        )
        status = read_status(at.unit / "status")
        await asyncio.to_thread(
            processes.end_leftovers, self.marker(at.id), status.get("pid"), status.get("ticks"), grace=1
        )

    async def restart(self, deployment_id: str) -> Unit:
        at = self._layout.deployment(deployment_id)
        if at.unit_facts() is None:
            message = "This release was never started; deploy again."
            raise EngineError("release_missing", message, detail="never_started")
        info = await self._info(at)
        if info:
            await self._halt(at)
        facts = await asyncio.to_thread(self._revive, at)
        await self._run(at, known=info is not None)
        return self._unit(at, facts, await self._info(at))

    def _revive(self, at: Deployment) -> dict[str, Any]:
        sandbox.write_stubs(self._layout.home)
        with self._layout.locked("units"):
            facts = at.unit_facts()
            if facts is None:
                message = "This release was removed; deploy again."
                raise EngineError("release_missing", message, detail="release_removed")
            if not self._layout.deployment(facts.get("build_id", at.id)).app.is_dir():
                raise EngineError("release_missing", "The files of this release are gone; deploy again.")
            port = self._port(at, facts["port"])
            if port != facts["port"]:
                release = unseal(self._settings.secret, at.id, (at.unit / "release.sealed").read_bytes())
                release["stage"]["env"]["PORT"] = str(port)
                write_atomically(at.unit / "release.sealed", seal(self._settings.secret, at.id, release))
            facts = {**facts, "port": port, "stopped": False}
            at.write_unit_facts(facts)
        (at.unit / "status").unlink(missing_ok=True)
        self._write_conf(at, facts)
        return facts

    async def stop(self, deployment_id: str) -> None:
        at = self._layout.deployment(deployment_id)
        facts = at.unit_facts()
        if facts is None:
            return
        facts["stopped"] = True
        # First on disk: a supervisord that dies now must not bring it back.
        await asyncio.to_thread(at.write_unit_facts, facts)
        await asyncio.to_thread(self._write_conf, at, facts)
        await self._halt(at)

    async def forget(self, deployment_id: str) -> None:
        """Stop a unit and take it from supervisord; its release's files stay."""
        at = self._layout.deployment(deployment_id)
        await asyncio.to_thread(at.conf.unlink, missing_ok=True)
        await self._halt(at)
        for _ in range(50):
            try:
                await self._supervisor.call("removeProcessGroup", at.id, ignore=(supervisor.BAD_NAME,))
                break
            except SupervisorFault as fault:
                if fault.code != supervisor.STILL_RUNNING:
                    raise
                await self._halt(at)
        (at.unit / "unit.json").unlink(missing_ok=True)


def _reason(
    state: UnitState, facts: Mapping[str, Any], status: Mapping[str, Any], info: Mapping[str, Any] | None
) -> Reason:
    if state is UnitState.STOPPED:
        words = "It was stopped." if facts["stopped"] else "It is not running."
        return Reason("unit_stopped", words, {} if facts["stopped"] else {"detail": "not_running"})
    if why := status.get("failed"):
        return Reason("unit_exited", f"It was not started: {why}.", {"detail": "not_started", "why": why})
    code = status.get("exit-code", status.get("previous_exit"))
    if code is None:
        return Reason("unit_exited", (info or {}).get("spawnerr") or "It ended.")
    return exited(int(code))
