"""What the docker engine makes of errors, strangers and shells; no daemon is needed."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import shutil
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient
from docker.errors import APIError
from requests import Response

from backend.engines import ports, unitlog
from backend.engines.base import EngineError, Limits, ReleaseSpec, Retry
from backend.engines.docker import buildnet, client, names, placing, states, template
from backend.engines.docker.client import Daemon
from backend.engines.docker.logs import Logs
from backend.engines.docker.settings import DockerEngineSettings
from backend.engines.docker.swap import Swap
from backend.engines.docker.swarm import Swarm
from backend.engines.layout import Layout, docker_instance_of, instance_of

MINE = "0123456789ab"


class Fake(Daemon):
    """A daemon whose answers are the given object's."""

    def __init__(self, answers: object) -> None:
        super().__init__("unix:///nowhere")
        self.answers = answers

    def connect(self) -> APIClient:
        return self.answers


class Mute:
    def close(self) -> None: ...


def container(service: str, deployment: str, *, task: str = "t1", name: str | None = None) -> dict[str, Any]:
    labels = names.labels(MINE, service=service, deployment=deployment)
    if task:
        labels[names.TASK] = task
    return {
        "Id": f"{service}-{deployment}-{task}",
        "Labels": labels,
        "Names": [name or f"/gavan-{MINE}-{deployment}.1.{task}"],
        "State": "exited",
        "Created": 1,
    }


class TestStrangersAmongContainers:
    @pytest.mark.parametrize(
        "stranger",
        [
            container("s", "d", task="", name="/quirky_bell"),
            container("s", "d", name="/quirky_bell"),
            container("s", "d", name=f"/gavan-{MINE}-e.1.t1"),
            container("../s", "d"),
            container("s", "d d"),
            {**container("s", "d"), "Labels": None},
            {**container("s", "d"), "Names": None},
        ],
    )
    def test_only_what_swarm_made_is_a_release(self, stranger: dict[str, Any]) -> None:
        assert names.release_of(MINE, container("s", "d")) == ("s", "d", "web", 1)
        assert names.release_of(MINE, stranger) is None

    async def test_they_keep_nobody_from_the_logs(self, tmp_path: Path) -> None:
        class Answers:
            def containers(self, **_: object) -> list[dict[str, Any]]:
                return [container("../bad", "d", task=""), container("broken", "d"), container("s", "d")]

            def logs(self, identity: str, **_: object) -> list[bytes]:
                if identity.startswith("broken"):
                    raise RuntimeError("of one service alone")
                return [b"2026-11-22T10:00:01.000000000Z hello\n"]

        logs = Logs(Layout(tmp_path), Fake(Answers()), MINE)
        await logs.collect_all()
        assert [line.text for line in unitlog.read(tmp_path / "logs" / "s", None, 10).lines] == ["hello"]


class TestInstance:
    def test_two_homes_of_one_path_differ(self, tmp_path: Path) -> None:
        """As of two panels, each in a container of its own."""
        home = tmp_path / "home"
        found = set()
        for _ in range(2):
            found |= {docker_instance_of(home), docker_instance_of(home), instance_of(home)}
            shutil.rmtree(home)
        assert len(found) == 4

    def test_of_several_processes_all_get_the_same(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(instance_of, [tmp_path / "home"] * 8))) == 1

    def test_running_units_stay_ours(self, tmp_path: Path) -> None:
        (tmp_path / "units").mkdir()
        (tmp_path / "units" / "d.conf").touch()
        before = docker_instance_of(tmp_path)
        legacy = instance_of(tmp_path)
        assert legacy == hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12] != before
        (tmp_path / "units" / "d.conf").unlink()
        assert instance_of(tmp_path) == legacy

    def test_a_broken_name_is_not_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "instance").write_text("")
        with pytest.raises(ValueError, match="does not hold"):
            instance_of(tmp_path)


def refused(status: int, words: str) -> APIError:
    response = Response()
    response.status_code = status
    return APIError(words, response, words)


class TestErrors:
    async def test_what_is_missing_is_tried_again(self) -> None:
        """Never taken for a release whose files are gone: it may be a network."""

        def ask(_: APIClient) -> None:
            raise refused(404, "network x not found")

        with pytest.raises(client.NotFound) as caught:
            await Fake(Mute()).call(ask)
        assert (caught.value.code, caught.value.retry) == ("engine_unavailable", Retry.BACKOFF)

    async def test_errors_of_our_own_files_are_not_the_daemons(self) -> None:
        daemon = Fake(Mute())
        for number in (errno.ENOSPC, errno.ENOENT, errno.EACCES):

            def write(_: APIClient, number: int = number) -> None:
                raise OSError(number, "a file")

            with pytest.raises(OSError, match="a file"):
                await daemon.call(write)

    @pytest.mark.parametrize("error", [ConnectionResetError(), BrokenPipeError(), TimeoutError()])
    async def test_a_broken_connection_is(self, error: OSError) -> None:
        def ask(_: APIClient) -> None:
            raise error

        for call in (Fake(Mute()).call, Fake(Mute()).call_long):
            with pytest.raises(EngineError) as caught:
                await call(ask)
            assert caught.value.parameters["detail"] == client.AWAY

    async def test_long_calls_keep_nobody_waiting(self) -> None:
        daemon, done = Fake(Mute()), threading.Event()
        many = [asyncio.ensure_future(daemon.call_long(lambda _: done.wait(30))) for _ in range(40)]
        try:
            assert await asyncio.wait_for(daemon.call(lambda _: "answer"), 5) == "answer"
        finally:
            done.set()
        assert all(await asyncio.gather(*many))


class Answers:
    """As much of a swarm as the methods below ask about."""

    def __init__(self) -> None:
        self.node = "n1"

    def info(self) -> dict[str, Any]:
        swarm = {"LocalNodeState": "active", "ControlAvailable": True, "NodeAddr": "127.0.0.1"}
        return {"ID": "same on one machine", "Swarm": {**swarm, "NodeID": self.node}}

    def networks(self, **_: object) -> list[dict[str, Any]]:
        return []


class TestTheDaemonThatHasTheBuilds:
    async def test_another_one_does_not_say_what_is_gone(self, tmp_path: Path) -> None:
        answers, layout = Answers(), Layout(tmp_path)
        swarm = Swarm(DockerEngineSettings(tmp_path), layout, Fake(answers))
        with pytest.raises(EngineError, match="not the one"):
            await swarm.check_settled()
        await swarm.settle()
        await swarm.check_settled()
        answers.node = "n2"
        with pytest.raises(EngineError) as caught:
            await swarm.check_settled()
        assert (caught.value.code, caught.value.retry) == ("engine_unavailable", Retry.BACKOFF)
        await swarm.settle()
        await swarm.check_settled()
        assert json.loads((tmp_path / "docker.json").read_text())["NodeID"] == "n2"

    async def test_changes_that_wait_for_a_lock_take_one_thread(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Daemon, "connect", lambda _: Answers())
        layout = Layout(tmp_path)
        swarm = Swarm(DockerEngineSettings(tmp_path), layout, Daemon("unix:///nowhere"))

        def change(_: APIClient) -> bool:
            with layout.locked("releases"):
                return True

        with layout.locked("releases"):
            many = [asyncio.ensure_future(swarm.change(change)) for _ in range(40)]
            await asyncio.sleep(0.1)
            assert await asyncio.wait_for(swarm.call(lambda _: "answer"), 5) == "answer"
        assert all(await asyncio.gather(*many))


class TestNetworksOfBuilds:
    def test_only_our_own_of_long_ago_are_removed(self) -> None:
        removed = []
        ours, another = names.labels(MINE, build="d"), names.labels(MINE, project="p")

        class Answers:
            def networks(self, *, filters: dict[str, list[str]]) -> list[dict[str, Any]]:
                assert filters["driver"] == ["bridge"]
                assert filters["label"] == names.mine(MINE)["label"]
                young = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}789Z"
                return [
                    {"Id": "old", "Labels": ours, "Created": "2026-11-01T10:00:00.5+02:00"},
                    {"Id": "in use", "Labels": ours, "Created": "2026-11-01T10:00:00Z"},
                    {"Id": "young", "Labels": ours, "Created": young},
                    {"Id": "of a project", "Labels": another, "Created": "2026-11-01T10:00:00Z"},
                ]

            def remove_network(self, identity: str) -> None:
                if identity == "in use":
                    raise refused(403, "has active endpoints")
                removed.append(identity)

        buildnet.prune(Answers(), MINE, 600)
        assert removed == ["old"]


class TestSwap:
    def test_each_container_is_told_once(self) -> None:
        told: list[tuple[str, int, int]] = []

        class Answers:
            def update_container(self, identity: str, *, mem_limit: int, memswap_limit: int) -> None:
                told.append((identity, mem_limit, memswap_limit))
                if len(told) == 1:
                    raise refused(500, "device or resource busy")

        swap = Swap()
        for _ in range(3):
            swap.bound(Answers(), "c" * 64, 2**26)
        assert told == [("c" * 64, 2**26, 2**26)] * 2


class TestPorts:
    def service(self, name: str, port: int) -> dict[str, Any]:
        return {
            "ID": name,
            "Version": {"Index": 1},
            "Spec": {
                "Name": name,
                "Labels": {},
                "TaskTemplate": {},
                "Mode": {"Replicated": {"Replicas": 1}},
                "EndpointSpec": {"Ports": [{"PublishedPort": port}]},
            },
        }

    def test_a_port_that_two_installations_chose_at_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mine, other = self.service("mine", 20000), self.service("other", 20000)

        class Answers:
            def services(self) -> list[dict[str, Any]]:
                return [mine, other]

            def inspect_service(self, name: str) -> dict[str, Any]:
                return {"mine": mine, "other": other}[name]

            def update_service(self, service: str, version: int, **wanted: Any) -> None:
                if mine["Version"]["Index"] == 1:
                    mine["Version"]["Index"] = 2
                    raise refused(500, "update out of sequence")
                assert (service, version) == ("mine", 2)
                mine["Spec"]["EndpointSpec"] = wanted["endpoint_spec"]

        monkeypatch.setattr(ports, "is_free", lambda port: True)
        placing.part_ports(Answers(), (20000, 20001), "mine")
        assert (states.port_of(mine), states.port_of(other)) == (20001, 20000)


SHELLS = [shell for shell in ("bash", "dash", "busybox", "mksh", "zsh") if shutil.which(shell)]
KEPT_BY_BASH = ("UID", "EUID", "PPID", "SHELLOPTS", "BASHOPTS", "BASH_VERSINFO")


@pytest.mark.parametrize("shell", SHELLS)
class TestVariablesInShells:
    @pytest.fixture
    def environment(self, shell: str, tmp_path: Path) -> Callable[..., dict[str, str]]:
        def run(**env: str) -> dict[str, str]:
            spec = ReleaseSpec(
                deployment_id="d",
                service_id="s",
                project_id="p",
                build_id="d",
                command="",
                limits=Limits(1, 1, 1, 1),
                env=env,
            )
            script = tmp_path / "environment"
            script.write_bytes(template.script_of_environment(spec))
            # As /bin/sh, whatever it is.
            (tmp_path / "sh").symlink_to(str(shutil.which(shell)))
            done = subprocess.run(
                [str(tmp_path / "sh"), "-c", f". {script}\nexec /usr/bin/env -0"],
                env={},
                capture_output=True,
                check=True,
            )
            return dict(line.split("=", 1) for line in done.stdout.decode().split("\0") if line)

        return run

    def test_names_that_the_shell_keeps_do_not_end_it(
        self, environment: Callable[..., dict[str, str]]
    ) -> None:
        found = environment(**dict.fromkeys(KEPT_BY_BASH, "a b"), OPTIND="x y", LAST="1")
        assert found["LAST"] == "1"

    def test_values_arrive_as_they_are(self, environment: Callable[..., dict[str, str]]) -> None:
        values = {
            "A": 'it\'s $HOME `id` \\ "q"\n',
            "EMPTY": "",
            "RANDOM": "a b",
            "IFS": "x",
            "SECONDS": "y z",
        }
        assert values.items() <= environment(**values).items()
