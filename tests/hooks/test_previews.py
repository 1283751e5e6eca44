"""Pull requests, from the signed body to a preview that is ordered, updated and removed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update

from backend.audit.models import AuditEvent
from backend.database import Database, now
from backend.previews.expiry import expire
from backend.previews.making import name_of
from backend.previews.models import PullRequest
from backend.services.models import Service
from tests.hooks import senders
from tests.hooks.previewed import Previewed
from tests.hooks.pull_senders import FORGES, HEAD, NEXT, THIRD, Told, from_github, gitea, github

OPENED = Told()


@pytest.mark.parametrize("forge", FORGES)
async def test_a_request_lives_as_long_as_it_is_open(
    service: Previewed, forge: str, database: Database
) -> None:
    assert await service.told(OPENED, forge) == ("deployed", None)
    preview = await service.preview()
    parent = await service.get(f"/services/{service.service_id}")
    assert preview["name"] == f"{parent['name']}-pr-12"
    assert preview["preview"] == {"of": parent["id"], "of_name": parent["name"], "number": 12}
    assert parent["preview"] is None
    assert preview["source"] == {**parent["source"], "ref": "refs/heads/tides"}
    (request,) = await service.requests()
    assert request["title"] == "Показать приливы 🌊"
    assert (request["state"], request["branch"], request["target"]) == ("open", "tides", "main")
    assert request["preview"]["url"] == preview["url"]
    whole = forge != "bitbucket"
    (first,) = (await service.get(f"/services/{preview['id']}/deployments"))["items"]
    assert (first["trigger"], first["commit"]) == ("preview", HEAD if whole else None)

    pushed = OPENED.but(action="synchronize", commit=NEXT, minute=1)
    assert await service.told(pushed, forge) == ("deployed", None)
    second, first = (await service.get(f"/services/{preview['id']}/deployments"))["items"]
    assert (second["commit"], first["state"]) == (NEXT if whole else None, "superseded")
    assert await service.told(pushed.but(minute=2, title="Renamed"), forge) == ("ignored", "pull_unchanged")
    assert (await service.requests())[0]["title"] == "Renamed"

    merged = pushed.but(action="closed", merged=forge != "github", minute=3)
    assert await service.told(merged, forge) == ("removed", None)
    (request,) = await service.requests()
    assert (request["state"], request["preview"]) == ("closed", None)
    assert (await service.get(f"/services/{preview['id']}"))["status"] == "deleting"

    reopened = pushed.but(action="reopened", minute=4)
    assert await service.told(reopened, forge) == ("deployed", None)
    # The first one is not gone yet, and with it its name.
    assert (await service.preview())["name"] == f"{parent['name']}-pr-12-2"
    async with database.transaction() as session:
        statement = select(AuditEvent).where(AuditEvent.action == "service.preview_made")
        made, _ = (await session.execute(statement.order_by(AuditEvent.id))).scalars()
    assert (made.user_id, made.client_id, made.object_name) == (None, "webhook", preview["name"])
    assert made.after is not None
    assert made.after["pull_request"] == 12
    deliveries = await service.deliveries()
    assert [one["outcome"] for one in deliveries] == [
        *("deployed", "removed", "ignored", "deployed", "deployed")
    ]
    assert deliveries[-1]["subject"] == "#12 Показать приливы 🌊"


IGNORED: dict[str, tuple[str, Told]] = {
    "another target": ("other_target", OPENED.but(target="next")),
    "a draft": ("pull_draft", OPENED.but(draft=True)),
    "a fork": ("fork", OPENED.but(fork=True)),
    "another repository": ("other_repository", OPENED.but(repository="someone/else")),
    "a mark": ("skipped", OPENED.but(title="Quick fix [skip ci]")),
    "one that is closed already": ("pull_closed", OPENED.but(action="closed")),
}


@pytest.mark.parametrize("forge", FORGES)
@pytest.mark.parametrize("what", IGNORED)
async def test_what_gets_no_preview(service: Previewed, forge: str, what: str) -> None:
    code, told = IGNORED[what]
    assert await service.told(told, forge) == ("ignored", code)
    assert not any(request["preview"] for request in await service.requests())


async def test_nothing_without_being_asked_for(service: Previewed) -> None:
    await service.settings(enabled=False)
    assert await service.told(OPENED) == ("ignored", "previews_off")
    assert await service.requests() == []
    await service.settings(enabled=True)
    assert await service.told(OPENED) == ("deployed", None)
    # What is there already is kept, and goes with its request.
    await service.settings(enabled=False)
    assert await service.told(OPENED.but(commit=NEXT, minute=1)) == ("ignored", "previews_off")
    assert await service.told(OPENED.but(action="closed", minute=2)) == ("removed", None)


async def test_out_of_order(service: Previewed) -> None:
    """A close that comes before its opening, a push that comes after the next one."""
    assert await service.told(OPENED.but(action="closed", minute=1)) == ("ignored", "pull_closed")
    assert await service.told(OPENED) == ("ignored", "overtaken")
    # Within the second that the forge counts in, the close is believed.
    assert await service.told(OPENED.but(minute=1)) == ("ignored", "overtaken")
    assert await service.told(OPENED.but(action="reopened", minute=1)) == ("deployed", None)
    assert await service.told(OPENED.but(commit=THIRD, minute=3)) == ("deployed", None)
    assert await service.told(OPENED.but(commit=NEXT, minute=2)) == ("ignored", "overtaken")
    assert (await service.requests())[0]["commit"] == THIRD


async def test_redelivered(service: Previewed) -> None:
    sent = from_github(service.secret, OPENED, delivery="one")
    first = await service.got(sent)
    assert await service.got(sent) == first
    close = from_github(service.secret, OPENED.but(action="closed", minute=1), delivery="two")
    assert (await service.got(close))["outcome"] == "removed"
    assert (await service.got(close))["outcome"] == "removed"
    assert len(await service.deliveries()) == 2


async def test_twice_at_once(service: Previewed) -> None:
    tellings = (OPENED, OPENED.but(action="labeled"))
    results = await asyncio.gather(*(service.told(told) for told in tellings))
    assert sorted(results) == [("deployed", None), ("ignored", "pull_unchanged")]
    assert len(await service.requests()) == 1


UNREADABLE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no request": lambda body: body.pop("pull_request"),
    "no number": lambda body: body["pull_request"].pop("number"),
    "a huge number": lambda body: body["pull_request"].update(number=2**31),
    "a number that is none": lambda body: body["pull_request"].update(number=0),
    "a commit that is none": lambda body: body["pull_request"]["head"].update(sha="main"),
    "a list for a branch": lambda body: body["pull_request"]["head"].update(ref=["main"]),
}


@pytest.mark.parametrize("what", UNREADABLE)
async def test_unreadable(service: Previewed, what: str) -> None:
    body = github(OPENED)
    UNREADABLE[what](body)
    answer = await service.send(senders.from_github(service.secret, body, event="pull_request"))
    assert (answer.status_code, answer.json()["code"]) == (422, "unreadable")
    assert (await service.deliveries())[0]["outcome"] == "refused"


async def test_odd_but_readable(service: Previewed) -> None:
    """A fork that is gone, a title of control signs, an address that is none, no time."""
    body = github(OPENED.but(title="\x1b[31m" + "ä" * 500, branch="naïve/приливы"))
    request = body["pull_request"]
    request["html_url"], request["updated_at"] = "javascript:alert(1)", "yesterday"
    answer = await service.got(senders.from_github(service.secret, body, event="pull_request"))
    assert answer["outcome"] == "deployed"
    (shown,) = await service.requests()
    assert (shown["title"], shown["url"], shown["branch"]) == ("ä" * 200, None, "naïve/приливы")
    request["head"]["repo"], request["number"], body["number"] = None, 13, 13
    answer = await service.got(senders.from_github(service.secret, body, event="pull_request"))
    assert answer["reason_code"] == "fork"


async def test_what_anybody_may_push_for_review_counts_as_a_fork(service: Previewed) -> None:
    """Gitea and Forgejo take `refs/for/main` without a fork, from whoever may read."""
    body = gitea(OPENED)
    body["pull_request"]["head"] |= {"label": "", "ref": "refs/pull/12/head"}
    answer = await service.got(senders.from_gitea(service.secret, body, event="pull_request"))
    assert answer["reason_code"] == "fork"
    assert [request["preview"] for request in await service.requests()] == [None]


async def test_without_the_signature_nothing_happens(service: Previewed) -> None:
    answer = await service.send(from_github("whsec_wrong", OPENED))
    assert (answer.status_code, answer.json()["code"]) == (404, "hook_unknown")
    assert await service.requests() == []


async def test_a_fork_of_bitbucket_cannot_be_read(service: Previewed) -> None:
    await service.settings(forks="without_variables")
    assert await service.told(OPENED.but(fork=True), "bitbucket") == ("ignored", "fork_unreachable")


async def test_drafts_if_wanted(service: Previewed) -> None:
    draft = OPENED.but(draft=True)
    assert await service.told(draft) == ("ignored", "pull_draft")
    # The same commit, now that it is ready.
    assert await service.told(OPENED.but(minute=1)) == ("deployed", None)
    assert await service.told(draft.but(commit=NEXT, minute=2)) == ("deployed", None)
    await service.settings(drafts=True)
    assert await service.told(draft.but(number=13)) == ("deployed", None)


async def test_as_many_as_the_service_may_have(service: Previewed) -> None:
    await service.settings(most=1)
    assert await service.told(OPENED) == ("deployed", None)
    assert await service.told(OPENED.but(number=13)) == ("ignored", "previews_full")
    _, first = sorted(await service.requests(), key=lambda one: -one["number"])
    refused = next(one for one in await service.requests() if one["number"] == 13)
    assert (refused["reason_code"], refused["reason_parameters"]) == ("previews_full", {"most": "1"})
    assert first["preview"] is not None
    assert await service.told(OPENED.but(action="closed", minute=1)) == ("removed", None)
    # "Redeliver" in the forge is enough.
    assert await service.told(OPENED.but(number=13)) == ("deployed", None)
    assert [one["number"] for one in await service.requests(state="closed")] == [12]


async def test_retargeted(service: Previewed) -> None:
    assert await service.told(OPENED) == ("deployed", None)
    away = OPENED.but(action="edited", target="next", minute=1)
    assert await service.told(away) == ("removed", "other_target")
    (request,) = await service.requests()
    assert (request["preview"], request["reason_code"]) == (None, "other_target")


async def test_what_nobody_pushes_to_expires(service: Previewed, database: Database) -> None:
    assert (await service.settings(days=3))["days"] == 3
    assert await service.told(OPENED) == ("deployed", None)
    preview = await service.preview()
    assert await expire(database) == 0
    async with database.transaction() as session:
        await session.execute(update(PullRequest).values(pushed_at=now() - timedelta(days=3, seconds=1)))
    assert await expire(database) == 1
    assert await expire(database) == 0
    assert (await service.get(f"/services/{preview['id']}"))["status"] == "deleting"
    (request,) = await service.requests()
    assert (request["preview"], request["reason_code"]) == (None, "expired")
    # A label does not bring it back; a push does.
    assert await service.told(OPENED.but(action="labeled", minute=1)) == ("ignored", "pull_unchanged")
    assert await service.told(OPENED.but(commit=NEXT, minute=2)) == ("deployed", None)


async def test_it_goes_with_its_service(service: Previewed) -> None:
    assert await service.told(OPENED) == ("deployed", None)
    preview = await service.preview()
    path = f"/api/v1/services/{service.service_id}"
    answer = await service.client.delete(path, headers=service.owner.headers)
    assert answer.status_code == 202, answer.text
    assert (await service.get(f"/services/{preview['id']}"))["status"] == "deleting"
    answer = await service.send(from_github(service.secret, OPENED.but(minute=1)))
    assert answer.status_code == 404


async def test_a_preview_follows_its_service(service: Previewed) -> None:
    """It has no source, webhook, statuses or previews of its own."""
    assert await service.told(OPENED) == ("deployed", None)
    path = f"/api/v1/services/{(await service.preview())['id']}"
    for method, where, body in (
        ("PATCH", "", {"source": {"ref": "main"}}),
        ("POST", "/push/secret", None),
        ("PATCH", "/previews/settings", {"enabled": True}),
        ("PATCH", "/commit-status", {"enabled": True}),
        ("PUT", "/source/token", {"token": "tok_of_a_forge"}),
        ("PUT", "/source/registries/registry.example.com", {"username": "ada", "password": "a secret"}),
        ("DELETE", "/source/registries/registry.example.com", None),
        ("POST", "/archive", None),
    ):
        headers = service.owner.headers
        answer = await service.client.request(method, path + where, json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "is_preview"), where
    answer = await service.client.patch(path, json={"health_path": "/up"}, headers=service.owner.headers)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("name", "number", "again", "expected"),
    [
        ("hello", 12, 0, "hello-pr-12"),
        ("hello", 12, 3, "hello-pr-12-3"),
        ("a" * 40, 7, 0, "a" * 35 + "-pr-7"),
        ("b" * 25 + "-" + "c" * 14, 2**31 - 1, 0, "b" * 25 + "-pr-2147483647"),
    ],
)
def test_names(name: str, number: int, again: int, expected: str) -> None:
    made = name_of(name, number, again)
    assert made == expected
    assert len(made) <= 40


async def test_it_runs_as_its_service_does_but_once(service: Previewed) -> None:
    """Health, commands and restart policy are its service's, how many run is not."""
    path, headers = f"/api/v1/services/{service.service_id}", service.owner.headers
    health = {
        "health_kind": "command",
        "health_path": "/up",
        "health_command": "sh check.sh",
        "health_timeout_seconds": 40,
    }
    assert (await service.client.patch(path, json=health, headers=headers)).status_code == 200
    processes = [
        {"name": "web", "replicas": 3, "command": "sh serve.sh"},
        {"name": "mail", "replicas": 2, "command": "sh mail.sh"},
        {"name": "worker", "replicas": 1},
    ]
    scale = {"restart_policy": "on-failure", "processes": processes}
    assert (await service.client.put(f"{path}/processes", json=scale, headers=headers)).status_code == 200
    await service.settings(enabled=True)
    await service.told(Told())
    preview = await service.preview()
    assert {name: preview[name] for name in health} == health
    shown = await service.get(f"/services/{preview['id']}/processes")
    assert (shown["restart_policy"], shown["plan_units"]) == ("on-failure", 1)
    found = {one["name"]: (one["replicas"], one["command"]) for one in shown["processes"]}
    assert found == {"web": (1, "sh serve.sh"), "mail": (0, "sh mail.sh")}


async def test_it_holds_what_an_order_holds(service: Previewed, database: Database) -> None:
    assert await service.told(OPENED) == ("deployed", None)
    async with database.transaction() as session:
        held = await session.execute(
            text(
                "SELECT s.preview_of IS NOT NULL AS preview, h.remaining_minor FROM order_holds h"
                " JOIN services s ON s.id = h.service_id WHERE h.released_at IS NULL"
            )
        )
        amounts = {row.preview: row.remaining_minor for row in held}
    assert amounts[True] == amounts[False] > 0
    orders = (await service.get("/orders"))["items"]
    assert len({order["price_minor"] for order in orders}) == 1
    assert len(orders) == 2


async def test_for_want_of_funds_the_service_goes_on(service: Previewed, database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(
            text(
                "INSERT INTO billing_profiles (project_id, currency, credit_limit_minor)"
                " SELECT project_id, 'EUR', 0 FROM services WHERE id = :id"
                " ON CONFLICT (project_id) DO UPDATE SET credit_limit_minor = 0"
            ),
            {"id": service.service_id},
        )
    assert await service.told(OPENED) == ("ignored", "insufficient_funds")
    (request,) = await service.requests()
    assert (request["preview"], request["reason_code"]) == (None, "insufficient_funds")
    async with database.transaction() as session:
        names = (await session.execute(select(Service.preview_of))).scalars().all()
    assert names == [None]
    assert (await service.get(f"/services/{service.service_id}"))["status"] == "pending"
