"""The layers call each other one way: router → capability → dao → database. Read from the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

BACKEND = Path(__file__).resolve().parents[2] / "backend"
LONGEST_FILE = 400

EXECUTES = {
    "dao/base.py": "the single point of persistence",
    "dao/read.py": "single rows as answers show them",
    "dao/listing.py": "lists, on a connection for reading",
    "oauth/dao.py": "who asks, on a connection for reading: each request waits for it",
    "monitoring/overview.py": "asks whether the database answers at all",
    "services/reconcile.py": "a lock of the session, outside any transaction",
}
"""Modules that send statements, and why. A further one is a decision, not an accident."""

COMMITS = {"database.py", "context.py"}
SPEAKS_HTTP = {
    *("main.py", "openapi.py", "exceptions.py", "context.py", "routers.py", "services/access.py"),
    *("utils/http.py", "utils/middleware.py", "utils/crossorigin.py", "jobs/idempotency.py"),
    *("oauth/principal.py", "oauth/caller.py", "oauth/identity.py", "oauth/forms.py", "users/asker.py"),
}
"""Besides routers, what may know of FastAPI and Starlette."""


@cache
def sources() -> dict[str, ast.Module]:
    return {
        str(path.relative_to(BACKEND)): ast.parse(path.read_text())
        for path in sorted(BACKEND.rglob("*.py"))
        if "__pycache__" not in path.parts
    }


def is_router(name: str) -> bool:
    return name.endswith("router.py")


def imported(tree: ast.AST, *, lazily: bool = True) -> Iterator[str]:
    """Modules that are imported; without `lazily` only at import time, and not for types alone."""
    nodes = ast.walk(tree) if lazily else _at_import(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _at_import(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not for_types:
            yield node
            yield from _at_import(node)


def calls(tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    """(what, method, line) of `what.method(…)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield ast.unparse(node.func.value), node.func.attr, node.lineno


def test_who_sends_statements() -> None:
    senders = set()
    for name, tree in sources().items():
        for what, method, _ in calls(tree):
            on_session = re.search(r"(^|\.|_)(session|connection|engine)$", what)
            on_pool = re.search(r"(^|\.|_)(pool|reader|connection)$", what)
            if (on_session and method in ("execute", "scalar", "scalars", "stream", "exec_driver_sql")) or (
                on_pool and method in ("fetch", "fetchrow", "fetchval", "execute", "executemany")
            ):
                senders.add(name)
    assert senders == set(EXECUTES)


def test_who_commits() -> None:
    committers = {
        name
        for name, tree in sources().items()
        for what, method, _ in calls(tree)
        if method in ("commit", "begin", "rollback") and "session" in what
    }
    assert committers <= COMMITS


def test_routers_hold_no_statements() -> None:
    for name, tree in sources().items():
        if is_router(name):
            modules = set(imported(tree))
            assert not any(module.startswith(("sqlalchemy", "asyncpg", "redis")) for module in modules), name
            assert not any(module.startswith("backend.celery") for module in modules), name


def test_only_routers_and_the_house_speak_http() -> None:
    speakers = {
        name
        for name, tree in sources().items()
        if any(module.split(".")[0] in ("fastapi", "starlette") for module in imported(tree))
    }
    assert {name for name in speakers if not is_router(name)} == SPEAKS_HTTP


def test_nobody_below_imports_a_router() -> None:
    for name, tree in sources().items():
        if name != "routers.py" and not is_router(name):
            assert not [module for module in imported(tree) if module.endswith("router")], name


def test_daos_know_no_capability() -> None:
    allowed = re.compile(
        r"backend\.((\w+\.)+(models|statements)|\w+\.permissions|dao|database|utils|roles)(\.|$)|backend\.\w+$"
    )
    for name, tree in sources().items():
        if name.endswith("/dao.py"):
            inner = {module for module in imported(tree, lazily=False) if module.startswith("backend.")}
            strange = {module for module in inner if not allowed.match(module)}
            assert not strange, (name, strange)


def test_engines_know_nothing_of_the_panel() -> None:
    for name, tree in sources().items():
        if name.startswith("engines/") and name != "engines/registry.py":
            strange = [
                module
                for module in imported(tree)
                if module.startswith("backend.") and not module.startswith("backend.engines")
            ]
            assert not strange, (name, strange)


def test_models_do_not_load_by_accident() -> None:
    """A relationship says `lazy="raise"`: what a query needs, it says."""
    for name, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("relationship"):
                assert "lazy='raise'" in ast.unparse(node), (name, node.lineno)


def test_no_cycle_of_imports() -> None:
    names = {_module(name): name for name in sources()}
    graph = {
        module: {
            found for found in imported(sources()[name], lazily=False) if found in names and found != module
        }
        for module, name in names.items()
    }
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join([*path[path.index(module) :], module])
        if module not in done:
            for further in sorted(graph[module]):
                walk(further, (*path, module))
            done.add(module)

    for module in graph:
        walk(module, ())


def _module(name: str) -> str:
    return "backend." + name.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


@pytest.mark.parametrize("folder", ["backend", "embedded", "migrations", "tests", "benchmarks", "openapi"])
def test_no_file_is_two_capabilities(folder: str) -> None:
    files = [path for path in (BACKEND.parent / folder).rglob("*.py") if "versions" not in path.parts]
    long = {
        str(path): count for path in files if (count := len(path.read_text().splitlines())) > LONGEST_FILE
    }
    assert long == {}


def test_the_rules_see_what_they_are_for() -> None:
    bad = ast.parse(
        "async def f(session):\n    from sqlalchemy import select\n    await session.execute(select(1))\n"
    )
    assert ("session", "execute", 3) in set(calls(bad))
    assert "sqlalchemy" in set(imported(bad))
    assert "sqlalchemy" not in set(imported(bad, lazily=False))
