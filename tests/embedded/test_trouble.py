"""What `make up` says when the example does not go live, and of a firewall that is not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from embedded import docker
from embedded.console import Failure
from embedded.demo import APP, Demo
from embedded.layout import Layout
from embedded.web import Answer


class Panel:
    """Answers as the API does of a service whose build failed."""

    def __init__(self, job: dict[str, Any]) -> None:
        lines = [{"text": f"line {number}"} for number in range(20)]
        self.answers: dict[str, Any] = {
            "/api/v1/jobs/1": {"step": None, **job},
            "/api/v1/services": {"items": [{"name": APP, "id": "s"}]},
            "/api/v1/services/s/deployments": {"items": [{"id": "d"}]},
            "/api/v1/deployments/d/log": {"lines": [*lines, {"text": "ModuleNotFoundError: flask"}]},
        }

    def ask(self, _method: str, path: str, **_: object) -> Answer:
        return 200, self.answers[path.partition("?")[0]], {}


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ({"state": "failed", "error": {"message": "pip failed."}}, "did not go live: pip failed."),
        ({"state": "queued", "error": {"message": "Docker does not answer."}}, "not live after 0 minutes"),
        ({"state": "queued", "error": None}, "not live after 0 minutes\n"),
    ],
)
def test_the_reason_and_the_end_of_the_log(
    job: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedded.demo.PATIENCE_SECONDS", 1)
    monkeypatch.setattr("embedded.demo.POLL_SECONDS", 0.01)
    demo = Demo(Panel(job), "demo@example.com", "x")  # type: ignore[arg-type]
    with pytest.raises(Failure) as caught:
        demo.follow("/api/v1/jobs/1", lambda _: None, lambda: None)
    assert said in caught.value.what
    assert caught.value.what.endswith("\n    line 19\n    ModuleNotFoundError: flask")
    assert "line 5\n" not in caught.value.what


class Examined:
    """What the backend finds."""

    found = '{"cautions": ["network_open"]}'

    def __init__(self, *_: object, **__: object) -> None: ...

    def line(self) -> str:
        return self.found

    def finish(self) -> None: ...


@pytest.mark.parametrize(("root", "status"), [(True, 0), (True, 1), (False, 0)])
def test_the_firewall_is_installed_or_asked_for(
    root: bool,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = tmp_path / "node" / "firewall"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/asked\necho no iptables >&2\nexit {status}\n')
    script.chmod(0o755)
    monkeypatch.setattr(docker, "Backend", Examined)
    monkeypatch.setattr("os.getuid", lambda: 0 if root else 1000)
    layout = Layout(tmp_path, tmp_path / "home")
    docker.guard(layout, {"NODE_FIREWALL": "off"})
    assert capsys.readouterr().out == ""
    docker.guard(layout, {})
    said = capsys.readouterr()
    assert (tmp_path / "asked").exists() is root
    assert f"sudo {script} install" in said.out + said.err
    assert ("no iptables" in said.out + said.err) is bool(status)
    monkeypatch.setattr(Examined, "found", '{"cautions": ["root_is_root"]}')
    docker.guard(layout, {})
    said = capsys.readouterr()
    assert "sudo" not in said.out + said.err
