"""Webhooks, from the signed body to the deployment that waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select, text

from backend.audit.models import AuditEvent
from backend.config import Settings
from backend.database import Database
from backend.hooks.pushes import Push
from backend.hooks.verdict import Ignored, Wanted, judged
from tests.hooks import senders
from tests.hooks.conftest import Make, Pushed
from tests.hooks.senders import AFTER, BEFORE, NOTHING, Sent, commit
from tests.support.people import Person

SENDERS: dict[str, tuple[Callable[..., Sent], Callable[..., dict[str, Any]]]] = {
    "github": (senders.from_github, senders.github),
    "gitea": (senders.from_gitea, senders.github),
    "gitlab": (senders.from_gitlab, senders.gitlab),
    "gitlab, signed": (lambda *what, **how: senders.from_gitlab(*what, signed=True, **how), senders.gitlab),
    "bitbucket": (senders.from_bitbucket, senders.bitbucket),
    "bitbucket, data center": (
        lambda *what, **how: senders.from_bitbucket(*what, event="repo:refs_changed", **how),
        senders.bitbucket_server,
    ),
}


@pytest.mark.parametrize("forge", SENDERS)
async def test_a_push_deploys_its_commit(pushed: Pushed, forge: str, database: Database) -> None:
    send, body = SENDERS[forge]
    answer = await pushed.send(send(pushed.secret, body()))
    assert answer.status_code == 202, answer.text
    said = answer.json()
    assert (said["outcome"], said["reason_code"]) == ("deployed", None)
    assert answer.headers["location"] == f"/api/v1/jobs/{said['job_id']}"
    newest, ordered = await pushed.deployments()
    assert newest["id"] == said["deployment_id"]
    assert (newest["trigger"], newest["commit"], newest["state"]) == ("push", AFTER, "queued")
    assert ordered["state"] == "superseded"
    (delivery,) = await pushed.deliveries()
    assert delivery["forge"] == forge.partition(",")[0]
    assert delivery["deployment"] == {"id": newest["id"], "number": 2}
    assert (delivery["branch"], delivery["commit"]) == ("main", AFTER)
    assert delivery["subject"] == "Show the tides"
    async with database.transaction() as session:
        statement = select(AuditEvent).where(AuditEvent.action == "service.deployed")
        event = (await session.execute(statement)).scalar_one()
    assert (event.user_id, event.client_id, event.address) == (None, "webhook", "127.0.0.1")
    assert event.project_id == pushed.owner.project_id
    assert event.after == {
        "deployment_id": newest["id"],
        "number": 2,
        "trigger": "push",
        "commit": AFTER,
    }


async def test_a_form_is_understood_too(pushed: Pushed) -> None:
    """GitHub's own choice, until somebody chooses JSON."""
    body = urlencode(
        {"payload": senders.raw(senders.github(commits=[commit(AFTER, "Приливы и отливы")]))}
    ).encode()
    headers, _ = senders.from_github(pushed.secret, body)
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    assert (await pushed.got((headers, body)))["outcome"] == "deployed"
    assert (await pushed.deliveries())[0]["subject"] == "Приливы и отливы"


@pytest.mark.parametrize(
    ("event", "sender"),
    [("ping", senders.from_github), ("diagnostics:ping", senders.from_bitbucket)],
)
async def test_a_ping_is_answered(pushed: Pushed, event: str, sender: Callable[..., Sent]) -> None:
    said = await pushed.got(sender(pushed.secret, {"zen": "Calm"}, event=event))
    assert said == {"outcome": "ping", "reason_code": None, "deployment_id": None, "job_id": None}
    assert [one["outcome"] for one in await pushed.deliveries()] == ["ping"]
    assert len(await pushed.deployments()) == 1


IGNORED: dict[str, tuple[str, Sent | Callable[[str], Sent]]] = {
    "another branch": (
        "other_branch",
        lambda secret: senders.from_github(secret, senders.github(ref="refs/heads/next")),
    ),
    "a tag": ("tag", lambda secret: senders.from_github(secret, senders.github(ref="refs/tags/main"))),
    "a tag of gitlab": (
        "tag",
        lambda secret: senders.from_gitlab(
            secret, senders.gitlab(ref="refs/tags/v1", commits=[]), event="Tag Push Hook"
        ),
    ),
    "a tag of bitbucket": (
        "tag",
        lambda secret: senders.from_bitbucket(
            secret, senders.bitbucket(senders.bitbucket_change("main", kind="tag"))
        ),
    ),
    "something else": (
        "ref",
        lambda secret: senders.from_github(secret, senders.github(ref="refs/notes/main")),
    ),
    "a deleted branch": (
        "branch_deleted",
        lambda secret: senders.from_github(
            secret, senders.github(after=NOTHING, deleted=True, commits=[], head_commit=None)
        ),
    ),
    "a deleted branch of bitbucket": (
        "branch_deleted",
        lambda secret: senders.from_bitbucket(
            secret, senders.bitbucket(senders.bitbucket_change(after=None))
        ),
    ),
    "another project of data center": (
        "other_repository",
        lambda secret: senders.from_bitbucket(
            secret,
            senders.bitbucket_server(repository={"slug": "hello", "project": {"key": "YOU"}}),
            event="repo:refs_changed",
        ),
    ),
    "[skip ci]": (
        "skipped",
        lambda secret: senders.from_gitea(
            secret, senders.github(commits=[commit(AFTER, "Words\n\n[Skip CI]")])
        ),
    ),
    "[skip deploy]": (
        "skipped",
        lambda secret: senders.from_gitlab(
            secret, senders.gitlab(commits=[commit(AFTER, "x [skip deploy]")])
        ),
    ),
    "another event": (
        "event",
        lambda secret: senders.from_github(secret, {"action": "opened"}, event="issues"),
    ),
    "another repository": (
        "other_repository",
        lambda secret: senders.from_gitlab(
            secret, senders.gitlab(project={"git_http_url": "https://git.example.com/me/other.git"})
        ),
    ),
}


@pytest.mark.parametrize("what", IGNORED)
async def test_what_is_ignored_and_why(pushed: Pushed, what: str) -> None:
    reason, sent = IGNORED[what]
    assert callable(sent)
    said = await pushed.got(sent(pushed.secret))
    assert (said["outcome"], said["reason_code"], said["job_id"]) == ("ignored", reason, None)
    (delivery,) = await pushed.deliveries()
    assert (delivery["outcome"], delivery["reason_code"]) == ("ignored", reason)
    assert len(await pushed.deployments()) == 1


async def test_only_the_last_commit_says_skip(pushed: Pushed) -> None:
    commits = [commit(BEFORE, "Words [skip ci]"), commit(AFTER)]
    said = await pushed.got(senders.from_github(pushed.secret, senders.github(commits=commits)))
    assert said["outcome"] == "deployed"


async def test_off_and_on_again(pushed: Pushed) -> None:
    sent = senders.from_github(pushed.secret, senders.github())
    await pushed.set(enabled=False)
    assert (await pushed.got(sent))["reason_code"] == "off"
    await pushed.set(enabled=True)
    # The same delivery, sent again from the forge's page: nothing came of it, so it is judged anew.
    assert (await pushed.got(sent))["outcome"] == "deployed"
    assert len(await pushed.deliveries()) == 1


async def test_judging_holds_up_nobody(pushed: Pushed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even who changes the settings that it judges by, and then those as they are now decide."""
    began, changed = threading.Event(), threading.Event()

    def slowly(wanted: Wanted, pushes: Sequence[Push]) -> tuple[Push, Ignored | None]:
        began.set()
        assert changed.wait(20)
        return judged(wanted, pushes)

    monkeypatch.setattr("backend.hooks.receiving.judged", slowly)
    sent = senders.from_github(pushed.secret, senders.github())
    answer = asyncio.create_task(pushed.got(sent))
    assert await asyncio.to_thread(began.wait, 20)
    await asyncio.wait_for(pushed.set(enabled=False), 10)
    changed.set()
    assert (await answer)["reason_code"] == "off"
    assert len(await pushed.deliveries()) == 1


class TestBranches:
    async def test_the_default_one(self, make: Make, ada: Person) -> None:
        made = await make(ada, ref=None)
        await made.new_secret()
        await made.set(enabled=True)
        next_one = senders.github(ref="refs/heads/next")
        assert (await made.got(senders.from_github(made.secret, next_one)))["reason_code"] == "other_branch"
        assert (await made.got(senders.from_github(made.secret, senders.github())))["outcome"] == "deployed"
        # Bitbucket does not say which one that is.
        said = await made.got(senders.from_bitbucket(made.secret, senders.bitbucket()))
        assert said["reason_code"] == "branch_unknown"

    async def test_several_in_one_push(self, pushed: Pushed) -> None:
        changes = [
            senders.bitbucket_change("next", "1" * 40),
            senders.bitbucket_change("main", AFTER),
            senders.bitbucket_change("v1", "2" * 40, kind="tag"),
        ]
        said = await pushed.got(senders.from_bitbucket(pushed.secret, senders.bitbucket(*changes)))
        assert said["outcome"] == "deployed"
        assert (await pushed.deployments())[0]["commit"] == AFTER

    async def test_names_in_any_script(self, make: Make, ada: Person) -> None:
        made = await make(ada, ref="ветка/💣")
        await made.new_secret()
        await made.set(enabled=True)
        body = senders.github(ref="refs/heads/ветка/💣")
        assert (await made.got(senders.from_github(made.secret, body)))["outcome"] == "deployed"
        assert (await made.deliveries())[0]["branch"] == "ветка/💣"


class TestTwice:
    @pytest.mark.parametrize("forge", SENDERS)
    async def test_a_delivery_sent_again_does_nothing(self, pushed: Pushed, forge: str) -> None:
        send, body = SENDERS[forge]
        sent = send(pushed.secret, body(), delivery="f6266f16-1bf3-46a5-9ea4-602e06ead473")
        first = await pushed.got(sent)
        assert await pushed.got(sent) == first
        assert len(await pushed.deployments()) == 2
        assert len(await pushed.deliveries()) == 1

    async def test_at_once(self, pushed: Pushed) -> None:
        sent = senders.from_github(pushed.secret, senders.github())
        answers = await asyncio.gather(*(pushed.got(sent) for _ in range(8)))
        assert len({answer["deployment_id"] for answer in answers}) == 1
        assert len(await pushed.deployments()) == 2

    async def test_a_stranger_takes_no_ones_id(self, pushed: Pushed) -> None:
        given, content = senders.from_github(pushed.secret, senders.github())
        forged = given | {"X-Hub-Signature-256": "sha256=" + "0" * 64}
        assert (await pushed.send((forged, content))).status_code == 404
        assert (await pushed.got((given, content)))["outcome"] == "deployed"
        outcomes = [one["outcome"] for one in await pushed.deliveries()]
        assert sorted(outcomes) == ["deployed", "refused"]

    async def test_a_newer_commit_supersedes_one_that_waits(self, pushed: Pushed) -> None:
        newer = "9" * 40
        await pushed.got(senders.from_github(pushed.secret, senders.github()))
        body = senders.github(before=AFTER, after=newer)
        await pushed.got(senders.from_github(pushed.secret, body))
        states = [(one["commit"], one["state"]) for one in await pushed.deployments()]
        assert states == [(newer, "queued"), (AFTER, "superseded"), (None, "superseded")]


class TestRefused:
    async def test_unknown_and_unsigned_are_one_answer(self, pushed: Pushed) -> None:
        good = senders.from_github(pushed.secret, senders.github())
        bad = senders.from_github("whsec_AAAA", senders.github())
        nowhere = pushed.url.replace(pushed.url.rpartition("/")[2], str(uuid4()))
        answers = [await pushed.send(bad), await pushed.send(good, nowhere), await pushed.send(bad, nowhere)]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.json()["detail"] for answer in answers}) == 1
        assert {answer.json()["code"] for answer in answers} == {"hook_unknown"}
        (delivery,) = await pushed.deliveries()
        assert (delivery["outcome"], delivery["reason_code"]) == ("refused", "signature_wrong")

    async def test_somebody_elses_secret(self, make: Make, pushed: Pushed, eve: Person) -> None:
        hers = await make(eve)
        await hers.new_secret()
        await hers.set(enabled=True)
        answer = await pushed.send(senders.from_github(hers.secret, senders.github()))
        assert answer.status_code == 404
        assert len(await pushed.deployments()) == 1

    async def test_a_replaced_secret(self, pushed: Pushed) -> None:
        old = pushed.secret
        await pushed.new_secret()
        assert (await pushed.send(senders.from_gitlab(old, senders.gitlab()))).status_code == 404
        assert (await pushed.got(senders.from_gitlab(pushed.secret, senders.gitlab())))[
            "outcome"
        ] == "deployed"

    async def test_who_is_unknown(self, pushed: Pushed) -> None:
        assert (await pushed.send(({"Content-Type": "application/json"}, b"{}"))).status_code == 404
        (delivery,) = await pushed.deliveries()
        assert (delivery["forge"], delivery["reason_code"]) == (None, "forge_unknown")

    async def test_without_a_webhook(self, make: Make, ada: Person, database: Database) -> None:
        """A deploy hook alone has settings too, and they have an id."""
        made = await make(ada)
        await made.new_address()
        async with database.transaction() as session:
            hook_id = (await session.execute(text("SELECT id FROM push_hooks"))).scalar_one()
        url = f"/api/v1/webhooks/{hook_id}"
        answer = await made.send(senders.from_gitlab("", senders.gitlab()), url)
        assert (answer.status_code, answer.json()["code"]) == (404, "hook_unknown")

    async def test_of_a_deleted_service(self, pushed: Pushed) -> None:
        path = f"/api/v1/services/{pushed.service_id}"
        assert (await pushed.client.delete(path, headers=pushed.owner.headers)).status_code == 202
        sent = senders.from_github(pushed.secret, senders.github())
        assert (await pushed.send(sent)).status_code == 404

    async def test_a_flood_of_them_pushes_nothing_out(
        self, pushed: Pushed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await pushed.got(senders.from_github(pushed.secret, senders.github()))
        monkeypatch.setattr("backend.hooks.deliveries.Refusals.EVERY", 0.0)
        for _ in range(25):
            await pushed.send(senders.from_github("wrong", senders.github()))
        # Some are written down side by side; whatever is one too many goes with the next.
        await pushed.deliveries()
        await pushed.send(senders.from_github("wrong", senders.github()))
        await pushed.deliveries()
        answer = await pushed.ask("GET", "/deliveries?size=100")
        outcomes = [
            one["outcome"] for one in (await pushed.ask("GET", "/deliveries?size=100")).json()["items"]
        ]
        assert outcomes.count("refused") == 20, answer.text
        assert outcomes[-1] == "deployed"


class TestRates:
    @pytest.fixture
    def settings(self, settings_of: Callable[..., Settings]) -> Settings:
        return settings_of(hook_rate_per_address="6/minute", hook_rate_per_service="3/minute")

    async def test_of_one_address(self, pushed: Pushed) -> None:
        statuses = [(await pushed.send(senders.from_github("wrong", {}))).status_code for _ in range(8)]
        assert statuses == [404] * 6 + [429] * 2
        pushed.headers = {"X-Forwarded-For": "203.0.113.9"}
        assert (await pushed.send(senders.from_github(pushed.secret, senders.github()))).status_code == 202

    async def test_of_one_service(self, pushed: Pushed, make: Make, ada: Person) -> None:
        """Counted for those who hold the secret: nobody else can make a forge be refused."""
        other = await make(ada)
        await other.new_secret()
        for number in range(5):
            other.headers = pushed.headers = {"X-Forwarded-For": f"203.0.113.{number}"}
            await pushed.send(senders.from_github("wrong", {}))
            answer = await pushed.send(senders.from_github(pushed.secret, senders.github()))
            assert answer.status_code == (202 if number < 3 else 429), answer.text
        assert int(answer.headers["retry-after"]) > 0
        assert (await other.got(senders.from_github(other.secret, senders.github())))["reason_code"] == "off"


async def test_an_id_that_is_none(client: httpx.AsyncClient) -> None:
    for wrong in ("x", "%00", str(UUID(int=0))[:-1]):
        assert (await client.post(f"/api/v1/webhooks/{wrong}", content=b"{}")).status_code == 422
    assert (await client.get(f"/api/v1/webhooks/{uuid4()}")).status_code == 405
