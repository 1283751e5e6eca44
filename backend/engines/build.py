"""Makes a fetched source runnable: installs what it needs, runs its build step, all inside the sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import json
import marshal
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

import uv

from backend.engines import detect, processes, sandbox
from backend.engines.base import BuildSpec, Built, EngineError, Report
from backend.engines.layout import Deployment, Layout, read_json, remove_tree
from backend.engines.sealed import write_atomically
from backend.engines.text import human_size
from backend.engines.watch import Output, TimedOut, TooLarge, folder_size, run_guarded

MEMORY = 1 << 30
"""Bytes at least: compilers and bundlers need more than a small plan's app."""
PIDS = 512
KILLED = (-9, 137)
NICE = 10
CACHE_BYTES = 1 << 30
"""Of one project's package cache; a larger one is thrown away."""

_PASSED_ON = (
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "NPM_CONFIG_CAFILE",
    "NPM_CONFIG_REGISTRY",
    "PIP_EXTRA_INDEX_URL",
    "PIP_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_NATIVE_TLS",
    "UV_SYSTEM_CERTS",
)
"""How this machine reaches package registries; nothing else of the environment is shown to a build."""


@dataclass(frozen=True, slots=True)
class Bounds:
    timeout: float
    max_bytes: int


@dataclass(frozen=True, slots=True)
class _Step:
    title: str
    argv: list[str]
    skip: Callable[[], bool] = lambda: False


class Build:
    """One deployment's build; `marker` tells its processes, should they be left behind."""

    def __init__(
        self, layout: Layout, spec: BuildSpec, isolation: sandbox.Isolation, bounds: Bounds, marker: str
    ) -> None:
        self._layout, self._spec, self._isolation, self._bounds = layout, spec, isolation, bounds
        self._at: Deployment = layout.deployment(spec.deployment_id)
        self._cache = layout.cache(spec.project_id)
        self._marker = marker

    async def run(self, report: Report) -> Built:
        """The build's facts; what an earlier, interrupted call left is thrown away first."""
        if (done := finished(self._at)) is not None:
            return done
        began = time.monotonic()
        await asyncio.to_thread(self._prepare)
        plan = await asyncio.to_thread(detect.detect, self._at.app)
        await report(f"Recognised: {detect.words(plan)}")
        for note in plan.notes:
            await report(note)
        deadline = began + self._bounds.timeout
        for step in self._steps(plan):
            await report(f"— {step.title}")
            await self._step(step, report, deadline - time.monotonic())
        built = await asyncio.to_thread(self._complete, plan)
        await report(f"Built in {time.monotonic() - began:.1f} s, {human_size(built.size_bytes)}")
        await report(f"Start command: {built.command}")
        return built

    def _prepare(self) -> None:
        processes.end_leftovers(self._marker, None, None)
        if not self._at.source.is_dir():
            message = "The fetched source is gone; deploy again to fetch it anew."
            raise EngineError("build_failed", message, detail="source_gone")
        remove_tree(self._at.tree)
        self._at.tree.mkdir(mode=0o700)
        self._at.home.mkdir()
        (self._at.tree / "tmp").mkdir()
        shutil.copytree(self._at.source, self._at.app, symlinks=True)
        if self._cache.is_dir() and folder_size([self._cache]) > CACHE_BYTES:
            remove_tree(self._cache)
        self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.utime(self._cache)
        sandbox.write_stubs(self._layout.home)

    def _steps(self, plan: detect.Plan) -> list[_Step]:
        if plan.kind == "go":
            raise EngineError(
                "build_tool_missing",
                "Go programs are built only where services run in containers, which they do not here.",
                detail="go_missing",
            )
        steps = []
        if plan.python is not None:
            steps += self._python_steps(plan.python)
        if plan.node is not None:
            steps += self._node_steps(plan.node)
        return steps

    def _python_steps(self, source: str) -> list[_Step]:
        tool = self._tool(uv.find_uv_bin())
        steps = [
            _Step(
                "Creating a Python environment",
                [tool, "venv", "--python", sandbox.base_python(), str(self._at.venv)],
            )
        ]
        install = [tool, "pip", "install"]
        steps.append(
            {
                "requirements": _Step("Installing requirements.txt", [*install, "-r", "requirements.txt"]),
                "project": _Step("Installing the project", [*install, "."]),
                "dependencies": _Step(
                    "Installing the project's dependencies", [*install, "-r", "pyproject.toml"]
                ),
                # Poetry itself is not had here: the project's own, looser, bounds decide.
                "poetry": _Step("Installing the project", [*install, "."]),
                "lock": _Step("Installing what uv.lock names", [tool, "sync", "--frozen", "--no-dev"]),
            }[source]
        )
        return steps

    def _node_steps(self, node: detect.Node) -> list[_Step]:
        if not node.install and not node.build:
            return []
        if sandbox.node_folder() is None:
            raise EngineError(
                "build_tool_missing",
                "This app needs Node.js and npm, which are not installed on this server. Ask its operator to "
                "install them.",
            )
        steps = []
        if node.install:
            omit = [] if node.build else ["--omit=dev"]
            steps.append(
                _Step("Installing packages with npm", ["npm", "ci" if node.locked else "install", *omit])
            )
        if node.build:
            steps.append(_Step("Running the build script", ["npm", "run", "build"]))
            if node.install and node.development:
                steps.append(_Step("Removing development packages", ["npm", "prune", "--omit=dev"]))
        return steps

    def _tool(self, binary: str) -> str:
        """uv lies in the panel's own environment, of which the sandbox shows this one file."""
        return str(sandbox.INSIDE / "uv") if self._isolation.arguments else binary

    async def _step(self, step: _Step, report: Report, timeout: float) -> None:
        memory = max(self._spec.limits.memory_bytes, MEMORY)
        limits = {"RLIMIT_CORE": 0, "RLIMIT_DATA": memory, "RLIMIT_FSIZE": self._bounds.max_bytes + (1 << 20)}
        if self._isolation.arguments:
            # Counted per user namespace; without one it would count the panel's own processes too.
            limits["RLIMIT_NPROC"] = PIDS
        order = {
            "argv": step.argv,
            "env": self._environment(),
            "cwd": str(self._at.app),
            "limits": limits,
            "nice": NICE,
        }
        words = sandbox.enter(
            self._isolation,
            home=self._layout.home,
            writable=[self._at.tree, self._cache],
            tools={"uv": uv.find_uv_bin()},
            cwd=self._at.app,
            together=True,
        )
        try:
            status = await run_guarded(
                [*words, *sandbox.stage_words(self._isolation)],
                cwd=self._at.app,
                env={"PATH": os.defpath, "LANG": "C.UTF-8", processes.MARKER: self._marker},
                stdin=marshal.dumps(order),
                timeout=max(timeout, 0.1),
                folders=[self._at.tree],
                max_bytes=self._bounds.max_bytes,
                output=Output(report),
            )
        except TimedOut:
            raise EngineError(
                "build_timeout",
                f"The build did not end within {self._bounds.timeout:.0f} seconds and was stopped.",
                seconds=round(self._bounds.timeout),
            ) from None
        except TooLarge:
            raise self._too_large() from None
        finally:
            if not self._isolation.arguments:
                await asyncio.shield(asyncio.to_thread(processes.end_leftovers, self._marker, None, None))
        if status != 0:
            raise EngineError(
                "build_failed",
                f"{step.title} failed{_status_words(status)}; its output says why.",
                because="killed" if status in KILLED else "exit_other",
                step=step.title,
                exit_status=status,
            )

    def _too_large(self) -> EngineError:
        return EngineError(
            "build_too_large",
            f"The build wrote more than the {human_size(self._bounds.max_bytes)} that the plan allows "
            "and was stopped.",
            limit_bytes=self._bounds.max_bytes,
        )

    def _environment(self) -> dict[str, str]:
        at, cache = self._at, self._cache
        passed = {
            name: value
            for upper in _PASSED_ON
            for name in (upper, upper.lower())
            if (value := os.environ.get(name))
        }
        return {
            **passed,
            **sandbox.certificate_variables(),
            processes.MARKER: self._marker,
            "CI": "true",
            "HOME": str(at.home),
            "LANG": "C.UTF-8",
            "PATH": sandbox.search_path(self._layout.home, self._isolation, at.tree),
            # Large temporary files count against the build, rather than fill a folder in memory.
            "TMPDIR": str(at.tree / "tmp"),
            "VIRTUAL_ENV": str(at.venv),
            "UV_CACHE_DIR": str(cache / "uv"),
            # The cache is another mount, across which files cannot be linked.
            "UV_LINK_MODE": "copy",
            "UV_NO_PROGRESS": "1",
            "UV_PROJECT_ENVIRONMENT": str(at.venv),
            "UV_PYTHON_DOWNLOADS": "never",
            "PIP_CACHE_DIR": str(cache / "pip"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "npm_config_cache": str(cache / "npm"),
            "npm_config_fund": "false",
            "npm_config_audit": "false",
            "npm_config_update_notifier": "false",
        }

    def _complete(self, plan: detect.Plan) -> Built:
        remove_tree(self._at.tree / "tmp")
        if self._at.app.is_symlink():
            message = "The build replaced the app's own folder by a link."
            raise EngineError("build_failed", message, detail="folder_replaced")
        command = plan.command
        if command is None and plan.kind == "python":
            tools = self._at.venv / "bin"
            command = detect.python_command(self._at.app, lambda name: os.path.lexists(tools / name))
        if command is None:
            command = detect.built_static_command(self._at.app)
        size = folder_size([self._at.tree])
        if size > self._bounds.max_bytes:
            raise self._too_large()
        built = Built(plan.kind, command, size, plan.processes)
        facts = {
            "kind": built.kind,
            "command": built.command,
            "size_bytes": built.size_bytes,
            "processes": plan.processes,
        }
        write_atomically(self._at.built, json.dumps(facts).encode())
        # A second call returns the facts above; the source is not needed again.
        with contextlib.suppress(OSError):
            remove_tree(self._at.source)
        return built


def finished(at: Deployment) -> Built | None:
    """The facts of a complete build whose files are there."""
    facts = read_json(at.built)
    if facts is None or not at.app.is_dir():
        return None
    return Built(facts["kind"], facts["command"], facts["size_bytes"], facts.get("processes", {}))


def _status_words(status: int) -> str:
    if status in KILLED:
        return " (killed, most likely for lack of memory)"
    return f" (exit status {status})"
