"""What the panel says of failures: a sentence in each language for every detail that the engine names."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.panel.sources import FRONTEND, SCRIPTS, text

BACKEND = FRONTEND.parent / "backend"
SOURCES = [
    path
    for folder in ("engines", "engines/docker", "services", "processes", "sources", "jobs")
    for path in sorted((BACKEND / folder).glob("*.py"))
]
KEYS = ("detail", "because", "hint")
HELPERS = ("forbidden", "unreachable", "unrecognised", "Bad", "_invalid")
"""Functions of the engine whose second argument is the detail."""


def constant(node: ast.AST) -> set[str]:
    """The text that an expression is, or may be."""
    if isinstance(node, ast.IfExp):
        return constant(node.body) | constant(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def named_in(tree: ast.Module) -> Iterator[str]:
    constants = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in KEYS:
            value = node.value
            yield from constant(constants.get(value.id, value) if isinstance(value, ast.Name) else value)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value in KEYS:
                    yield from constant(value)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in HELPERS and len(node.args) > 1:
            yield from constant(node.args[1])
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name | ast.Tuple):
            yield from because_of(node)


def because_of(node: ast.Assign) -> Iterator[str]:
    """`because = …` or `detail = …`, also among others: `trouble, because, values = …`."""
    target = node.targets[0]
    if isinstance(target, ast.Name) and target.id in KEYS:
        yield from constant(node.value)
    elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
        for name, value in zip(target.elts, node.value.elts, strict=True):
            if isinstance(name, ast.Name) and name.id in KEYS:
                yield from constant(value) - {""}


def named() -> set[str]:
    found = {name for path in SOURCES for name in named_in(ast.parse(text(path)))}
    exits = re.findall(r"^        (\d+): \"Its? ", text(BACKEND / "engines" / "exits.py"), re.MULTILINE)
    return found | {f"exit_{code}" for code in exits}


@pytest.fixture(scope="module", params=["en", "ru"])
def sentences(request: pytest.FixtureRequest) -> dict[str, str]:
    """Of `frontend/locales/<language>/reasons.json`."""
    found: dict[str, str] = json.loads(text(FRONTEND / "locales" / request.param / "reasons.json"))
    return found


def test_every_detail_has_a_sentence(sentences: dict[str, str]) -> None:
    assert {"exit_137", "address_ssh", "interrupted", "closes_connection", "deaf"} <= named()
    assert {name for name in named() if f"why.{name}" not in sentences} == set()


def test_every_sentence_is_of_a_detail_or_a_code(sentences: dict[str, str]) -> None:
    known = {key.removeprefix("reason.") for key in sentences if key.startswith("reason.")}
    # Said by the panel itself, and of deployments that ended without an error.
    known |= {
        "last_lines",
        "cancelled",
        "superseded",
        "suspended",
        "rolled_back",
        "unit_stopped",
        "needed_failed",
        "part_dropped",
        *named(),
    }
    assert {key for key in sentences if key.startswith("why.") and key[4:] not in known} == set()


def address_details(script: Path) -> set[str]:
    return set(re.findall(r"\"(address_\w+)\"", text(script)))


def test_the_form_refuses_no_address_for_reasons_of_its_own() -> None:
    form = next(path for path in SCRIPTS if path.name == "source.js")
    assert address_details(form) <= address_details(BACKEND / "engines" / "addresses.py")
