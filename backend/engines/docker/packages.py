"""Which Python packages a tree asks for, read from its own files: nothing is resolved, nothing is run."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backend.engines.detect import read_text

LOCKS = {"lock": "uv.lock", "poetry": "poetry.lock"}
MOST_FILES = 20
"""Of requirements that name further ones."""
LONGEST_LOCK = 16 << 20

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_INCLUDE = re.compile(r"\s*(?:-r|--requirement)[ =]?\s*(\S+)")
_LOCAL = re.compile(
    r"^[ \t]*(?:-r|-c|-e|--requirement|--constraint|--editable|\.|/|\S+[ \t]*@[ \t]*file:)", re.MULTILINE
)
_LOCKED = re.compile(r'^name = "([^"\n]{1,200})"', re.MULTILINE)
_COMMANDS = {
    "uvicorn": {"uvicorn", "fastapi[standard]", "fastapi[all]", "fastapi-cli"},
    "hypercorn": {"hypercorn", "quart"},
    "gunicorn": {"gunicorn"},
    "waitress-serve": {"waitress"},
    "flask": {"flask"},
}
"""The packages that bring a command, themselves or by what they need."""


def commands(root: Path, source: str | None) -> frozenset[str]:
    """Of the servers that can start an app, those that will be installed."""
    named = set(_named(root, source))
    return frozenset(command for command, packages in _COMMANDS.items() if packages & named)


def installs_local_files(root: Path) -> bool:
    """Whether requirements.txt points at other files of the tree, which have to be there to install it."""
    return bool(_LOCAL.search(read_text(root, "requirements.txt") or ""))


def project_name(root: Path) -> str:
    project = toml(root, "pyproject.toml")
    name = _table(project, "project").get("name") or _table(_table(project, "tool"), "poetry").get("name")
    return name if isinstance(name, str) else ""


def names_dependencies(root: Path) -> bool:
    """Whether pyproject.toml itself names them, rather than leave them to its build backend."""
    project = _table(toml(root, "pyproject.toml"), "project")
    dynamic = project.get("dynamic")
    return "dependencies" in project and "dependencies" not in (dynamic if isinstance(dynamic, list) else ())


def _named(root: Path, source: str | None) -> Iterator[str]:
    if source == "requirements":
        yield from _requirements(root, "requirements.txt", [])
        return
    project = toml(root, "pyproject.toml")
    for line in _texts(_table(project, "project").get("dependencies")):
        yield from _names(line)
    poetry = _table(_table(project, "tool"), "poetry")
    for name, wanted in _table(poetry, "dependencies").items():
        extras = ",".join(_texts(wanted.get("extras"))) if isinstance(wanted, dict) else ""
        yield from _names(f"{name}[{extras}]")
    if lock := LOCKS.get(source or ""):
        for name in _LOCKED.findall(read_text(root, lock, LONGEST_LOCK) or ""):
            yield from _names(name)


def _requirements(root: Path, name: str, seen: list[str]) -> Iterator[str]:
    inside = (root / name).resolve().is_relative_to(root.resolve())
    if not inside or name in seen or len(seen) >= MOST_FILES:
        return
    seen.append(name)
    for line in (read_text(root, name) or "").splitlines():
        if included := _INCLUDE.match(line):
            yield from _requirements(root, str(Path(name).parent / included[1]), seen)
        else:
            yield from _names(line)


def _names(line: str) -> Iterator[str]:
    """`fastapi[standard]>=0.1` → `fastapi`, `fastapi[standard]`."""
    if found := _NAME.match(line):
        name = re.sub(r"[-_.]+", "-", found[1]).lower()
        yield name
        for extra in (found[2] or "").split(","):
            yield f"{name}[{extra.strip().lower()}]"


def toml(root: Path, name: str) -> dict[str, Any]:
    """A TOML file's content; empty when it is missing or broken."""
    try:
        return tomllib.loads(read_text(root, name) or "")
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _table(of: dict[str, Any], name: str) -> dict[str, Any]:
    value = of.get(name)
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
