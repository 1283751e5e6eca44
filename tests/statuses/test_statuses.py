"""What forges are told of deployments: their words, their order, and what happens when they do not listen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text, update

from backend.config import Settings
from backend.database import Database, now
from backend.services.dao import DeploymentDAO
from backend.services.models import DeploymentState
from backend.statuses import outbox, speaking
from backend.statuses.delivery import MAX_ATTEMPTS, deliver
from backend.statuses.forges import api_of, guessed, same_forge
from backend.statuses.models import CommitStatus, StatusSettings
from tests.services.conftest import order_body
from tests.support.forge import Forge
from tests.support.people import Person, UserFactory

COMMIT = "59b20b8d5c6ff8d09518216e87bc68a7d7a4b6a1"
WORDS = {
    "github": ("pending", "success", "failure", "error"),
    "gitea": ("pending", "success", "failure", "error"),
    "gitlab": ("running", "success", "failed", "canceled"),
    "bitbucket": ("INPROGRESS", "SUCCESSFUL", "FAILED", "STOPPED"),
    "bitbucket_server": ("INPROGRESS", "SUCCESSFUL", "FAILED", "CANCELLED"),
}


@pytest.fixture
def forge() -> Iterator[Forge]:
    with Forge() as running:
        yield running


@pytest.fixture
def settings(settings_of: Callable[..., Settings], forge: Forge) -> Settings:
    made: Settings = settings_of(git_allowed_private=forge.address)
    return made


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory()


@dataclass
class Told:
    """A service whose forge is told, and its deployments moved by hand."""

    client: httpx.AsyncClient
    database: Database
    settings: Settings
    owner: Person
    forge: Forge
    service_id: str
    name: str

    async def ask(self, method: str, path: str = "", body: Any = None) -> httpx.Response:
        url = f"/api/v1/services/{self.service_id}{path}"
        return await self.client.request(method, url, json=body, headers=self.owner.headers)

    async def set(self, **wanted: Any) -> dict[str, Any]:
        answer = await self.ask("PATCH", "/commit-status", wanted)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def view(self) -> dict[str, Any]:
        body: dict[str, Any] = (await self.ask("GET", "/commit-status")).json()
        return body

    async def deploy(self) -> UUID:
        answer = await self.ask("POST", "/deployments", {})
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["deployment_id"])

    async def comes_to(self, deployment_id: UUID, state: DeploymentState, commit: str = COMMIT) -> None:
        async with self.database.transaction() as session:
            row = await DeploymentDAO(session).get_locked(deployment_id)
            assert row is not None
            row.state, row.commit = state, commit

    async def tell(self) -> None:
        """As the worker does, until there is nothing to be said now."""
        while due := await outbox.due(self.database):
            for status_id in due:
                while await deliver(status_id, self.settings, self.database):
                    pass

    async def rows(self) -> list[CommitStatus]:
        async with self.database.transaction() as session:
            statement = select(CommitStatus).order_by(CommitStatus.changed_at)
            return list((await session.execute(statement)).scalars())

    async def hurry(self) -> None:
        """What waits for its next attempt is due."""
        async with self.database.transaction() as session:
            await session.execute(update(CommitStatus).values(due_at=now(), published_at=None))

    def said(self, commit: str = COMMIT) -> list[str]:
        return [one["state"] for one in self.forge.said(f"gavan/{self.name}", commit)]


@pytest.fixture
async def told(
    client: httpx.AsyncClient, database: Database, settings: Settings, ada: Person, forge: Forge
) -> Told:
    body = order_body(source={"repo_url": f"{forge.url}/me/hello.git", "ref": "main"})
    answer = await client.post("/api/v1/orders", json=body, headers=ada.headers)
    assert answer.status_code == 202, answer.text
    return Told(client, database, settings, ada, forge, answer.json()["service_id"], body["name"])


@pytest.mark.parametrize("forge_name", WORDS)
async def test_each_in_its_own_words(told: Told, forge_name: str) -> None:
    view = await told.set(enabled=True, forge=forge_name, token=told.forge.token)
    assert view["context"] == f"gavan/{told.name}"
    assert view["token"]["host"] == "127.0.0.1"
    assert told.forge.token not in str(view)
    assert (await told.ask("POST", "/commit-status/check")).json()["ok"]
    pending, success, failure, cancelled = WORDS[forge_name]
    first = await told.deploy()
    await told.tell()
    assert told.said() == []
    await told.comes_to(first, DeploymentState.BUILDING)
    await told.tell()
    await told.tell()
    await told.comes_to(first, DeploymentState.LIVE)
    await told.tell()
    assert told.said() == [pending, success]
    # Replaced by a rollback it was live all the same.
    await told.comes_to(first, DeploymentState.ROLLED_BACK)
    for ended, word in ((DeploymentState.FAILED, failure), (DeploymentState.SUPERSEDED, cancelled)):
        other = ended.value[0] * 4 + COMMIT[4:]
        commit = "".join(sign if sign in "0123456789abcdef" else "0" for sign in other)
        await told.comes_to(await told.deploy(), ended, commit)
        await told.tell()
        assert told.said(commit) == [word]
    assert told.said() == [pending, success]
    (last, *_) = told.forge.said(f"gavan/{told.name}", COMMIT)
    link = last.get("target_url") or last["url"]
    assert link == f"{told.settings.panel_url}/deployments/{first}"
    view = await told.view()
    assert (view["last"]["delivery"], view["last"]["http_status"]) == ("sent", 201)


async def test_a_late_pending_never_comes_after_success(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deployment ends while the forge still thinks about what came before."""
    monkeypatch.setattr(speaking, "SECONDS", 120)
    await told.set(enabled=True, forge="gitea", token=told.forge.token)
    deployment_id = await told.deploy()
    await told.comes_to(deployment_id, DeploymentState.BUILDING)
    told.forge.hold = hold = threading.Event()
    (status_id,) = await outbox.due(told.database)
    sending = asyncio.create_task(deliver(status_id, told.settings, told.database))
    await asyncio.to_thread(told.forge.entered.wait, 10)
    await told.comes_to(deployment_id, DeploymentState.LIVE)
    # It is in the row already, and with nobody else: the first has it.
    assert await outbox.due(told.database) == []
    assert not await deliver(status_id, told.settings, told.database)
    hold.set()
    assert await sending
    assert not await deliver(status_id, told.settings, told.database)
    assert told.said() == ["pending", "success"]


async def test_an_older_deployment_says_nothing_more(told: Told) -> None:
    """Two deployments of one commit: what the later came to holds."""
    await told.set(enabled=True, forge="gitea", token=told.forge.token)
    older = await told.deploy()
    await told.comes_to(older, DeploymentState.BUILDING)
    await told.tell()
    newer = await told.deploy()
    await told.comes_to(newer, DeploymentState.LIVE)
    await told.tell()
    await told.comes_to(older, DeploymentState.FAILED)
    await told.tell()
    assert told.said() == ["pending", "success"]


async def test_trouble_is_tried_again_until_it_is_enough(told: Told) -> None:
    await told.set(enabled=True, forge="github", token=told.forge.token)
    await told.comes_to(await told.deploy(), DeploymentState.LIVE)
    told.forge.trouble = [(500, {}), (429, {"Retry-After": "600"}), (403, {"X-RateLimit-Remaining": "0"})]
    for code in ("forge_trouble", "too_many", "too_many"):
        await told.tell()
        (row,) = await told.rows()
        assert (row.delivery, row.error_code) == ("queued", code)
        if row.attempts == 2:
            assert row.due_at > now() + timedelta(seconds=500)
        await told.hurry()
    await told.tell()
    assert told.said() == ["success"]
    assert (await told.view())["last"]["attempts"] == 4

    told.forge.trouble = [(502, {})] * 20
    await told.comes_to(await told.deploy(), DeploymentState.FAILED, "a" * 40)
    for _ in range(MAX_ATTEMPTS + 3):
        await told.tell()
        await told.hurry()
    last = (await told.view())["last"]
    assert (last["delivery"], last["attempts"], last["error_code"]) == ("dead", MAX_ATTEMPTS, "forge_trouble")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "token_refused"),
        (403, "not_permitted"),
        (404, "repository_unknown"),
        (422, "commit_unknown"),
        (400, "refused"),
        (302, "redirected"),
    ],
)
async def test_a_refusal_is_final_and_told(told: Told, status: int, code: str) -> None:
    await told.set(enabled=True, forge="github", token=told.forge.token)
    await told.comes_to(await told.deploy(), DeploymentState.BUILDING)
    told.forge.trouble = [(status, {"Location": "http://169.254.169.254/"})]
    await told.tell()
    await told.tell()
    assert len(told.forge.requests) == 1
    last = (await told.view())["last"]
    assert (last["delivery"], last["error_code"], last["http_status"]) == ("dead", code, status)


async def test_a_killed_sender_is_made_good(told: Told) -> None:
    await told.set(enabled=True, forge="gitea", token=told.forge.token)
    await told.comes_to(await told.deploy(), DeploymentState.LIVE)
    (status_id,) = await outbox.due(told.database)
    async with told.database.transaction() as session:
        await session.execute(
            update(CommitStatus).values(delivery="sending", claim=1, lease_until=now() - timedelta(seconds=1))
        )
    assert await outbox.due(told.database) == [status_id]
    await deliver(status_id, told.settings, told.database)
    assert told.said() == ["success"]


async def test_two_senders_at_once_say_it_once(told: Told) -> None:
    await told.set(enabled=True, forge="gitea", token=told.forge.token)
    await told.comes_to(await told.deploy(), DeploymentState.LIVE)
    (status_id,) = await outbox.due(told.database)
    await asyncio.gather(*(deliver(status_id, told.settings, told.database) for _ in range(4)))
    assert told.said() == ["success"]


async def test_only_from_then_on(told: Told) -> None:
    """What was deployed before is nobody's news; what is off is not told."""
    await told.comes_to(await told.deploy(), DeploymentState.LIVE)
    await told.set(enabled=True, forge="gitea", token=told.forge.token)
    await told.tell()
    await told.set(enabled=False)
    await told.comes_to(await told.deploy(), DeploymentState.LIVE)
    await told.tell()
    assert told.forge.requests == []


async def test_the_token_stays_where_it_was_given_for(told: Told, forge: Forge) -> None:
    """Whoever points the API, or the source, at another host takes the token away by that."""
    await told.set(enabled=True, forge="gitea", token=told.forge.token)
    answer = await told.ask("PATCH", "/commit-status", {"api_url": "https://evil.example.com/api/v1"})
    assert (answer.status_code, answer.json()["code"]) == (409, "token_elsewhere")
    answer = await told.ask("PATCH", "", {"source": {"repo_url": "https://evil.example.com/me/hello.git"}})
    assert answer.status_code == 200
    await told.comes_to(await told.deploy(), DeploymentState.LIVE)
    await told.tell()
    assert (await told.view())["last"]["error_code"] == "token_elsewhere"
    assert forge.requests == []
    check = (await told.ask("POST", "/commit-status/check")).json()
    assert check == {"ok": False, "error_code": "token_elsewhere", "http_status": None, "may_tell": None}


async def test_the_sources_token_if_its_owner_says_so(told: Told) -> None:
    answer = await told.ask("PATCH", "/commit-status", {"enabled": True, "forge": "gitea"})
    assert (answer.status_code, answer.json()["code"]) == (409, "token_missing")
    wanted = {"enabled": True, "forge": "gitea", "use_source_token": True}
    answer = await told.ask("PATCH", "/commit-status", wanted)
    assert answer.json()["code"] == "token_missing"
    await told.ask("PUT", "/source/token", {"token": told.forge.token})
    assert (await told.set(**wanted))["source_token_fits"]
    await told.comes_to(await told.deploy(), DeploymentState.LIVE)
    await told.tell()
    assert told.said() == ["success"]


@pytest.mark.parametrize(
    ("api_url", "code"),
    [
        ("http://169.254.169.254/latest", "address_internal"),
        ("https://localhost/api/v1", "address_internal"),
        ("http://git.example.com/api/v1", "token_unprotected"),
        ("ssh://git.example.com/api", "address_scheme"),
        ("https://user:pass@git.example.com/", "address_credentials"),
        ("ftp://git.example.com/", "address_scheme"),
        ("not an address", "address_signs"),
    ],
)
async def test_addresses_as_guarded_as_sources(told: Told, api_url: str, code: str) -> None:
    answer = await told.ask("PATCH", "/commit-status", {"forge": "gitea", "api_url": api_url})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["code"] == code


@pytest.mark.parametrize(
    "body",
    [
        {"forge": "sourceforge"},
        {"token": ""},
        {"token": "x" * 5000},
        {"token": "a\nb"},
        {"api_url": "x" * 301},
        {"username": "a:b"},
        {"enabled": "yes"},
        {"colour": "red"},
    ],
)
async def test_settings_that_are_none(told: Told, body: dict[str, Any]) -> None:
    assert (await told.ask("PATCH", "/commit-status", body)).status_code == 422


async def test_a_name_that_resolves_to_inside(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said at the time of sending, whatever it resolved to before."""
    await told.ask("PATCH", "", {"source": {"repo_url": "https://git.example.com/me/hello.git"}})
    await told.set(enabled=True, forge="gitea", token=told.forge.token)
    monkeypatch.setattr(speaking, "system_resolver", lambda host, port: ["10.0.0.7"])
    await told.comes_to(await told.deploy(), DeploymentState.LIVE)
    await told.tell()
    last = (await told.view())["last"]
    assert (last["delivery"], last["error_code"]) == ("dead", "address_forbidden")


async def test_sealed_at_rest_and_gone_with_the_service(told: Told) -> None:
    await told.set(enabled=True, forge="gitea", token=told.forge.token, username="ada")
    async with told.database.transaction() as session:
        (row,) = (await session.execute(select(StatusSettings))).scalars()
        assert row.token
        assert told.forge.token not in row.token
        recorded = await session.execute(text("SELECT before::text || after::text FROM audit_events"))
        assert told.forge.token not in str(recorded.scalars().all())
    told.forge.username = "ada"
    assert (await told.ask("POST", "/commit-status/check")).json()["ok"]
    assert (await told.set(token=None, enabled=False))["token"] is None


@pytest.mark.parametrize(
    ("repo_url", "forge_name", "api"),
    [
        ("https://github.com/me/hello.git", "github", "https://api.github.com"),
        ("git@github.com:me/hello.git", "github", "https://api.github.com"),
        ("https://bitbucket.org/me/hello", "bitbucket", "https://api.bitbucket.org/2.0"),
        ("https://gitlab.com/me/group/hello", "gitlab", "https://gitlab.com/api/v4"),
        ("ssh://git@git.example.com:2222/me/hello", "gitea", "https://git.example.com/api/v1"),
        ("https://github.example.com:8443/me/hello", "github", "https://github.example.com:8443/api/v3"),
        (
            *("https://bitbucket.example.com/scm/me/hello.git", "bitbucket_server"),
            "https://bitbucket.example.com/rest/api/latest",
        ),
    ],
)
def test_where_its_api_is(repo_url: str, forge_name: str, api: str) -> None:
    assert guessed(repo_url) == forge_name
    assert api_of(forge_name, repo_url) == api
    assert same_forge(forge_name, repo_url, api) == repo_url.startswith("https")
    assert not same_forge(forge_name, repo_url, "https://evil.example.com/api")
