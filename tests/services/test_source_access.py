"""What a service's source is read with: given with the order or later, never shown, and for one host only."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import paramiko
import pytest
from sqlalchemy import select, text

from backend.audit.models import AuditEvent
from backend.config import Settings
from backend.database import Database, now
from backend.engines.base import Access
from backend.engines.knownhosts import fingerprint
from backend.services.models import Service
from backend.sources import credentials
from tests.services.conftest import Ask, refused
from tests.support.gitserver import GitServer
from tests.support.people import Person, UserFactory
from tests.support.sshgitserver import SshGitServer

TOKEN = "tok_8c1e5a0b7d"
WEB = "https://git.example.com/me/private.git"
SSH = "git@git.example.com:me/private.git"
Call = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def call(client: httpx.AsyncClient, ada: Person) -> Call:
    async def ask(method: str, path: str, body: Any = None, who: Person | None = None) -> httpx.Response:
        answer = await client.request(method, f"/api/v1{path}", json=body, headers=(who or ada).headers)
        assert TOKEN not in answer.text
        assert "PRIVATE KEY" not in answer.text
        return answer

    return ask


@pytest.fixture
def ordered(order: Ask, call: Call) -> Callable[..., Awaitable[str]]:
    """The path of a service that was ordered with such a source."""

    async def place(**source: Any) -> str:
        answer = await order(source=source)
        assert answer.status_code == 202, answer.text
        assert TOKEN not in answer.text
        return f"/services/{answer.json()['service']['id']}"

    return place


async def key_of(call: Call) -> dict[str, Any]:
    answer = await call("POST", "/deploy-keys")
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.json()
    return key


async def access(database: Database, path: str) -> Access | None:
    """What the next fetch would show."""
    async with database.transaction() as session:
        service = await session.get(Service, UUID(path.rpartition("/")[2]))
        assert service is not None
        return await credentials.access_to(session, service, service.repo_url)


class TestToken:
    async def test_with_the_order(self, ordered: Any, call: Call, database: Database) -> None:
        path = await ordered(repo_url=WEB, token=f" {TOKEN}\n".strip(), username="deploy", root="/apps/web/")
        source = (await call("GET", f"{path}/source")).json()
        assert (source["token"]["host"], source["token"]["username"]) == ("git.example.com", "deploy")
        assert (source["root"], source["deploy_key"], source["host_key"]) == ("apps/web", None, None)
        assert (await call("GET", path)).json()["source"]["root"] == "apps/web"
        held = await access(database, path)
        assert held == Access("https://git.example.com:443", username="deploy", token=TOKEN)
        assert TOKEN not in repr(held)

    async def test_later_replaced_and_removed(self, ordered: Any, call: Call, database: Database) -> None:
        path = await ordered(repo_url=WEB)
        assert await access(database, path) is None
        for token in ("first", TOKEN):
            answer = await call("PUT", f"{path}/source/token", {"token": token})
            assert answer.json()["token"]["host"] == "git.example.com"
            held = await access(database, path)
            assert held is not None
            assert held.token == token
        assert (await call("DELETE", f"{path}/source/token")).status_code == 204
        assert await access(database, path) is None
        assert (await call("DELETE", f"{path}/source/token")).status_code == 204

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example.com/me/private.git",
            "https://git.example.com:8443/a",
            "git@git.example.com:a",
        ],
    )
    async def test_does_not_follow_to_another_host(
        self, ordered: Any, call: Call, database: Database, url: str
    ) -> None:
        path = await ordered(repo_url=WEB, token=TOKEN)
        await call("PATCH", path, {"source": {"repo_url": "https://git.example.com/me/other.git"}})
        assert await access(database, path) is not None
        await call("PATCH", path, {"source": {"repo_url": url}})
        assert (await call("GET", f"{path}/source")).json()["token"] is None
        await call("PATCH", path, {"source": {"repo_url": WEB}})
        assert await access(database, path) is None

    async def test_where_none_can_be(self, order: Ask, ordered: Any, call: Call) -> None:
        key = await key_of(call)
        path = await ordered(repo_url=SSH, deploy_key_id=key["id"])
        answer = await call("PUT", f"{path}/source/token", {"token": TOKEN})
        assert (answer.status_code, answer.json()["code"]) == (409, "source_is_ssh")
        plain = "http://git.example.com/a.git"
        answer = await order(source={"repo_url": plain, "token": TOKEN})
        refused(answer, "source_forbidden", "body", "source", "token")
        assert answer.json()["errors"][0]["code"] == "token_unprotected"
        answer = await call("PUT", f"{await ordered(repo_url=plain)}/source/token", {"token": TOKEN})
        refused(answer, "source_forbidden", "body", "token")

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"token": ""},
            {"token": "  "},
            {"token": None},
            {"token": "a\nb"},
            {"token": "a\x00"},
            {"token": "x" * 4001},
            {"token": "a", "username": "a:b"},
            {"token": "a", "username": "a\r\nX: y"},
            {"token": "a", "username": "x" * 201},
            {"token": "a", "more": 1},
        ],
    )
    async def test_malformed(self, ordered: Any, call: Call, body: dict[str, Any]) -> None:
        path = await ordered(repo_url=WEB)
        refused(await call("PUT", f"{path}/source/token", body), "invalid")


class TestDeployKey:
    async def test_is_made_before_the_order(self, ordered: Any, call: Call, database: Database) -> None:
        key = await key_of(call)
        assert key["public_key"].startswith("ssh-ed25519 ")
        path = await ordered(repo_url=SSH, deploy_key_id=key["id"])
        source = (await call("GET", f"{path}/source")).json()
        assert source["deploy_key"] == key
        assert source["host_key"] == {"host": "git.example.com", "fingerprint": None, "published": False}
        held = await access(database, path)
        assert held is not None
        assert held.private_key.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
        pair = paramiko.Ed25519Key(file_obj=io.StringIO(held.private_key))
        assert (fingerprint(pair.asbytes()), pair.get_base64()) == (
            key["fingerprint"],
            key["public_key"].split()[1],
        )

    async def test_is_taken_once(
        self, order: Ask, ordered: Any, call: Call, user_factory: UserFactory
    ) -> None:
        key = await key_of(call)
        await ordered(repo_url=SSH, deploy_key_id=key["id"])
        where = ("body", "source", "deploy_key_id")
        refused(
            await order(source={"repo_url": SSH, "deploy_key_id": key["id"]}), "deploy_key_unknown", *where
        )
        theirs = (await call("POST", "/deploy-keys", who=await user_factory())).json()
        refused(
            await order(source={"repo_url": SSH, "deploy_key_id": theirs["id"]}), "deploy_key_unknown", *where
        )
        refused(await order(source={"repo_url": SSH}), "deploy_key_missing", *where)
        mine = (await key_of(call))["id"]
        refused(await order(source={"repo_url": WEB, "deploy_key_id": mine}), "deploy_key_unfit", *where)
        both = {"repo_url": SSH, "deploy_key_id": mine, "token": TOKEN}
        refused(await order(source=both), "invalid")
        refused(
            await order(source={"repo_url": SSH, "token": TOKEN}), "token_unfit", "body", "source", "token"
        )

    async def test_is_made_when_the_address_becomes_one_of_ssh(self, ordered: Any, call: Call) -> None:
        path = await ordered(repo_url=WEB)
        await call("PATCH", path, {"source": {"repo_url": SSH}})
        first = (await call("GET", f"{path}/source")).json()["deploy_key"]
        assert first["public_key"].rpartition(" ")[2].startswith("gavan-t-")
        answer = await call("DELETE", f"{path}/source/deploy-key")
        assert (answer.status_code, answer.json()["code"]) == (409, "source_is_ssh")
        second = (await call("POST", f"{path}/source/deploy-key")).json()
        assert second["fingerprint"] != first["fingerprint"]

    async def test_does_not_follow_to_another_host(
        self, ordered: Any, call: Call, database: Database
    ) -> None:
        """A server that was left recognises nobody by the key elsewhere, nor does a later one."""
        path = await ordered(repo_url=SSH, deploy_key_id=(await key_of(call))["id"])

        async def moved(url: str) -> Any:
            await call("PATCH", path, {"source": {"repo_url": url}})
            return (await call("GET", f"{path}/source")).json()["deploy_key"]

        first = await moved("git@git.example.com:me/other.git")
        second = await moved("git@other.example.com:a.git")
        third = await moved("ssh://git@other.example.com:2222/a.git")
        assert len({key["fingerprint"] for key in (first, second, third)}) == 3
        assert await moved(WEB) is None
        made = (await call("POST", f"{path}/source/deploy-key")).json()
        assert await moved("https://other.example.com/a.git") == made
        assert await moved(SSH) == made

    async def test_waits_a_day_for_its_order(self, order: Ask, call: Call, database: Database) -> None:
        old, new = await key_of(call), await key_of(call)
        async with database.transaction() as session:
            await session.execute(
                text("UPDATE deploy_keys SET created_at = :at WHERE id = :id"),
                {"at": now() - credentials.WAITING, "id": old["id"]},
            )
        async with database.transaction() as session:
            assert await credentials.prune(session) == 1
        refused(await order(source={"repo_url": SSH, "deploy_key_id": old["id"]}), "deploy_key_unknown")
        assert (await order(source={"repo_url": SSH, "deploy_key_id": new["id"]})).status_code == 202

    async def test_not_too_many_wait(self, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(credentials, "MOST_WAITING", 2)
        await key_of(call)
        await key_of(call)
        answer = await call("POST", "/deploy-keys")
        assert (answer.status_code, answer.json()["code"]) == (409, "deploy_keys_full")


class TestHostKey:
    async def test_is_pinned_and_forgotten(self, ordered: Any, call: Call, database: Database) -> None:
        path = await ordered(repo_url=SSH, deploy_key_id=(await key_of(call))["id"])
        for shown in ("ssh-ed25519 SHA256:first", "ssh-ed25519 SHA256:second"):
            async with database.transaction() as session:
                service = await session.get(Service, UUID(path.rpartition("/")[2]))
                assert service is not None
                await credentials.pin_host_key(
                    session, service, "git@elsewhere.example.com:a", "ssh-ed25519 x"
                )
                await credentials.pin_host_key(session, service, SSH, shown)
        held = await access(database, path)
        assert held is not None
        assert held.host_key == "ssh-ed25519 SHA256:first"
        assert (await call("GET", f"{path}/source")).json()["host_key"]["fingerprint"] == "SHA256:first"
        assert (await call("DELETE", f"{path}/source/host-key")).status_code == 204
        assert (await call("GET", f"{path}/source")).json()["host_key"]["fingerprint"] is None

    async def test_of_a_great_forge(self, ordered: Any, call: Call) -> None:
        key = (await key_of(call))["id"]
        path = await ordered(repo_url="git@github.com:me/app.git", deploy_key_id=key)
        shown = (await call("GET", f"{path}/source")).json()["host_key"]
        assert shown == {"host": "github.com", "fingerprint": None, "published": True}


class TestRoot:
    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("apps/web", "apps/web"),
            ("/apps//web/", "apps/web"),
            ("./a", "a"),
            (".", ""),
            ("", ""),
            ("ünï", "ünï"),
        ],
    )
    async def test_is_kept_in_one_form(self, ordered: Any, call: Call, given: str, kept: str) -> None:
        path = await ordered(repo_url=WEB, root=given)
        assert (await call("GET", path)).json()["source"]["root"] == kept
        deployment = (await call("GET", f"{path}/deployments")).json()["items"][0]
        assert deployment["source"]["root"] == kept

    @pytest.mark.parametrize("root", ["..", "a/../../b", "a\\b", "a\nb", "x" * 501])
    async def test_does_not_lead_out(self, order: Ask, root: str) -> None:
        refused(await order(source={"repo_url": WEB, "root": root}), "invalid", "body", "source", "root")


class TestCheck:
    @pytest.fixture
    def settings(self, settings_of: Any, git: GitServer, ssh: SshGitServer) -> Settings:
        settings: Settings = settings_of(git_allowed_private=f"{git.address},{ssh.address}")
        return settings

    @pytest.fixture
    def git(self) -> Any:
        with GitServer() as server:
            yield server

    @pytest.fixture
    def ssh(self, git: GitServer) -> Any:
        with SshGitServer(git) as server:
            yield server

    async def test_before_the_order(self, call: Call, git: GitServer) -> None:
        commit = git.commit("private", {"a": "1"})
        git.tag("private", "v1", commit, message="One")
        git.protect("private", token=TOKEN)
        url = git.url("private")

        async def check(**source: Any) -> Any:
            answer = await call("POST", "/source-checks", {"repo_url": url, **source})
            assert answer.status_code == 200, answer.text
            return answer.json()

        closed = await check()
        assert (closed["readable"], closed["reason_code"]) == (False, "source_auth_required")
        wrong = await check(token="wrong")
        assert (wrong["reason_code"], wrong["reason_parameters"]["detail"]) == (
            "source_auth_failed",
            "token_refused",
        )
        found = await check(token=TOKEN)
        assert (found["readable"], found["kind"], found["commit"]) == (True, "default", commit)
        for ref, kind in (("main", "branch"), ("v1", "tag"), (commit[:8], "commit"), (commit, "commit")):
            found = await check(token=TOKEN, ref=ref)
            assert (found["kind"], found["commit"]) == (kind, commit)
        assert (await check(token=TOKEN, ref="abcdef1"))["commit"] is None
        assert (await check(token=TOKEN, ref="none"))["reason_code"] == "source_branch_missing"

    async def test_by_key(
        self, call: Call, git: GitServer, ssh: SshGitServer, ordered: Any, database: Database
    ) -> None:
        git.commit("private", {"a": "1"})
        key = await key_of(call)
        body = {"repo_url": ssh.url("private"), "deploy_key_id": key["id"]}
        first = (await call("POST", "/source-checks", body)).json()
        assert (first["reason_code"], first["reason_parameters"]["detail"]) == (
            "source_auth_failed",
            "key_refused",
        )
        ssh.allow("private", key["public_key"])
        second = (await call("POST", "/source-checks", body)).json()
        assert (second["readable"], second["host_key"]) == (True, ssh.fingerprint)
        path = await ordered(**body)
        third = (await call("POST", f"{path}/source/check")).json()
        assert third["readable"]
        async with database.transaction() as session:
            await session.execute(text("UPDATE services SET ssh_host_key = 'ssh-ed25519 SHA256:another'"))
        fourth = (await call("POST", f"{path}/source/check")).json()
        assert fourth["reason_code"] == "source_host_key_changed"

    async def test_only_where_one_may_fetch(self, call: Call, user_factory: UserFactory) -> None:
        answer = await call("POST", "/source-checks", {"repo_url": "http://127.0.0.1:1/a.git"})
        refused(answer, "source_forbidden", "body", "repo_url")
        theirs = (await call("POST", "/deploy-keys", who=await user_factory())).json()["id"]
        answer = await call("POST", "/source-checks", {"repo_url": SSH, "deploy_key_id": theirs})
        refused(answer, "deploy_key_unknown", "body", "deploy_key_id")


async def test_what_was_done_is_on_record_without_secrets(
    ordered: Any, call: Call, database: Database
) -> None:
    path = await ordered(repo_url=WEB, token=TOKEN)
    await call("PUT", f"{path}/source/token", {"token": TOKEN, "username": "me"})
    await call("PATCH", path, {"source": {"repo_url": SSH, "root": "app"}})
    await call("POST", f"{path}/source/deploy-key")
    async with database.transaction() as session:
        rows = (await session.execute(select(AuditEvent).order_by(AuditEvent.id))).scalars().all()
    done = [row.action for row in rows if row.action.startswith("service.")]
    assert done == [
        "service.ordered",
        "service.source_token_set",
        "service.source_token_removed",
        "service.deploy_key_made",
        "service.updated",
        "service.deploy_key_made",
    ]
    written = "".join(str(row.before) + str(row.after) for row in rows)
    assert TOKEN not in written
    assert "PRIVATE" not in written
    assert "https://git.example.com:443" in written


async def test_a_deleted_services_secrets_are_gone(ordered: Any, call: Call, database: Database) -> None:
    path = await ordered(repo_url=WEB, token=TOKEN)
    await call("POST", f"{path}/source/deploy-key")
    async with database.transaction() as session:
        await credentials.forget(session, UUID(path.rpartition("/")[2]))
    assert await access(database, path) is None
    async with database.transaction() as session:
        for table in ("source_tokens", "deploy_keys"):
            assert (await session.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() == 0
