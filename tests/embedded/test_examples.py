"""The bundled examples as repositories that git and dulwich clone from the edge."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from dulwich import porcelain

from embedded.examples import publish
from tests.embedded.conftest import RunningEdge


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "examples" / "hello"
    (folder / "pages").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "Procfile").write_text("web: ./run\n")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    (folder / "pages" / "index.html").write_text("<p>привет</p>")
    return tmp_path / "examples"


def head(bare: Path) -> str:
    return (bare / "refs" / "heads" / "main").read_text().strip()


def test_same_content_same_commit(source: Path, tmp_path: Path) -> None:
    assert publish(source, tmp_path / "a") == ["hello"]
    first = head(tmp_path / "a" / "hello.git")
    assert publish(source, tmp_path / "a") == []
    publish(source, tmp_path / "b")
    assert head(tmp_path / "a" / "hello.git") == head(tmp_path / "b" / "hello.git") == first
    (source / "hello" / "Procfile").write_text("web: ./run --fast\n")
    assert publish(source, tmp_path / "a") == ["hello"]
    second = head(tmp_path / "a" / "hello.git")
    assert second != first
    assert second in (tmp_path / "a" / "hello.git" / "info" / "refs").read_text()


def test_clients_clone_from_the_edge(source: Path, tmp_path: Path, running_edge: RunningEdge) -> None:
    publish(source, running_edge.layout.examples)
    url = f"http://127.0.0.1:{running_edge.client.port}/examples/hello.git"
    with porcelain.clone(
        url, str(tmp_path / "by-dulwich"), depth=1, errstream=porcelain.NoneStream()
    ) as repo:
        assert repo.head().decode() == head(running_edge.layout.examples / "hello.git")
    clones = [tmp_path / "by-dulwich"]
    if git := shutil.which("git"):
        subprocess.run([git, "clone", "--quiet", url, str(tmp_path / "by-git")], check=True)
        subprocess.run([git, "-C", str(tmp_path / "by-git"), "fsck", "--strict"], check=True)
        clones.append(tmp_path / "by-git")
    for clone in clones:
        assert (clone / "pages" / "index.html").read_text() == "<p>привет</p>"
        assert (clone / "run").stat().st_mode & 0o100
        assert not (clone / "empty").exists()
