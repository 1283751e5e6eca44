"""What of a repository is sent to the builder."""

from __future__ import annotations

import functools
import io
import os
import tarfile
import time
from pathlib import Path

import pytest

from backend.engines.base import EngineError
from backend.engines.docker import context
from backend.engines.docker.ignore import Ignore
from tests.engines.images.conftest import lay


def leaves_out(ignore: Ignore, path: str) -> bool:
    return functools.reduce(ignore.below, path.split("/"), ignore.root).left_out


@pytest.mark.parametrize(
    ("patterns", "path", "left_out"),
    [
        ("node_modules", "node_modules/a/b", True),
        ("node_modules", "web/node_modules/a", False),
        ("**/node_modules", "web/node_modules/a", True),
        ("**/node_modules", "node_modules", True),
        ("*.log", "a.log", True),
        ("*.log", "a/b.log", False),
        ("/dist/", "dist/x", True),
        ("./dist/../build", "build/x", True),
        ("a/**/z", "a/b/c/z", True),
        ("a/**/z", "a/z", True),
        ("a/**", "a/b", True),
        ("*\n!kept", "kept/a", False),
        ("*\n!kept\nkept/secret", "kept/secret", True),
        ("!x\nx", "x", True),
        ("# x\nx?", "x1", True),
        ("[^a]x", "bx", True),
        ("[^a]x", "ax", False),
        (r"\*x", "*x", True),
        (r"\*x", "ax", False),
        ("", "x", False),
        (".", "x", False),
    ],
)
def test_dockerignore(patterns: str, path: str, left_out: bool) -> None:
    assert leaves_out(Ignore(patterns), path) is left_out


def test_no_pattern_stretches_the_time() -> None:
    ignore = Ignore("\n".join(["/".join(["**", "*a" * 12 + "b"] * 10)] * 200))
    began = time.monotonic()
    for _ in range(20):
        assert not leaves_out(ignore, "/".join(["a" * 200] * 60))
    assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    "text",
    ["/".join(["**", "*"] * 500) + "/zz", "x" * 300, "\n".join(f"a{n}" for n in range(201)), "# \n" * 30_000],
)
def test_no_long_list_of_patterns(text: str) -> None:
    with pytest.raises(EngineError) as caught:
        Ignore(text)
    assert caught.value.parameters["detail"] == "dockerignore_invalid"


def test_patterns_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "WALK_SECONDS", -1)
    with pytest.raises(EngineError, match="take too long"):
        sent(lay(tmp_path, {"a": "1"}))


def sent(root: Path, folder: str = "") -> tuple[dict[str, tarfile.TarInfo], list[str]]:
    file = io.BytesIO()
    left_out = context.write(file, root, "FROM x\n", folder=folder, extra={"gavan/x": b"1"})
    file.seek(0)
    with tarfile.open(fileobj=file) as tar:
        return {entry.name: entry for entry in tar}, left_out


def test_links_lead_nowhere_outside(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    root = lay(tmp_path / "tree", {"a/file": "1", "b": "2"})
    (root / "inside").symlink_to("a/file")
    (root / "a/up").symlink_to("../b")
    (root / "a/out").symlink_to("../../secret")
    (root / "absolute").symlink_to("/etc/passwd")
    (root / "folder").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    entries, left_out = sent(root)
    assert sorted(left_out) == ["a/out", "absolute", "folder"]
    links = {name for name, entry in entries.items() if entry.issym()}
    assert links == {"inside", "a/up"}
    assert "pipe" not in entries


def test_owners_and_modes_are_uniform(tmp_path: Path) -> None:
    root = lay(tmp_path / "tree", {"run": "1", "file": "2", "deep/er": "3", ".dockerignore": "file\n"})
    (root / "run").chmod(0o700)
    (root / "file").chmod(0o600)
    entries, _ = sent(root, "app")
    assert entries["app/run"].mode == 0o755
    assert entries["app/deep/er"].mode == 0o644
    assert "app/file" not in entries
    assert {entry.uid for entry in entries.values()} == {0}
    assert list(entries)[:3] == [".dockerignore", ".gavan.dockerfile", "gavan/x"]


def test_a_tree_cannot_bring_the_engines_own_files(tmp_path: Path) -> None:
    entries, _ = sent(lay(tmp_path / "tree", {".gavan.dockerfile": "FROM evil", ".dockerignore": "!x"}))
    assert entries[".gavan.dockerfile"].size == len("FROM x\n")
