"""Tells from a source tree what it is, how it is built and how it is started. Only reads."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import stat
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.engines import procfile
from backend.engines.base import EngineError
from backend.engines.scale import WEB

READ_LIMIT = 1 << 20
STATIC_FOLDERS = (".", "public")
GO_COMMAND = "bin/app"
BUILT_FOLDERS = ("dist", "build", "out", "public")
PYTHON_FILES = ("main.py", "app.py", "asgi.py", "wsgi.py", "server.py", "run.py")
NODE_FILES = ("server.js", "index.js", "app.js", "main.js")
ASGI = frozenset({"FastAPI", "Starlette", "Quart", "Litestar", "Sanic", "get_asgi_application"})
WSGI = frozenset({"Flask", "Bottle", "App", "get_wsgi_application"})
LOOKED_FOR = (
    "Nothing was recognised that could be run. A repository needs one of these at its top: a Procfile with a "
    "line `web: …`; requirements.txt or pyproject.toml with main.py or app.py; package.json with a start "
    "script; go.mod; index.html, there or in public/."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """`kind` as in `Built`. The rest says how to build and to start."""

    kind: str
    python: str | None = None
    """Where dependencies are named: `requirements`, `lock` (uv's), `poetry` (its lock), `project` or
    `dependencies`; None: no Python."""
    node: Node | None = None
    command: str | None = None
    """None when it depends on what the build leaves behind; see `python_command` and `static_command`."""
    notes: tuple[str, ...] = ()
    go: str | None = None
    """The package that is built, as `go build` takes it; `./...` for all of a Procfile's."""
    processes: Mapping[str, str] = field(default_factory=dict)
    """As in `Built`."""


@dataclass(frozen=True, slots=True)
class Node:
    install: bool
    locked: bool
    build: bool
    development: bool
    """Whether packages are needed at build time that the app runs without."""
    manager: str = "npm"
    """Whose lock file lies there: `npm`, `pnpm` or `yarn`."""


@dataclass(frozen=True, slots=True)
class _Package:
    scripts: dict[str, str] = field(default_factory=dict)
    main: str | None = None
    dependencies: bool = False
    development: bool = False


def unrecognised(message: str, detail: str, **values: str) -> EngineError:
    return EngineError("app_unrecognised", message, detail=detail).about({**values})


def nothing_found() -> EngineError:
    return unrecognised(LOOKED_FOR, "nothing_to_run")


def detect(root: Path) -> Plan:
    """What lies in `root`. Raises `app_unrecognised`, whose message says what is looked for."""
    named = _procfile(root)
    python = _python(root)
    package = _package(root)
    node = _node(root, package) if package else None
    go = is_file(root / "go.mod")
    if named is not None:
        others = {name: command for name, command in named.items() if name != WEB}
        every = "./..." if go else None
        return Plan("procfile", python, node, named[WEB], go=every, processes=others)
    if python is not None and (python_entry(root) or not package):
        if python_entry(root) is None:
            raise unrecognised(
                "This looks like a Python project, but there is no Procfile with a line `web: …` and none of "
                + ", ".join(PYTHON_FILES)
                + " or manage.py to start.",
                "python_without_start",
                files=", ".join(PYTHON_FILES),
            )
        return Plan("python", python)
    if package is not None:
        return _node_plan(root, package, node)
    if go:
        return Plan("go", go=_go_package(root), command=GO_COMMAND)
    for folder in STATIC_FOLDERS:
        if is_file(root / folder / "index.html"):
            return Plan("static", command=static_command(folder))
    raise nothing_found()


def words(plan: Plan) -> str:
    """What was recognised, for the deployment's log."""
    if plan.kind == "procfile":
        found = {"Python": plan.python, "Node.js": plan.node, "Go": plan.go}
        return ", ".join(["a Procfile", *(name for name in found if found[name])])
    if plan.kind == "static":
        return "a static site" + (" with a build script" if plan.node else "")
    return {"python": "a Python app", "node": "a Node.js app", "go": "a Go program"}[plan.kind]


def static_command(folder: str) -> str:
    return "gavan-static" if folder == "." else f"gavan-static {shlex.quote(folder)}"


def built_static_command(root: Path) -> str:
    """For a site that its own build step made."""
    for folder in BUILT_FOLDERS:
        if is_file(root / folder / "index.html"):
            return static_command(folder)
    raise nothing_built()


def nothing_built() -> EngineError:
    return unrecognised(
        "package.json has no start script, and its build left no index.html in dist/, build/, out/, public/.",
        "build_left_nothing",
    )


def read_text(root: Path, name: str, limit: int = READ_LIMIT) -> str | None:
    """A regular file's beginning; links are not followed, for they may lead anywhere."""
    try:
        descriptor = os.open(root / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with open(descriptor, "rb") as file:
        return file.read(limit).decode("utf-8-sig", "replace")


def is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode) and not path.parent.is_symlink()
    except OSError:
        return False


def other_processes(root: Path) -> dict[str, str]:
    """Of the Procfile, if there is one, for an app whose `web` is said elsewhere."""
    named = procfile.read(read_text(root, "Procfile") or "")
    return {name: command for name, command in named.items() if name != WEB}


def _procfile(root: Path) -> dict[str, str] | None:
    text = read_text(root, "Procfile")
    if text is None:
        return None
    named = procfile.read(text)
    if WEB in named:
        return named
    message = "The Procfile has no line `web: <command>`, which says how to start the app."
    raise unrecognised(message, "procfile_without_web")


def _python(root: Path) -> str | None:
    if (text := read_text(root, "pyproject.toml")) is not None:
        try:
            project = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            message = f"pyproject.toml is not valid: {error}"
            raise unrecognised(message, "file_invalid", file="pyproject.toml", problem=str(error)) from None
        if "project" in project and is_file(root / "uv.lock"):
            return "lock"
        if is_file(root / "requirements.txt"):
            return "requirements"
        if is_file(root / "poetry.lock"):
            return "poetry"
        if "build-system" in project:
            return "project"
        if "project" in project:
            return "dependencies"
    return "requirements" if is_file(root / "requirements.txt") else None


def python_entry(root: Path) -> tuple[str, str | None, str] | None:
    """(module, attribute, interface) of what to serve; interface is `asgi`, `wsgi` or `script`."""
    if (manage := read_text(root, "manage.py")) is not None and "DJANGO_SETTINGS_MODULE" in manage:
        for interface in ("wsgi", "asgi"):
            for folder in sorted(path for path in root.iterdir() if path.is_dir() and not path.is_symlink()):
                if is_file(folder / f"{interface}.py"):
                    return f"{folder.name}.{interface}", "application", interface
    script = None
    for name in PYTHON_FILES:
        text = read_text(root, name)
        if text is None:
            continue
        if found := _served(text):
            return name.removesuffix(".py"), *found
        script = script or name
    return (script, None, "script") if script else None


def _served(text: str) -> tuple[str, str] | None:
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for node in body:
        names: list[str] = []
        value: ast.expr | None = None
        if isinstance(node, ast.Assign):
            names, value = [target.id for target in node.targets if isinstance(target, ast.Name)], node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names, value = [node.target.id], node.value
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in ("app", "application"):
            count = len(node.args.args)
            if isinstance(node, ast.AsyncFunctionDef) and count == 3:
                return node.name, "asgi"
            if isinstance(node, ast.FunctionDef) and count == 2:
                return node.name, "wsgi"
        name = next((name for name in names if name in ("app", "application", "api", "server")), None)
        if name and isinstance(value, ast.Call):
            called = (
                value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
            )
            if called in ASGI:
                return name, "asgi"
            if called in WSGI:
                return name, "wsgi"
    return None


def python_command(root: Path, installed: Callable[[str], bool], host: str = "127.0.0.1") -> str:
    """How to start what `python_entry` found, with the servers that are `installed` (names of commands)."""
    entry = python_entry(root)
    if entry is None:
        raise nothing_found()
    module, attribute, interface = entry
    app = f"{module}:{attribute}"
    if interface == "asgi":
        if installed("uvicorn"):
            return f"uvicorn {app} --host {host} --port $PORT"
        if installed("hypercorn"):
            return f"hypercorn {app} --bind {host}:$PORT"
    if interface == "wsgi":
        if installed("gunicorn"):
            return f"gunicorn --bind {host}:$PORT --access-logfile - {app}"
        if installed("waitress-serve"):
            return f"waitress-serve --listen={host}:$PORT {app}"
        if installed("flask"):
            return f"flask --app {app} run --host {host} --port $PORT"
    if interface != "script" and "." in module:
        return f"python manage.py runserver --noreload {host}:$PORT"
    return f"python {module if interface == 'script' else module + '.py'}"


def _go_package(root: Path) -> str:
    """The one program at the top, or in a folder of cmd/."""
    if _is_go_program(root):
        return "."
    programs = sorted(
        path.name
        for path in (root / "cmd").glob("*")
        if re.fullmatch(r"\w[\w.-]*", path.name, re.ASCII) and not path.is_symlink() and _is_go_program(path)
    )
    if len(programs) == 1:
        return f"./cmd/{programs[0]}"
    raise unrecognised(
        "This is a Go module, but there is no program (package main) at its top, nor just one in cmd/.",
        "go_without_program",
    )


def _is_go_program(folder: Path) -> bool:
    texts = (
        read_text(folder, path.name)
        for path in sorted(folder.glob("*.go"))
        if not path.name.endswith("_test.go")
    )
    return any(text and re.search(r"^package main\b", text, re.MULTILINE) for text in texts)


def _package(root: Path) -> _Package | None:
    text = read_text(root, "package.json")
    if text is None:
        return None
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        message = f"package.json is not valid JSON: {error}"
        raise unrecognised(message, "file_invalid", file="package.json", problem=str(error)) from None
    if not isinstance(content, dict):
        raise unrecognised("package.json is not a JSON object.", "package_no_object")
    scripts = content.get("scripts")
    texts = {
        name: script.strip()
        for name, script in (scripts.items() if isinstance(scripts, dict) else ())
        if isinstance(script, str) and script.strip() and "\n" not in script and "\0" not in script
    }
    main = content.get("main")
    return _Package(
        texts,
        main if isinstance(main, str) else None,
        bool(content.get("dependencies") or content.get("optionalDependencies")),
        bool(content.get("devDependencies")),
    )


def _node(root: Path, package: _Package) -> Node:
    locked = any(is_file(root / name) for name in ("package-lock.json", "npm-shrinkwrap.json"))
    others = {"pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn"}
    manager = next((others[name] for name in others if not locked and is_file(root / name)), "npm")
    build = "build" in package.scripts
    install = package.dependencies or (package.development and build) or "install" in package.scripts
    return Node(install, locked, build, package.development, manager)


def _node_plan(root: Path, package: _Package, node: Node | None) -> Plan:
    scripts = package.scripts
    if "start" in scripts:
        # Without npm in between, signals arrive and 40 MB are saved; hooks around it need npm.
        hooks = "prestart" in scripts or "poststart" in scripts
        return Plan("node", node=node, command="npm start" if hooks else scripts["start"])
    main = package.main if package.main and package.main.endswith((".js", ".mjs", ".cjs")) else None
    if main and is_file(root / main) and ".." not in Path(main).parts:
        return Plan("node", node=node, command=f"node {shlex.quote(main)}")
    if "build" in scripts:
        return Plan("static", node=node)
    for name in NODE_FILES:
        if is_file(root / name):
            return Plan("node", node=node, command=f"node {name}")
    for folder in STATIC_FOLDERS:
        if is_file(root / folder / "index.html"):
            return Plan("static", command=static_command(folder))
    raise unrecognised(
        "package.json has neither a start script nor a build script, and there is no server.js.",
        "package_without_start",
    )
