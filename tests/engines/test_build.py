"""Builds in the sandbox: real ones, and those that fail, hang, flood or fill the disk."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from backend.engines import processes, sandbox
from backend.engines.base import EngineError
from tests.engines.conftest import Panel


def package(script: str, start: str = "node server.js") -> dict[str, object]:
    return {"package.json": json.dumps({"scripts": {"build": script, "start": start}})}


needs_node = pytest.mark.skipif(not shutil.which("npm"), reason="Node.js is not installed here")


async def failing(panel: Panel, files: dict[str, object], **limits: int) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await panel.build(files, **limits)
    return caught.value


async def test_python_with_requirements(panel: Panel) -> None:
    spec, built = await panel.build(
        {
            "requirements.txt": "itsdangerous==2.2.0\n",
            "main.py": "import itsdangerous\nprint(itsdangerous)\n",
        }
    )
    assert (built.kind, built.command) == ("python", "python main.py")
    assert built.size_bytes > 50_000
    folder = panel.apps.home / "deployments" / spec.deployment_id
    assert list(folder.glob("tree/venv/lib/*/site-packages/itsdangerous"))
    assert not (folder / "source").exists()
    assert not (folder / "tree/tmp").exists()
    assert any("itsdangerous==2.2.0" in line for line in panel.lines)
    panel.lines.clear()
    assert await panel.engine.build(panel.build_spec(spec), panel.report) == built
    assert panel.lines == [], "what is built is not built again"


@needs_node
async def test_node_with_a_build_step(panel: Panel) -> None:
    script = 'mkdir -p dist && echo "<p>$npm_package_name" > dist/index.html && echo built'
    _, built = await panel.build({"package.json": json.dumps({"name": "site", "scripts": {"build": script}})})
    assert (built.kind, built.command) == ("static", "gavan-static dist")
    assert "built" in panel.lines


@needs_node
async def test_a_build_that_leaves_nothing_to_serve(panel: Panel) -> None:
    error = await failing(panel, {"package.json": '{"scripts": {"build": "true"}}'})
    assert error.code == "app_unrecognised"


async def test_unrecognised(panel: Panel) -> None:
    assert (await failing(panel, {"README": "x"})).code == "app_unrecognised"


async def test_missing_requirement_fails_with_its_output(panel: Panel) -> None:
    error = await failing(panel, {"requirements.txt": "surely-no-such-package-gavan==9.9.9\n", "main.py": ""})
    assert error.code == "build_failed"
    assert "requirements.txt" in error.message
    assert any("surely-no-such-package-gavan" in line for line in panel.lines)


@needs_node
async def test_failing_build_keeps_nothing_half_made_and_can_be_repeated(panel: Panel) -> None:
    files = package("echo about to fail; exit 3")
    panel.git.commit("fails", files)  # type: ignore[arg-type]
    spec, _ = await panel.fetch(panel.git.url("fails"))
    for _ in range(2):
        with pytest.raises(EngineError) as caught:
            await panel.engine.build(panel.build_spec(spec), panel.report)
        assert caught.value.code == "build_failed"
        assert "exit status" in caught.value.message
    assert panel.lines.count("about to fail") == 2
    assert not (panel.apps.home / "deployments" / spec.deployment_id / "built.json").exists()


@needs_node
async def test_endless_build_is_ended_with_all_its_processes(panel: Panel) -> None:
    panel.git.commit("endless", package("sleep 1000 & sleep 1001"))  # type: ignore[arg-type]
    spec, _ = await panel.fetch(panel.git.url("endless"))
    engine = panel.with_settings(build_timeout=2)
    began = time.monotonic()
    with pytest.raises(EngineError) as caught:
        await engine.build(panel.build_spec(spec), panel.report)
    assert caught.value.code == "build_timeout"
    assert time.monotonic() - began < 60
    assert not processes.marked(lambda value: spec.deployment_id in value)


@needs_node
async def test_cancelled_build_ends_and_the_next_call_starts_clean(panel: Panel) -> None:
    panel.git.commit("cancel", package("touch stray; sleep 1000"))  # type: ignore[arg-type]
    spec, _ = await panel.fetch(panel.git.url("cancel"))
    task = asyncio.create_task(panel.engine.build(panel.build_spec(spec), panel.report))
    tree = panel.apps.home / "deployments" / spec.deployment_id / "tree"
    while not (tree / "app/stray").exists():
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not processes.marked(lambda value: spec.deployment_id in value)
    assert not (tree.parent / "built.json").exists()


@needs_node
@pytest.mark.parametrize(
    "script",
    [
        "dd if=/dev/zero of=big bs=1M count=2000",
        "i=0; while :; do head -c 1000000 /dev/zero > f$i; i=$((i+1)); done",
    ],
    ids=["one-file", "many-files"],
)
async def test_disk_filling_build_is_stopped(panel: Panel, script: str) -> None:
    error = await failing(panel, package(script), disk_bytes=20 * 2**20)
    assert error.code in ("build_too_large", "build_failed")
    if "while" in script:
        assert error.code == "build_too_large"


@needs_node
async def test_flood_of_output_is_bounded(panel: Panel) -> None:
    long_line = "head -c 100000 /dev/zero | tr '\\0' x"
    script = f"yes a line | head -n 200000; printf '\\033[31mred\\033[0m\\n'; {long_line}"
    await panel.build(package(script))
    assert len(panel.lines) < 5000
    assert "red" in panel.lines
    assert any("lines cut" in line for line in panel.lines)
    assert max(len(line) for line in panel.lines) < 2100
    assert not any("\x1b" in line for line in panel.lines)


@needs_node
async def test_environment_of_a_build_holds_no_secrets(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRET_KEY", "ENGINE_SECRET", "DATABASE_URL", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "do-not-tell")
    await panel.build(package("env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; true"))
    assert not any("do-not-tell" in line for line in panel.lines)
    assert any(line.startswith("PATH=") for line in panel.lines)


@needs_node
@pytest.mark.skipif(not sandbox.detect_isolation().arguments, reason="bubblewrap does not work here")
async def test_a_build_sees_only_its_own(panel: Panel) -> None:
    outside = Path(panel.apps.home) / "not-for-customers"
    outside.write_text("do-not-tell")
    script = f"cat {outside} || echo unseen; ls -A {panel.apps.home}; ls -A /; touch /usr/x || echo readonly"
    await panel.build(package(script))
    assert "unseen" in panel.lines
    assert "readonly" in panel.lines
    assert "do-not-tell" not in "\n".join(panel.lines)
    assert not {"boot", "home", "srv", "var", "work"} & set(panel.lines)
    seen = panel.lines[panel.lines.index("unseen") + 1 :]
    assert set(seen[: seen.index("bin")]) <= {"cache", "deployments"}


async def test_node_missing_says_so(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "node_folder", lambda: None)
    error = await failing(panel, {"package.json": json.dumps({"scripts": {"start": "x", "build": "y"}})})
    assert error.code == "build_tool_missing"
    assert "Node.js" in error.message


async def test_build_without_source(panel: Panel) -> None:
    spec = panel.fetch_spec(panel.git.url("x"))
    os.makedirs(panel.apps.home / "deployments" / spec.deployment_id)
    with pytest.raises(EngineError) as caught:
        await panel.engine.build(panel.build_spec(spec), panel.report)
    assert caught.value.code == "build_failed"
    await panel.engine.remove(spec.deployment_id)
