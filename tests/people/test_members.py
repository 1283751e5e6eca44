"""Who belongs to a project: roles, leaving, removal, handing over; somebody always owns it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from backend.database import Database
from tests.people.conftest import Json, Speaker
from tests.support.people import Person, UserFactory

Letters = Callable[[str], Awaitable[list[Any]]]


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory(name="Ada")


@pytest.fixture
async def bob(user_factory: UserFactory) -> Person:
    return await user_factory(name="Bob")


@pytest.fixture
async def path(ask: Speaker, ada: Person) -> str:
    made = await ask.ok(ada, "POST", "/projects", {"name": "Shared"})
    await ask.until(ada, lambda me: len(me["projects"]) == 2)
    return f"/projects/{made['id']}"


async def roles(ask: Speaker, who: Person, path: str) -> dict[str, str]:
    return {one["email"]: one["role"] for one in (await ask.ok(who, "GET", f"{path}/members"))["items"]}


async def test_a_role_changes_at_once(
    ask: Speaker,
    ada: Person,
    bob: Person,
    path: str,
    database: Database,
    recorded: Callable[[str], Awaitable[list[Any]]],
) -> None:
    await ask.join(path.rsplit("/", 1)[1], bob, "viewer", database)
    await ask.ok(ada, "PATCH", f"{path}/members/{bob.id}", {"role": "developer"})
    assert await roles(ask, ada, path) == {ada.email: "owner", bob.email: "developer"}
    await ask.until(bob, lambda me: "developer" in {one["role"] for one in me["projects"]})
    (event,) = await recorded("member.role_changed")
    assert (event.before, event.after) == ({"role": "viewer"}, {"role": "developer"})
    assert (event.object_id, event.object_name) == (str(bob.id), bob.email)


async def test_a_removed_members_token_opens_nothing(
    ask: Speaker, ada: Person, bob: Person, path: str, database: Database, letters: Letters
) -> None:
    await ask.join(path.rsplit("/", 1)[1], bob, "developer", database)
    assert (await ask(bob, "GET", path)).status_code == 200
    await ask.ok(ada, "DELETE", f"{path}/members/{bob.id}")
    assert await ask.refused(bob, "GET", path) == (404, "not_found")
    await ask.until(bob, lambda me: len(me["projects"]) == 1)
    assert await ask.refused(bob, "GET", f"{path}/members") == (404, "not_found")
    assert await ask.refused(ada, "DELETE", f"{path}/members/{bob.id}") == (404, "not_found")
    project = (await ask.ok(ada, "GET", path))["name"]
    assert await letters(bob.email) == [("member_removed", "en", {"name": "Bob", "project": project})]


async def test_leaving(
    ask: Speaker, ada: Person, bob: Person, path: str, database: Database, letters: Letters
) -> None:
    await ask.join(path.rsplit("/", 1)[1], bob, "viewer", database)
    await ask.ok(bob, "POST", f"{path}/leave")
    # Nobody needs to be told what they did themselves.
    assert await letters(bob.email) == []
    await ask.until(bob, lambda me: len(me["projects"]) == 1)
    assert await ask.refused(bob, "POST", f"{path}/leave") == (404, "not_found")


async def test_the_last_owner_stays(
    ask: Speaker, ada: Person, bob: Person, path: str, database: Database
) -> None:
    await ask.join(path.rsplit("/", 1)[1], bob, "developer", database)
    last = (409, "last_owner")
    assert await ask.refused(ada, "POST", f"{path}/leave") == last
    assert await ask.refused(ada, "DELETE", f"{path}/members/{ada.id}") == last
    assert await ask.refused(ada, "PATCH", f"{path}/members/{ada.id}", {"role": "viewer"}) == last
    await ask.ok(ada, "PATCH", f"{path}/members/{bob.id}", {"role": "owner"})
    await ask.ok(ada, "POST", f"{path}/leave")
    assert await roles(ask, bob, path) == {bob.email: "owner"}


Act = Callable[[str, Person, Person], tuple[str, str, Json | None]]
_RACES: dict[str, Act] = {
    "both leave": lambda path, me, other: ("POST", f"{path}/leave", None),
    "each demotes the other": lambda path, me, other: (
        "PATCH",
        f"{path}/members/{other.id}",
        {"role": "viewer"},
    ),
    "each removes the other": lambda path, me, other: ("DELETE", f"{path}/members/{other.id}", None),
    "each steps down": lambda path, me, other: ("PATCH", f"{path}/members/{me.id}", {"role": "viewer"}),
}


@pytest.mark.parametrize("what", _RACES)
async def test_two_owners_at_the_same_moment(
    ask: Speaker, ada: Person, bob: Person, path: str, database: Database, what: str
) -> None:
    project = path.rsplit("/", 1)[1]
    await ask.join(project, bob, "owner", database)
    await ask.ok(ada, "GET", path)
    answers = await asyncio.gather(
        *(ask(me, *_RACES[what](path, me, other)) for me, other in ((ada, bob), (bob, ada)))
    )
    assert [one.is_success for one in answers].count(True) == 1, [one.text for one in answers]
    left = ada if (await ask(ada, "GET", path)).is_success else bob
    assert "owner" in (await roles(ask, left, path)).values()


async def test_handing_over(
    ask: Speaker,
    ada: Person,
    bob: Person,
    path: str,
    database: Database,
    recorded: Callable[[str], Awaitable[list[Any]]],
) -> None:
    project = path.rsplit("/", 1)[1]
    transfer = f"{path}/transfer"
    assert await ask.refused(ada, "POST", transfer, {"user_id": str(bob.id)}) == (404, "not_found")
    assert await ask.refused(ada, "POST", transfer, {"user_id": str(ada.id)}) == (409, "own_account")
    await ask.join(project, bob, "viewer", database)
    await ask.ok(ada, "POST", transfer, {"user_id": str(bob.id), "stay_as": "billing"})
    assert await roles(ask, bob, path) == {ada.email: "billing", bob.email: "owner"}
    assert (await ask.refused(ada, "POST", transfer, {"user_id": str(ada.id)}))[0] == 403
    assert len(await recorded("project.transferred")) == 1
    personal = f"/projects/{ada.project_id}"
    await ask.join(ada.project_id, bob, "viewer", database)
    for method, below, body in (
        ("POST", "/transfer", {"user_id": str(bob.id)}),
        ("PATCH", f"/members/{bob.id}", {"role": "owner"}),
        ("POST", "/invitations", {"email": "eve@example.com", "role": "owner"}),
    ):
        assert await ask.refused(ada, method, personal + below, body) == (409, "project_personal"), below


async def test_dangerous_things_want_a_recent_proof(
    ask: Speaker, ada: Person, path: str, database: Database
) -> None:
    from sqlalchemy import text

    from backend.oauth.announcements import announce

    async with database.transaction() as session:
        await session.execute(text("UPDATE oauth_sessions SET proved_at = now() - interval '1 day'"))
        await announce(session, ada.id)
    async with asyncio.timeout(30):
        while (await ask(ada, "DELETE", f"/projects/{uuid4()}")).json()["code"] != "proof_required":
            await asyncio.sleep(0.005)
    transfer = {"user_id": str(uuid4())}
    assert await ask.refused(ada, "POST", f"{path}/transfer", transfer) == (403, "proof_required")


async def test_the_list_of_members(
    ask: Speaker, ada: Person, path: str, user_factory: UserFactory, database: Database
) -> None:
    for at in range(5):
        person = await user_factory(name=f"Member {at}")
        await ask.join(path.rsplit("/", 1)[1], person, "viewer", database)
    page = await ask.ok(ada, "GET", f"{path}/members", sort="-name", size=4)
    rest = await ask.ok(ada, "GET", f"{path}/members", sort="-name", size=4, cursor=page["next_page"])
    names = [one["name"] for one in page["items"] + rest["items"]]
    assert names == [*(f"Member {at}" for at in reversed(range(5))), "Ada"]
    assert rest["next_page"] is None
    only = await ask.ok(ada, "GET", f"{path}/members", role="owner")
    assert [one["user_id"] for one in only["items"]] == [str(ada.id)]
