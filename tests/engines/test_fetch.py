"""Fetching from a real git server: what works, and a clear code for everything that does not."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from dulwich.objects import Blob, Tree

from backend.engines import fetch as child
from backend.engines import processes
from backend.engines.base import EngineError, Retry
from tests.engines.conftest import Panel
from tests.support.gitserver import EXECUTABLE, LINK, SUBMODULE, Behaviour, GitServer


async def refused(panel: Panel, url: str, **rest: str) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await panel.fetch(url, **rest)
    return caught.value


def source(panel: Panel, deployment_id: str) -> Path:
    return panel.apps.home / "deployments" / deployment_id / "source"


async def test_fetches_the_default_branch(panel: Panel) -> None:
    panel.git.commit("first", {"a.txt": "1"}, message="First")
    commit = panel.git.commit(
        "first",
        {"a.txt": "2", "deep/er/b.txt": "b", "run": (EXECUTABLE, "#!/bin/sh\n")},
        message="Second change\n\nWith details",
    )
    spec, fetched = await panel.fetch(panel.git.url("first"))
    assert (fetched.commit, fetched.subject) == (commit, "Second change")
    tree = source(panel, spec.deployment_id)
    assert (tree / "a.txt").read_text() == "2"
    assert (tree / "deep/er/b.txt").read_text() == "b"
    assert os.access(tree / "run", os.X_OK)
    assert not os.access(tree / "a.txt", os.X_OK)
    assert not (tree / ".git").exists()
    assert sorted(path.name for path in tree.parent.iterdir()) == ["deployment.json", "source"]
    assert any("Second change" in line for line in panel.lines)


async def test_a_second_call_starts_over(panel: Panel) -> None:
    panel.git.commit("again", {"old.txt": "1"})
    spec, _ = await panel.fetch(panel.git.url("again"))
    (source(panel, spec.deployment_id) / "stray").write_text("x")
    panel.git.commit("again", {"new.txt": "2"})
    await panel.engine.fetch(spec, panel.report)
    assert [path.name for path in source(panel, spec.deployment_id).iterdir()] == ["new.txt"]


async def test_branches_tags_and_pinned_commits(panel: Panel) -> None:
    old = panel.git.commit("branches", {"a": "main 1"})
    panel.git.commit("branches", {"a": "main 2"})
    panel.git.commit("branches", {"a": "feature"}, branch="feature/ünï")
    spec, _ = await panel.fetch(panel.git.url("branches"), ref="feature/ünï")
    assert (source(panel, spec.deployment_id) / "a").read_text() == "feature"
    pinned = replace(panel.fetch_spec(panel.git.url("branches")), commit=old)
    assert (await panel.engine.fetch(pinned, panel.report)).commit == old
    assert (source(panel, pinned.deployment_id) / "a").read_text() == "main 1"
    error = await refused(panel, panel.git.url("branches"), ref="nosuch")
    assert error.code == "source_branch_missing"
    assert "feature/ünï, main" in error.message
    for ref in ("", "../../etc", "a b", "-x", "\x00", "refs/pull/1/head", "main\n"):
        assert (await refused(panel, panel.git.url("branches"), ref=ref)).code == "source_branch_missing"
    gone = replace(panel.fetch_spec(panel.git.url("branches")), commit="ab" * 20)
    with pytest.raises(EngineError) as caught:
        await panel.engine.fetch(gone, panel.report)
    assert caught.value.code == "source_branch_missing"


async def test_dumb_servers(panel: Panel) -> None:
    panel.git.commit("dumb", {"history.txt": "long ago"})
    commit = panel.git.commit("dumb", {"index.html": "dumb", "in/side": "x"}, message="Dumb")
    panel.git.behave("dumb", Behaviour.DUMB)
    spec, fetched = await panel.fetch(panel.git.url("dumb"))
    assert (fetched.commit, fetched.subject) == (commit, "Dumb")
    assert (source(panel, spec.deployment_id) / "in/side").read_text() == "x"
    assert (await refused(panel, panel.git.url("dumb"), ref="nosuch")).code == "source_branch_missing"


async def test_redirects_are_followed_where_allowed(panel: Panel) -> None:
    panel.git.commit("target", {"a": "1"})
    panel.git.behave("moved", panel.git.url("target"))
    _, fetched = await panel.fetch(panel.git.url("moved"))
    assert fetched.subject == "Change"
    panel.git.behave("circle", panel.git.url("circle"))
    error = await refused(panel, panel.git.url("circle"))
    assert error.code == "source_unreachable"
    assert "redirects" in error.message


async def test_redirects_to_internal_addresses_are_refused(panel: Panel) -> None:
    with GitServer() as internal:
        internal.commit("secret", {"a": "1"})
        for target in (
            internal.url("secret"),
            "http://169.254.169.254/latest",
            "file:///etc/passwd",
            f"http://u:p@{panel.git.address}/x.git",
        ):
            panel.git.behave("inward", target)
            assert (await refused(panel, panel.git.url("inward"))).code == "source_forbidden", target
        assert internal.requests == []


def test_rebinding_names_reach_nothing(tmp_path: Path) -> None:
    """The name is public when it is looked at, and this machine when it is connected to."""
    with GitServer() as internal:
        internal.commit("secret", {"a": "1"})
        answers = iter([["127.0.0.1"], ["93.184.216.34", "127.0.0.1"]])
        for _ in range(2):
            request = {
                "url": f"http://rebinding.example.org:{internal.port}/secret.git",
                "folder": str(tmp_path),
                "allowed_private": [],
                "max_bytes": 1 << 20,
            }
            answer = child.answer(request, lambda _: None, lambda *_: next(answers))
            assert answer["error"]["code"] == "source_forbidden"
        assert internal.requests == []


async def test_proxy_variables_do_not_matter(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    panel.git.commit("direct", {"a": "1"})
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    await panel.fetch(panel.git.url("direct"))


@pytest.mark.parametrize(
    ("behaviour", "code", "retry"),
    [
        (Behaviour.ASK_PASSWORD, "source_auth_required", Retry.NEVER),
        (Behaviour.FORBID, "source_auth_required", Retry.NEVER),
        (Behaviour.BREAK, "source_unreachable", Retry.BACKOFF),
        (Behaviour.WEB_PAGE, "source_not_found", Retry.NEVER),
    ],
)
async def test_servers_that_refuse(panel: Panel, behaviour: Behaviour, code: str, retry: Retry) -> None:
    name = f"refusing-{behaviour}"
    panel.git.commit(name, {"a": "1"})
    panel.git.behave(name, behaviour)
    error = await refused(panel, panel.git.url(name))
    assert (error.code, error.retry) == (code, retry)


async def test_nothing_there(panel: Panel) -> None:
    assert (await refused(panel, panel.git.url("nosuch"))).code == "source_not_found"
    panel.git.empty("empty")
    assert (await refused(panel, panel.git.url("empty"))).code == "source_empty"
    panel.git.commit("fileless", {})
    assert (await refused(panel, panel.git.url("fileless"))).code == "source_empty"
    with GitServer() as closed:
        address = closed.address
    engine = panel.with_settings(allowed_private=(address,))
    with pytest.raises(EngineError) as caught:
        await engine.fetch(panel.fetch_spec(f"http://{address}/x.git"), panel.report)
    assert (caught.value.code, caught.value.retry) == ("source_unreachable", Retry.BACKOFF)


async def test_a_hanging_server_times_out_and_nothing_is_left(panel: Panel) -> None:
    panel.git.behave("hanging", Behaviour.HANG)
    engine = panel.with_settings(fetch_timeout=1)
    spec = panel.fetch_spec(panel.git.url("hanging"))
    began = time.monotonic()
    with pytest.raises(EngineError) as caught:
        await engine.fetch(spec, panel.report)
    assert caught.value.code == "source_timeout"
    assert time.monotonic() - began < 60
    assert not list(source(panel, spec.deployment_id).parent.glob("fetching-*"))
    assert not processes.marked(lambda value: spec.deployment_id in value)


async def test_cancelling_ends_the_child(panel: Panel) -> None:
    panel.git.behave("cancelled", Behaviour.HANG)
    spec = panel.fetch_spec(panel.git.url("cancelled"))
    task = asyncio.create_task(panel.engine.fetch(spec, panel.report))
    while not processes.marked(lambda value: spec.deployment_id in value):
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not processes.marked(lambda value: spec.deployment_id in value)


async def test_too_large(panel: Panel) -> None:
    panel.git.commit("large", {f"{number}.bin": os.urandom(1 << 20) for number in range(10)})
    assert (await refused(panel, panel.git.url("large"))).code == "source_too_large"
    panel.git.behave("large", Behaviour.DUMB)
    assert (await refused(panel, panel.git.url("large"))).code == "source_too_large"
    # What is small on the way and large when unpacked.
    panel.git.commit("bomb", {f"{number}.bin": bytes(1 << 20) for number in range(2)})
    await panel.fetch(panel.git.url("bomb"))
    same = bytes(1 << 20)
    panel.git.commit("bomb", {f"{number}.bin": same for number in range(20)})
    assert (await refused(panel, panel.git.url("bomb"))).code == "source_too_large"


async def test_links_and_strange_names(panel: Panel) -> None:
    panel.git.commit(
        "links",
        {
            "good": (LINK, "deep/file"),
            "absolute": (LINK, "/etc/passwd"),
            "upward": (LINK, "../../../../etc/passwd"),
            "deep/file": "x",
            "deep/er/est/top": (LINK, "../../../zone"),
            "zone/keep": "x",
            "chained": (LINK, "deep/er/est/top/../../../etc/passwd"),
            "library": (SUBMODULE, "ab" * 20),
            "caf\udce9 \x1b[31m\n.txt": "strange",
            "-rf": "x",
            "$(touch pwned)": "x",
        },
    )
    spec, _ = await panel.fetch(panel.git.url("links"))
    tree = source(panel, spec.deployment_id)
    assert os.readlink(tree / "good") == "deep/file"
    for name in ("absolute", "upward", "chained"):
        assert not os.path.lexists(tree / name), name
    assert (tree / "deep/er/est/top").is_symlink()
    assert os.path.exists(os.fsencode(tree) + b"/caf\xe9 \x1b[31m\n.txt")
    assert (tree / "$(touch pwned)").exists()
    log = "\n".join(panel.lines)
    assert log.count("leads out of the repository") == 3
    assert "library is a submodule without an address" in log
    assert list((tree / "library").iterdir()) == []
    assert "\x1b" not in log


@pytest.mark.parametrize("name", [b".git", b".GIT", b"..", b"."])
async def test_forged_names_are_refused(panel: Panel, name: bytes) -> None:
    repo = f"forged{name.hex()}"
    panel.git.commit(repo, {"a": "1"})
    store = panel.git._repo(repo).object_store
    blob = Blob.from_string(b"[core]\n")
    inner = Tree()
    inner.add(b"config", 0o100644, blob.id)
    tree = Tree()
    tree.add(b"x", 0o100644, blob.id)
    tree._entries[name] = (0o040000, inner.id)
    tree._needs_serialization = True
    for item in (blob, inner, tree):
        store.add_object(item)
    panel.git.commit_tree(repo, tree.id)
    error = await refused(panel, panel.git.url(repo))
    assert error.code == "source_unreachable"
    assert "damaged" in error.message
