"""Users as administrators find, block and promote them; the last administrator stays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from backend.database import Database
from tests.people.conftest import Json, Speaker
from tests.support.people import Person, UserFactory

Letters = Callable[[str], Awaitable[list[tuple[str, str, Json]]]]
BLOCK: Json = {"active": False, "reason": "Letters that nobody asked for"}


@pytest.fixture
async def chief(user_factory: UserFactory) -> Person:
    return await user_factory("chief@harbour.test", name="Chief", roles=("user", "admin"))


@pytest.fixture
async def found(ask: Speaker, chief: Person) -> Callable[..., Awaitable[list[str]]]:
    """Names of the users that a search finds, but for the administrator who searches."""

    async def search(**params: Any) -> list[str]:
        items = (await ask.ok(chief, "GET", "/admin/users", size=100, **params))["items"]
        return [one["name"] for one in items if one["id"] != str(chief.id)]

    return search


async def test_found_by_the_beginnings_of_words(
    user_factory: UserFactory, found: Callable[..., Awaitable[list[str]]]
) -> None:
    await user_factory("ada.lovelace+bills@analytical-engine.example.com", name="Ada King")
    await user_factory("grace@navy.example.org", name="Grace O'Brien Hopper")
    await user_factory("privet@example.org", name="Иван Ёлкин")
    for q, names in {
        "lovelace": ["Ada King"],
        "LOVE": ["Ada King"],
        "bills": ["Ada King"],
        "engine": ["Ada King"],
        "ada.lovelace+bills@analytical-engine.example.com": ["Ada King"],
        "king ada": ["Ada King"],
        "brien": ["Grace O'Brien Hopper"],
        "grace navy": ["Grace O'Brien Hopper"],
        "иван": ["Иван Ёлкин"],
        "ЁЛК": ["Иван Ёлкин"],
        "example.org": ["Иван Ёлкин", "Grace O'Brien Hopper"],
        "ovelace": [],
        "ada hopper": [],
        "!&|():*'\\": [],
        "' | 'a": ["Ada King"],
        "  ": [],
    }.items():
        assert await found(q=q) == names, q


async def test_filters_and_sorts(
    ask: Speaker,
    chief: Person,
    user_factory: UserFactory,
    found: Callable[..., Awaitable[list[str]]],
    database: Database,
) -> None:
    for name, roles in (("C", ("user",)), ("A", ("user", "support")), ("B", ("user",))):
        await user_factory(f"{name.lower()}@example.com", name=name, roles=roles)
    blocked = await user_factory("d@example.com", name="D")
    await ask.ok(chief, "PATCH", f"/admin/users/{blocked.id}", BLOCK)
    assert await found() == ["D", "B", "A", "C"]
    assert await found(sort="name") == ["A", "B", "C", "D"]
    assert await found(sort="-email") == ["D", "C", "B", "A"]
    assert await found(active="false") == ["D"]
    assert await found(active="true", sort="created_at") == ["C", "A", "B"]
    assert await found(role="support") == ["A"]
    async with database.transaction() as session:
        await session.execute(
            text("UPDATE users SET email_verified_at = CASE WHEN name IN ('A', 'C') THEN now() END")
        )
    assert await found(verified="true", sort="name") == ["A", "C"]
    assert await found(verified="false", sort="name") == ["B", "D"]
    page = await ask.ok(chief, "GET", "/admin/users", sort="name", size=3)
    rest = await ask.ok(chief, "GET", "/admin/users", sort="name", size=3, cursor=page["next_page"])
    assert [one["name"] for one in page["items"] + rest["items"]] == ["A", "B", "C", "Chief", "D"]


async def test_one_user(ask: Speaker, chief: Person, user_factory: UserFactory) -> None:
    ada = await user_factory(name="Ada")
    seen = await ask.ok(chief, "GET", f"/admin/users/{ada.id}")
    assert (seen["email"], seen["active"], seen["roles"], seen["sessions"]) == (ada.email, True, ["user"], 1)
    project = {"id": str(ada.project_id), "name": "Ada", "role": "owner", "personal": True}
    assert seen["projects"] == [project]
    assert "password" not in str(seen)
    assert await ask.refused(chief, "GET", f"/admin/users/{uuid4()}") == (404, "not_found")


async def test_blocked_at_once_and_everywhere(
    ask: Speaker,
    chief: Person,
    client: httpx.AsyncClient,
    user_factory: UserFactory,
    letters: Letters,
    recorded: Callable[[str], Awaitable[list[Any]]],
) -> None:
    ada = await user_factory(name="Ada")
    assert (await ask(ada, "GET", "/me")).is_success
    there = f"/admin/users/{ada.id}"
    assert (await ask.refused(chief, "PATCH", there, {"active": False}))[0] == 422
    seen = await ask.ok(chief, "PATCH", there, BLOCK)
    assert (seen["active"], seen["blocked_reason"], seen["sessions"]) == (False, BLOCK["reason"], 0)
    async with asyncio.timeout(30):
        while (await ask(ada, "GET", "/me")).status_code != 401:
            await asyncio.sleep(0.002)
    for form in (
        {"grant_type": "refresh_token", "refresh_token": ada.refresh_token},
        {"grant_type": "password", "username": ada.email, "password": ada.password},
    ):
        answer = await client.post("/oauth/token", data={"client_id": "cli", **form})
        assert answer.json()["error"] == "invalid_grant"
    assert [(name, values.get("reason")) for name, _, values in await letters(ada.email)] == [
        ("account_blocked", BLOCK["reason"])
    ]
    (event,) = await recorded("user.blocked")
    assert (event.user_id, event.object_name, event.after) == (
        chief.id,
        ada.email,
        {"reason": BLOCK["reason"]},
    )

    await ask.ok(chief, "PATCH", there, BLOCK)
    assert len(await recorded("user.blocked")) == 1
    seen = await ask.ok(chief, "PATCH", there, {"active": True})
    assert (seen["active"], seen["blocked_at"], seen["blocked_reason"]) == (True, None, None)
    # The old sessions stay ended.
    assert (await ask(ada, "GET", "/me")).status_code == 401
    form = {"grant_type": "password", "username": ada.email, "password": ada.password}
    assert (await client.post("/oauth/token", data={"client_id": "cli", **form})).is_success
    assert [name for name, _, _ in await letters(ada.email)][:2] == ["account_blocked", "account_unblocked"]


async def test_nobody_blocks_themselves(ask: Speaker, chief: Person, user_factory: UserFactory) -> None:
    await user_factory(roles=("user", "admin"))
    assert await ask.refused(chief, "PATCH", f"/admin/users/{chief.id}", BLOCK) == (409, "own_account")


async def test_the_last_administrator_stays(ask: Speaker, chief: Person, user_factory: UserFactory) -> None:
    last = (409, "last_administrator")
    own = f"/admin/users/{chief.id}/roles"
    assert await ask.refused(chief, "PUT", own, {"roles": ["user"]}) == last
    other = await user_factory(roles=("user", "admin"))
    await ask.ok(chief, "PATCH", f"/admin/users/{other.id}", BLOCK)
    # A blocked one does not count.
    assert await ask.refused(chief, "PUT", own, {"roles": []}) == last
    await ask.ok(chief, "PATCH", f"/admin/users/{other.id}", {"active": True})
    await ask.ok(chief, "PUT", own, {"roles": ["user"]})
    assert (await ask.refused(chief, "PUT", own, {"roles": ["user", "admin"]}))[0] == 403


@pytest.mark.parametrize("what", ["both step down", "each blocks the other", "each takes the other's role"])
async def test_two_administrators_at_the_same_moment(
    ask: Speaker, chief: Person, user_factory: UserFactory, database: Database, what: str
) -> None:
    other = await user_factory(roles=("user", "admin"))
    for person in (chief, other):
        await ask.ok(person, "GET", "/me")

    def act(me: Person, them: Person) -> tuple[str, str, Json]:
        if what == "both step down":
            return "PUT", f"/admin/users/{me.id}/roles", {"roles": ["user"]}
        if what == "each blocks the other":
            return "PATCH", f"/admin/users/{them.id}", BLOCK
        return "PUT", f"/admin/users/{them.id}/roles", {"roles": []}

    answers = await asyncio.gather(ask(chief, *act(chief, other)), ask(other, *act(other, chief)))
    assert [one.is_success for one in answers].count(True) == 1, [one.text for one in answers]
    async with database.transaction() as session:
        left = await session.execute(
            text(
                "SELECT count(*) FROM user_roles r JOIN users u ON u.id = r.user_id "
                "WHERE r.role = 'admin' AND u.is_active"
            )
        )
        assert left.scalar_one() == 1


async def test_roles_are_set(
    ask: Speaker,
    chief: Person,
    user_factory: UserFactory,
    recorded: Callable[[str], Awaitable[list[Any]]],
) -> None:
    ada = await user_factory()
    there = f"/admin/users/{ada.id}/roles"
    assert (await ask.ok(chief, "PUT", there, {"roles": ["user", "support"]}))["roles"] == ["support", "user"]
    await ask.until(ada, lambda me: "admin:users" in me["permissions"])
    await ask.ok(chief, "PUT", there, {"roles": ["support", "user", "user"]})
    event = (await recorded("user.roles_changed"))[-1]
    assert (event.before, event.after) == ({"roles": ["user"]}, {"roles": ["support", "user"]})
    assert await ask.refused(chief, "PUT", there, {"roles": ["captain"]}) == (422, "role_unknown")
    assert (await ask.refused(chief, "PUT", f"/admin/users/{uuid4()}/roles", {"roles": []}))[0] == 404


async def test_customers_and_supporters_may_not(
    ask: Speaker, chief: Person, user_factory: UserFactory
) -> None:
    customer, helper = await user_factory(), await user_factory(roles=("user", "support"))
    there = f"/admin/users/{customer.id}"
    for method, path, body in (
        ("PATCH", there, BLOCK),
        ("PUT", f"{there}/roles", {"roles": ["admin"]}),
        ("POST", "/admin/roles", {"name": "mine", "title": "Mine", "permissions": []}),
    ):
        for person in (customer, helper):
            assert await ask.refused(person, method, path, body) == (403, "permission_missing")
    assert (await ask(helper, "GET", there)).is_success
    assert await ask.refused(customer, "GET", there) == (403, "permission_missing")
