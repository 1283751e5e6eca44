"""Push settings: what is shown, who may change them, and what they leave behind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text

from backend import retention
from backend.audit.models import AuditEvent
from backend.config import Settings
from backend.database import Database, now
from backend.hooks import deliveries
from backend.hooks.dao import PushHookDAO
from backend.projects.membership import add_member
from tests.hooks import senders
from tests.hooks.conftest import Make, Pushed
from tests.support.people import Person, UserFactory


async def test_before_there_is_anything(make: Make, ada: Person) -> None:
    made = await make(ada, ref=None)
    assert (await made.ask("GET")).json() == {
        "enabled": False,
        "ref": None,
        "watch_paths": [],
        "webhook": None,
        "deploy_hook": None,
    }
    assert await made.deliveries() == []
    answer = await made.ask("PATCH", body={"enabled": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "secret_missing")


async def test_the_secret_is_shown_once(pushed: Pushed, settings: Settings, database: Database) -> None:
    assert pushed.secret.startswith("whsec_")
    assert pushed.url.startswith(f"{settings.panel_url}/api/v1/webhooks/")
    shown = (await pushed.ask("GET")).json()
    assert shown["webhook"]["url"] == pushed.url
    assert pushed.secret not in str(shown)
    async with database.transaction() as session:
        for table in ("push_hooks", "audit_events"):
            rows = (await session.execute(text(f"SELECT t::text FROM {table} t"))).scalars().all()
            assert pushed.secret.removeprefix("whsec_") not in "".join(rows)
    first = pushed.url
    await pushed.new_secret()
    assert pushed.url == first, "the forge's webhook stays where it is"


async def test_what_is_recorded(pushed: Pushed, database: Database) -> None:
    await pushed.set(watch_paths=["apps/"])
    await pushed.set(watch_paths=["apps/"])
    await pushed.new_address()
    await pushed.ask("DELETE", "/deploy-hook")
    async with database.transaction() as session:
        statement = (
            select(AuditEvent).where(AuditEvent.object_id == pushed.service_id).order_by(AuditEvent.id)
        )
        events = (await session.execute(statement)).scalars().all()
    told = [(event.action, event.before, event.after) for event in events][1:]
    assert told == [
        ("service.webhook_secret_set", None, None),
        ("service.push_changed", {"enabled": False}, {"enabled": True}),
        ("service.push_changed", {"watch_paths": []}, {"watch_paths": ["apps/"]}),
        ("service.deploy_hook_set", None, None),
        ("service.deploy_hook_revoked", None, None),
    ]
    assert {event.user_id for event in events} == {pushed.owner.id}


class TestWatchPaths:
    async def test_they_are_kept_as_they_are_meant(self, pushed: Pushed) -> None:
        await pushed.set(watch_paths=["  apps/web/ ", "", "# the rest", "!*.md", "файлы/💣"])
        assert (await pushed.ask("GET")).json()["watch_paths"] == ["apps/web/", "!*.md", "файлы/💣"]
        await pushed.set(watch_paths=[])
        assert (await pushed.ask("GET")).json()["watch_paths"] == []

    @pytest.mark.parametrize("bad", ["!", "apps\\", "[z-a]", "[[:alpha:]]"])
    async def test_what_is_no_pattern(self, pushed: Pushed, bad: str) -> None:
        answer = await pushed.ask("PATCH", body={"watch_paths": ["apps/", bad]})
        assert (answer.status_code, answer.json()["code"]) == (422, "pattern_invalid")
        assert answer.json()["errors"][0]["loc"] == ["body", "watch_paths", 1]

    @pytest.mark.parametrize("bad", [["a\nb"], ["\x00"], ["x" * 201], ["a"] * 51, "apps/", [5], [None]])
    async def test_what_does_not_fit(self, pushed: Pushed, bad: Any) -> None:
        assert (await pushed.ask("PATCH", body={"watch_paths": bad})).status_code == 422

    async def test_they_decide(self, pushed: Pushed) -> None:
        await pushed.set(watch_paths=["apps/web/", "!*.md"])
        outcomes = {}
        for file in ("apps/web/a.py", "apps/web/README.md", "apps/api/a.py"):
            body = senders.github(commits=[senders.commit(senders.AFTER, "x", file)])
            said = await pushed.got(senders.from_github(pushed.secret, body))
            outcomes[file] = said["reason_code"]
        assert outcomes == {
            "apps/web/a.py": None,
            "apps/web/README.md": "nothing_watched",
            "apps/api/a.py": "nothing_watched",
        }
        # Who says nothing of files is deployed.
        said = await pushed.got(senders.from_bitbucket(pushed.secret, senders.bitbucket()))
        assert said["outcome"] == "deployed"


async def test_who_may(pushed: Pushed, eve: Person, user_factory: UserFactory, database: Database) -> None:
    viewer, developer = await user_factory(), await user_factory()
    async with database.transaction() as session:
        await add_member(session, pushed.owner.project_id, viewer.id, "viewer")
        await add_member(session, pushed.owner.project_id, developer.id, "developer")
    calls: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("GET", "/deliveries", None),
        ("PATCH", "", {"watch_paths": []}),
        ("POST", "/secret", None),
        ("POST", "/deploy-hook", None),
        ("DELETE", "/deploy-hook", None),
    ]
    for method, path, body in calls:
        statuses = [
            (await pushed.ask(method, path, body, who)).status_code for who in (eve, viewer, developer)
        ]
        assert statuses[:2] == [404, 200 if method == "GET" else 403], (method, path)
        assert statuses[2] < 300, (method, path)


async def test_the_list_by_pages(pushed: Pushed) -> None:
    for number in range(5):
        await pushed.got(senders.from_github(pushed.secret, {}, event="ping", delivery=str(number)))
    seen, cursor = [], None
    while True:
        query = f"/deliveries?size=2&sort=received_at{f'&cursor={cursor}' if cursor else ''}"
        page = (await pushed.ask("GET", query)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_page"]
        if cursor is None:
            break
    newest = [one["id"] for one in await pushed.deliveries()]
    assert seen == newest[::-1]
    assert len(seen) == 5


class TestForgetting:
    async def test_a_service_keeps_so_many(self, pushed: Pushed, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(deliveries, "KEPT", 3)
        for number in range(5):
            await pushed.got(senders.from_github(pushed.secret, {}, event="ping", delivery=str(number)))
        assert len(await pushed.deliveries()) == 3

    async def test_and_none_for_ever(self, pushed: Pushed, database: Database) -> None:
        await pushed.got(senders.from_github(pushed.secret, senders.github()))
        await pushed.got(senders.from_github(pushed.secret, {}, event="ping"))
        async with database.transaction() as session:
            old = now() - timedelta(days=91)
            statement = text("UPDATE hook_deliveries SET received_at = :old WHERE outcome = 'deployed'")
            await session.execute(statement, {"old": old})
        assert await retention.sweep(database) == {"hook deliveries": 1}
        assert [one["outcome"] for one in await pushed.deliveries()] == ["ping"]

    async def test_with_the_service_go_its_secrets(self, pushed: Pushed, database: Database) -> None:
        """What the job that deletes it does; `tests/stack` deletes whole ones."""
        await pushed.got(senders.from_github(pushed.secret, senders.github()))
        async with database.transaction() as session:
            await PushHookDAO(session).forget(pushed.service_id)  # type: ignore[arg-type]
            for table in ("push_hooks", "hook_deliveries"):
                assert (await session.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() == 0


async def test_a_token_without_the_scope(pushed: Pushed, user_factory: UserFactory) -> None:
    narrow = await user_factory(scope="services:read")
    answer = await pushed.ask("GET", who=narrow)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_missing")


async def test_its_document_names_what_forges_send(client: httpx.AsyncClient) -> None:
    """Who builds a forge of their own has to know what is looked at."""
    paths = (await client.get("/api/openapi.json")).json()["paths"]
    document = paths["/api/v1/webhooks/{hook_id}"]["post"]
    named = {one["name"].lower() for one in document["parameters"] if one["in"] == "header"}
    read = {"x-hub-signature-256", "x-gitea-signature", "x-gitlab-token", "webhook-signature"}
    assert named >= read | {"x-github-event", "x-gitea-event", "x-gitlab-event", "x-event-key"}
    (example,) = document["requestBody"]["content"]["application/json"]["schema"]["examples"]
    assert example["ref"].startswith("refs/heads/")
