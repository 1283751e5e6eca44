"""Private repositories: tokens over https, deploy keys over ssh, and to whom neither is shown."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.engines import fetch as child
from backend.engines.addresses import Allowed, parse_remote
from backend.engines.base import Access, Engine, EngineError, Fetched, FetchSpec
from backend.engines.gitguard import Guard, authorization
from backend.engines.knownhosts import PUBLISHED, fingerprint, vouch
from tests.engines.conftest import Panel
from tests.support.gitserver import GitServer
from tests.support.sshgitserver import KeyPair, SshGitServer

TOKEN = "tok_5b1d0e7c9f3a"


def with_token(url: str, token: str = TOKEN, username: str = "") -> Access:
    return Access(parse_remote(url).origin, username=username, token=token)


@pytest.fixture
def ssh(panel: Panel) -> Iterator[SshGitServer]:
    with SshGitServer(panel.git) as server:
        yield server


@pytest.fixture
def engine(panel: Panel, ssh: SshGitServer) -> Engine:
    return panel.with_settings(allowed_private=(panel.git.address, ssh.address))


@pytest.fixture
def deploy_key(panel: Panel, ssh: SshGitServer) -> Access:
    """For the repository `private`, which has one commit."""
    panel.git.commit("private", {"a.txt": "of mine"}, message="Mine alone")
    key = KeyPair()
    ssh.allow("private", key.public)
    return Access(parse_remote(ssh.url("private")).origin, private_key=key.private)


async def fetched(
    panel: Panel, engine: Engine, url: str, access: Access | None, **more: str
) -> tuple[FetchSpec, Fetched]:
    spec = replace(panel.fetch_spec(url), access=access, **more)
    return spec, await engine.fetch(spec, panel.report)


async def refused(panel: Panel, engine: Engine, url: str, access: Access | None, **more: str) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await fetched(panel, engine, url, access, **more)
    return caught.value


def source(panel: Panel, spec: FetchSpec) -> Path:
    return panel.apps.home / "deployments" / spec.deployment_id / "source"


class TestToken:
    async def test_opens_a_private_repository(self, panel: Panel) -> None:
        commit = panel.git.commit("private", {"a.txt": "of mine"})
        panel.git.protect("private", token=TOKEN)
        url = panel.git.url("private")
        spec, got = await fetched(panel, panel.engine, url, with_token(url))
        assert (got.commit, got.host_key) == (commit, None)
        assert (source(panel, spec) / "a.txt").read_text() == "of mine"
        assert not any(TOKEN in line for line in panel.lines)

    async def test_missing_wrong_and_for_another_user(self, panel: Panel) -> None:
        panel.git.commit("private", {"a": "1"})
        panel.git.protect("private", token=TOKEN, username="deploy+1")
        url = panel.git.url("private")
        assert (await refused(panel, panel.engine, url, None)).code == "source_auth_required"
        for access in (with_token(url), with_token(url, "wrong", "deploy+1")):
            error = await refused(panel, panel.engine, url, access)
            assert (error.code, error.parameters["detail"]) == ("source_auth_failed", "token_refused")
            assert access.token not in repr(error) + error.message + str(error.parameters)
        await fetched(panel, panel.engine, url, with_token(url, username="deploy+1"))

    @pytest.mark.parametrize("token", ["ключ:с двоеточием", "a" * 4000, "=+/%@:#"])
    async def test_of_any_signs(self, panel: Panel, token: str) -> None:
        panel.git.commit("private", {"a": "1"})
        panel.git.protect("private", token=token)
        await fetched(
            panel, panel.engine, panel.git.url("private"), with_token(panel.git.url("private"), token)
        )

    async def test_follows_a_redirect_of_its_own_host(self, panel: Panel) -> None:
        panel.git.commit("private", {"a": "1"})
        panel.git.protect("private", token=TOKEN)
        panel.git.behave("renamed", panel.git.url("private"))
        url = panel.git.url("renamed")
        await fetched(panel, panel.engine, url, with_token(url))

    async def test_is_not_shown_to_another_host(self, panel: Panel) -> None:
        with GitServer() as thief:
            panel.git.credentials.clear()
            thief.commit("private", {"a": "1"})
            panel.git.behave("stolen", thief.url("private"))
            engine = panel.with_settings(allowed_private=(panel.git.address, thief.address))
            url = panel.git.url("stolen")
            await fetched(panel, engine, url, with_token(url))
            assert panel.git.credentials
            assert thief.requests
            assert thief.credentials == []
            thief.protect("private", token=TOKEN)
            error = await refused(panel, engine, url, with_token(url))
            assert error.code == "source_auth_required"
            assert thief.credentials == []

    async def test_of_another_host_stays_at_home(self, panel: Panel) -> None:
        """Whoever may change a service's address does not learn the token that it had."""
        panel.git.commit("other", {"a": "1"})
        panel.git.credentials.clear()
        elsewhere = with_token("https://git.example.org/private")
        await fetched(panel, panel.engine, panel.git.url("other"), elsewhere)
        assert panel.git.credentials == []

    def test_is_not_sent_without_encryption(self, tmp_path: Path) -> None:
        request = {
            "url": "http://git.example.org/private",
            "folder": str(tmp_path),
            "allowed_private": [],
            "max_bytes": 1 << 20,
            "access": {"origin": "http://git.example.org:80", "token": TOKEN},
        }
        answer = child.answer(request, lambda _: None, lambda *_: pytest.fail("the name was looked up"))
        assert answer["error"]["parameters"] == {"detail": "token_unprotected"}

    @pytest.mark.parametrize(
        ("host", "username"),
        [("github.com", "x-access-token"), ("bitbucket.org", "x-token-auth"), ("gitlab.com", "oauth2")],
    )
    def test_has_the_username_that_the_forge_asks_for(self, host: str, username: str) -> None:
        remote = parse_remote(f"https://{host}/me/app.git")
        access = Access(remote.origin, token=TOKEN)
        header = authorization(access, remote)
        assert header is not None
        assert base64.b64decode(header.removeprefix("Basic ")).decode() == f"{username}:{TOKEN}"
        assert authorization(access, parse_remote(f"https://{host}:8443/me/app.git")) is None
        assert authorization(access, parse_remote(f"http://{host}/me/app.git")) is None

    @pytest.mark.parametrize(
        ("source", "mine", "others"),
        [
            (
                "https://h.example/team/app.git",
                ["https://h.example/team/app.git", "https://h.example/team/lib", "https://h.example/team/a/"],
                [
                    "https://h.example/secret/lib.git",
                    "https://h.example/team/sub/lib.git",
                    "https://h.example/teams/lib.git",
                    "https://h.example/Team/lib.git",
                    "https://h.example/lib.git",
                    "https://h.example/team/../secret/lib.git",
                    "https://h.example/team/..",
                    "https://h.example/team/%2e%2e",
                    "https://h.example/team/..%2fsecret%2flib.git",
                    "https://h.example/team/..%252fsecret%252flib.git",
                    "https://h.example/team/..%5csecret",
                    "https://h.example/",
                ],
            ),
            ("https://h.example/a/b%20c/app", ["https://h.example/a/b%20c/lib"], ["https://h.example/a/lib"]),
            ("https://h.example/app.git", ["https://h.example/lib.git"], ["https://h.example/team/lib.git"]),
            ("https://h.example/team/..", ["https://h.example/team/.."], ["https://h.example/team/lib"]),
            (
                "git@h.example:team/app.git",
                ["git@h.example:team/lib.git", "ssh://git@h.example/team/lib.git"],
                ["git@h.example:secret/lib.git", "root@h.example:team/lib.git"],
            ),
        ],
    )
    def test_is_for_repositories_of_the_same_owner(
        self, source: str, mine: list[str], others: list[str]
    ) -> None:
        home = parse_remote(source)
        access = Access(home.origin, token=TOKEN, private_key="key")
        guard = Guard(source=home, allowed=Allowed(), max_bytes=1, access=access)
        assert [url for url in mine if guard.access_to(parse_remote(url)) != access] == []
        assert [url for url in others if guard.access_to(parse_remote(url)) is not None] == []
        assert [url for url in others if not guard.withheld_from(parse_remote(url))] == []
        assert guard.withheld_from(parse_remote("https://other.example/team/lib.git")) is None


class TestDeployKey:
    async def test_opens_a_private_repository(
        self, panel: Panel, ssh: SshGitServer, engine: Engine, deploy_key: Access
    ) -> None:
        spec, got = await fetched(panel, engine, ssh.url("private"), deploy_key)
        assert got.subject == "Mine alone"
        assert (source(panel, spec) / "a.txt").read_text() == "of mine"
        assert ssh.commands == ["git-upload-pack '/private.git'"]
        assert not any("PRIVATE KEY" in line for line in panel.lines)

    async def test_trusts_the_host_once(
        self, panel: Panel, ssh: SshGitServer, engine: Engine, deploy_key: Access
    ) -> None:
        url = ssh.url("private")
        _, got = await fetched(panel, engine, url, deploy_key)
        assert got.host_key == f"ssh-ed25519 {ssh.fingerprint}"
        assert any(ssh.fingerprint in line for line in panel.lines)
        known = replace(deploy_key, host_key=got.host_key)
        _, again = await fetched(panel, engine, url, known)
        assert again.host_key is None
        before, visits = ssh.fingerprint, len(ssh.users)
        ssh.renew_host_key()
        error = await refused(panel, engine, url, known)
        assert error.code == "source_host_key_changed"
        assert error.parameters == {"host": "127.0.0.1", "fingerprint": ssh.fingerprint, "before": before}
        assert len(ssh.users) == visits

    async def test_that_the_server_does_not_know(
        self, panel: Panel, ssh: SshGitServer, engine: Engine, deploy_key: Access
    ) -> None:
        url, stranger = ssh.url("private"), KeyPair()
        error = await refused(panel, engine, url, None)
        assert (error.code, error.parameters["detail"]) == ("source_auth_required", "key_missing")
        access = replace(deploy_key, private_key=stranger.private)
        error = await refused(panel, engine, url, access)
        assert (error.code, error.parameters["detail"]) == ("source_auth_failed", "key_refused")
        assert error.parameters["fingerprint"] == stranger.fingerprint
        panel.git.commit("other", {"a": "1"})
        error = await refused(panel, engine, ssh.url("other"), deploy_key)
        assert (error.code, error.parameters["said"]) == ("source_not_found", "Repository not found.")

    async def test_branches_tags_and_commits(
        self, panel: Panel, ssh: SshGitServer, engine: Engine, deploy_key: Access
    ) -> None:
        old = panel.git.commit("private", {"a.txt": "old"}, branch="next")
        panel.git.commit("private", {"a.txt": "new"}, branch="next")
        panel.git.tag("private", "v1", old, message="One")
        for ref, content in (("next", "new"), ("v1", "old"), (old, "old"), (old[:9], "old")):
            spec, _ = await fetched(panel, engine, ssh.url("private"), deploy_key, ref=ref)
            assert (source(panel, spec) / "a.txt").read_text() == content
        error = await refused(panel, engine, ssh.url("private"), deploy_key, ref="none")
        assert error.code == "source_branch_missing"

    async def test_internal_servers_are_not_reached(
        self, panel: Panel, ssh: SshGitServer, deploy_key: Access, tmp_path: Path
    ) -> None:
        assert (await refused(panel, panel.engine, ssh.url("private"), deploy_key)).code == "source_forbidden"
        url = f"ssh://git@rebinding.example.org:{ssh.port}/private.git"
        request = {
            "url": url,
            "folder": str(tmp_path),
            "allowed_private": [],
            "max_bytes": 1 << 20,
            "access": {
                "origin": f"ssh://rebinding.example.org:{ssh.port}",
                "private_key": deploy_key.private_key,
            },
        }
        answer = child.answer(request, lambda _: None, lambda *_: ["93.184.216.34", "127.0.0.1"])
        assert answer["error"]["code"] == "source_forbidden"
        assert ssh.users == []

    async def test_what_is_no_ssh_server(self, panel: Panel, deploy_key: Access) -> None:
        panel.git.commit("web", {"a": "1"})
        url = f"ssh://git@{panel.git.address}/web.git"
        access = replace(deploy_key, origin=parse_remote(url).origin)
        error = await refused(panel, panel.engine, url, access)
        assert (error.code, error.parameters["detail"]) == ("source_unreachable", "not_ssh")

    async def test_one_that_ends_in_the_middle(self, panel: Panel, deploy_key: Access) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def hang_up() -> None:
                wire, _ = listener.accept()
                wire.sendall(b"SSH-2.0-Harbour\r\n")
                wire.close()

            threading.Thread(target=hang_up, daemon=True).start()
            address = f"127.0.0.1:{listener.getsockname()[1]}"
            access = replace(deploy_key, origin=f"ssh://{address}")
            engine = panel.with_settings(allowed_private=(address,))
            error = await refused(panel, engine, f"ssh://git@{address}/a.git", access)
            assert error.code == "source_unreachable"


class TestForges:
    @pytest.mark.parametrize("host", sorted(PUBLISHED))
    def test_are_known_before_the_first_visit(self, host: str) -> None:
        for known in PUBLISHED[host]:
            assert vouch(host, "ssh-ed25519", known, "") is None
        with pytest.raises(EngineError) as caught:
            vouch(host, "ssh-ed25519", "SHA256:of-somebody-else", "")
        assert caught.value.parameters["detail"] == "host_key_unpublished"

    def test_are_told_by_their_real_keys(self) -> None:
        blob = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
        assert fingerprint(base64.b64decode(blob)) in PUBLISHED["github.com"]
