"""What should be of the process engine's units, as files: sealed release, facts, supervisord's program.

Neither an app's command nor its environment is in any of them in clear.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backend.engines import ports, sandbox, supervisor, unitlog
from backend.engines.base import EngineError, ProcessEngineSettings, ProcessSpec, ReleaseSpec, Restart
from backend.engines.layout import Deployment, Layout
from backend.engines.places import Place, places
from backend.engines.scale import WEB
from backend.engines.sealed import seal, unseal, write_atomically
from backend.engines.startup import checked_environment, shell_script
from backend.engines.storage import Folders

LAUNCHER = Path(__file__).resolve().parent / "launch.py"
QUICK_RETRIES = 3
NICE = 5
DESCRIPTORS = 65536
_RESTARTS = {Restart.ALWAYS: "true", Restart.ON_FAILURE: "unexpected", Restart.NEVER: "false"}


class UnitFiles:
    def __init__(self, settings: ProcessEngineSettings, layout: Layout, instance: str) -> None:
        self._settings, self._layout, self._instance = settings, layout, instance

    def started(self) -> list[tuple[Place, dict[str, Any]]]:
        """All units that were started once, with their facts."""
        return [
            (place, facts)
            for at in self._layout.all_deployments()
            for place in places(at)
            if (facts := place.facts())
        ]

    def write(
        self, place: Place, spec: ReleaseSpec, process: ProcessSpec, isolation: sandbox.Isolation
    ) -> dict[str, Any]:
        build = self._layout.deployment(spec.build_id)
        if not build.has_build:
            raise EngineError("release_missing", "The files of this release are gone; deploy again.")
        sandbox.write_stubs(self._layout.home)
        logs = self._layout.service_logs(spec.service_id)
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._layout.locked("units"):
            earlier = place.facts() or {}
            log = unitlog.log_file(logs, place.at.id, place.unit)
            port = self._port(place, earlier.get("port")) if process.name == WEB else None
            release = self.sealable(build, spec, isolation, process.command or spec.command, port)
            facts = {
                "service_id": spec.service_id,
                "build_id": build.id,
                "port": port,
                "stopped": False,
                "log": str(log),
                "restart": spec.restart,
            }
            # A release that runs another one's build has no folder yet.
            place.at.folder.mkdir(mode=0o700, exist_ok=True)
            place.folder.mkdir(mode=0o700, exist_ok=True)
            self._seal(place, release)
            place.write_facts(facts)
        place.status.unlink(missing_ok=True)
        self.write_conf(place, facts)
        unitlog.prune(logs, {other.at.id for other, known in self.started() if not known["stopped"]})
        return facts

    def revive(self, place: Place) -> dict[str, Any]:
        """As it was, on another port if its own was taken meanwhile."""
        sandbox.write_stubs(self._layout.home)
        with self._layout.locked("units"):
            facts = place.facts()
            if facts is None:
                message = "This release was removed; deploy again."
                raise EngineError("release_missing", message, detail="release_removed")
            if not self._layout.deployment(facts.get("build_id", place.at.id)).app.is_dir():
                raise EngineError("release_missing", "The files of this release are gone; deploy again.")
            port = self._port(place, facts["port"]) if place.process == WEB else None
            if port != facts["port"]:
                release = self.release(place)
                release["stage"]["env"]["PORT"] = str(port)
                self._seal(place, release)
            facts = {**facts, "port": port, "stopped": False}
            place.write_facts(facts)
        place.status.unlink(missing_ok=True)
        self.write_conf(place, facts)
        return facts

    def release(self, place: Place) -> dict[str, Any]:
        """What its launcher is told."""
        return unseal(self._settings.secret, place.at.id, place.sealed.read_bytes())

    def _seal(self, place: Place, release: dict[str, Any]) -> None:
        write_atomically(place.sealed, seal(self._settings.secret, place.at.id, release))

    def _port(self, place: Place, earlier: int | None) -> int:
        taken = {facts["port"] for other, facts in self.started() if other != place}
        if earlier is not None and earlier not in taken and ports.is_free(earlier):
            return earlier
        return ports.choose(self._settings.port_range, taken)

    def sealable(
        self,
        build: Deployment,
        spec: ReleaseSpec,
        isolation: sandbox.Isolation,
        command: str,
        port: int | None = None,
    ) -> dict[str, Any]:
        """What a launcher is told that runs the command in the release's build."""
        stage = self._stage(build, spec, isolation, command, port)
        shown = Folders(self._layout).shown(spec, build.app, isolation)
        return {"isolation": isolation.arguments, "tree": str(build.tree), "stage": stage, **shown}

    def _stage(
        self,
        build: Deployment,
        spec: ReleaseSpec,
        isolation: sandbox.Isolation,
        command: str,
        port: int | None,
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
            "argv": ["/bin/sh", "-c", shell_script(command)],
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
                **({"PORT": str(port)} if port else {}),
            },
            "cwd": str(build.app),
            "limits": limits,
            "nice": NICE,
        }

    def write_conf(self, place: Place, facts: Mapping[str, Any]) -> None:
        words = [sys.executable, "-I", str(LAUNCHER), str(place.folder), self._instance]
        command = " ".join(shlex.quote(word) for word in words)
        restart = Restart(facts.get("restart", Restart.ALWAYS))
        lines = [
            f"[program:{place.name}]",
            f"command={command.replace('%', '%%')}",
            f"autostart={'false' if facts['stopped'] else 'true'}",
            f"autorestart={_RESTARTS[restart]}",
            # Whatever ends sooner, supervisord starts again without a look at how it ended.
            f"startsecs={1 if restart is Restart.ALWAYS else 0}",
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
        write_atomically(place.conf, "\n".join(lines).encode())
