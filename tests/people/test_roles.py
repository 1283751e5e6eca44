"""Global roles: edited by administrators, within what they hold themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text

from backend.database import Database
from backend.roles import shipped
from backend.roles.dao import RoleDAO
from backend.roles.permissions import PERMISSIONS, SHIPPED_ROLES
from backend.roles.shipped import ensure_roles
from tests.people.conftest import Json, Speaker
from tests.support.people import Person, UserFactory

WATCH = {"name": "night-watch", "title": "Night watch", "permissions": ["admin:overview", "admin:users"]}


@pytest.fixture
async def chief(user_factory: UserFactory) -> Person:
    return await user_factory(name="Chief", roles=("user", "admin"))


@pytest.fixture
async def editor(ask: Speaker, chief: Person, user_factory: UserFactory, database: Database) -> Person:
    """May edit roles and people, and holds little else."""
    permissions = ["admin:overview", "admin:roles", "admin:users", "admin:users_write", "me:read"]
    await ask.ok(
        chief, "POST", "/admin/roles", {"name": "editor", "title": "Editor", "permissions": permissions}
    )
    return await user_factory(name="Editor", roles=("editor",))


async def permissions_of(database: Database, role: str) -> frozenset[str]:
    async with database.transaction() as session:
        return await RoleDAO(session).permissions_of(role)


async def test_the_shipped_ones(ask: Speaker, chief: Person) -> None:
    roles = {one["name"]: one for one in (await ask.ok(chief, "GET", "/admin/roles"))["items"]}
    assert set(roles) == {"user", "support", "admin"}
    assert roles["admin"]["fixed"]
    assert set(roles["admin"]["permissions"]) == set(PERMISSIONS)
    assert all(one["shipped"] and one["givable"] for one in roles.values())
    assert roles["admin"]["holders"] == 1
    listed = (await ask.ok(chief, "GET", "/admin/permissions"))["items"]
    assert {one["name"]: one["description"] for one in listed} == PERMISSIONS


async def test_made_changed_deleted(
    ask: Speaker, chief: Person, recorded: Callable[[str], Awaitable[list[Any]]]
) -> None:
    made = await ask.ok(chief, "POST", "/admin/roles", WATCH)
    assert made == {**WATCH, "shipped": False, "fixed": False, "givable": True, "holders": 0}
    assert await ask.refused(chief, "POST", "/admin/roles", WATCH) == (409, "role_taken")
    there = "/admin/roles/night-watch"
    changed = await ask.ok(chief, "PATCH", there, {"title": "Dog watch"})
    assert (changed["title"], changed["permissions"]) == ("Dog watch", WATCH["permissions"])
    changed = await ask.ok(chief, "PATCH", there, {"permissions": ["admin:jobs"]})
    assert (changed["title"], changed["permissions"]) == ("Dog watch", ["admin:jobs"])
    (_, event) = await recorded("role.updated")
    assert (event.before["permissions"], event.after["permissions"]) == (WATCH["permissions"], ["admin:jobs"])
    await ask.ok(chief, "DELETE", there)
    assert await ask.refused(chief, "GET", there) == (404, "not_found")
    assert await ask.refused(chief, "PATCH", there, {"title": "x"}) == (404, "not_found")


async def test_what_is_no_role(ask: Speaker, chief: Person) -> None:
    for wrong in (
        {"name": "Night Watch"},
        {"name": "x"},
        {"name": "../admin"},
        {"title": ""},
        {"title": "a\0b"},
        {"permissions": ["admin:everything"]},
        {"permissions": None},
    ):
        assert (await ask.refused(chief, "POST", "/admin/roles", {**WATCH, **wrong}))[0] == 422, wrong


async def test_shipped_roles_keep_their_shape(ask: Speaker, chief: Person) -> None:
    for name in ("user", "support", "admin"):
        assert await ask.refused(chief, "DELETE", f"/admin/roles/{name}") == (409, "role_shipped")
    assert await ask.refused(chief, "PATCH", "/admin/roles/support", {"title": "Crew"}) == (
        409,
        "role_shipped",
    )
    for body in ({"permissions": []}, {"title": "Chief"}):
        assert await ask.refused(chief, "PATCH", "/admin/roles/admin", body) == (409, "role_fixed")


async def test_a_changed_role_bites_at_once(ask: Speaker, chief: Person, user_factory: UserFactory) -> None:
    helper = await user_factory(roles=("user", "support"))
    assert (await ask(helper, "GET", "/admin/users")).is_success
    await ask.ok(chief, "PATCH", "/admin/roles/support", {"permissions": ["admin:overview"]})
    await ask.until(helper, lambda me: "admin:users" not in me["permissions"])
    assert await ask.refused(helper, "GET", "/admin/users") == (403, "permission_missing")


async def test_an_edited_role_stays_edited_and_learns_what_is_new(
    ask: Speaker, chief: Person, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def restart() -> None:
        async with database.transaction() as session:
            await ensure_roles(session)

    await ask.ok(chief, "PATCH", "/admin/roles/support", {"permissions": ["admin:overview", "admin:audit"]})
    await restart()
    assert await permissions_of(database, "support") == {"admin:overview", "admin:audit"}
    # A version that declares more gives only what is new.
    title, declared = SHIPPED_ROLES["support"]
    monkeypatch.setitem(shipped.SHIPPED_ROLES, "support", (title, declared | {"admin:letters"}))
    await restart()
    await restart()
    learnt = {"admin:overview", "admin:audit", "admin:letters"}
    assert await permissions_of(database, "support") == learnt
    # What a version no longer knows is nobody's.
    async with database.transaction() as session:
        await session.execute(text("INSERT INTO role_permissions VALUES ('support', 'admin:sorcery')"))
    await restart()
    assert await permissions_of(database, "support") == learnt
    # The administrator holds everything, whatever happened to the rows.
    async with database.transaction() as session:
        await session.execute(text("DELETE FROM role_permissions WHERE role = 'admin'"))
    await restart()
    assert await permissions_of(database, "admin") == set(PERMISSIONS)


async def test_nobody_gives_what_they_lack(ask: Speaker, chief: Person, editor: Person) -> None:
    more, outranked = (403, "more_than_you_hold"), (403, "outranked")
    wish: Json = {"name": "wish", "title": "Wish", "permissions": ["admin:audit"]}
    assert await ask.refused(editor, "POST", "/admin/roles", wish) == more
    await ask.ok(editor, "POST", "/admin/roles", {**wish, "permissions": ["admin:overview"]})
    for permissions in (["admin:overview", "admin:view_as"], ["services:write"]):
        body = {"permissions": permissions}
        assert await ask.refused(editor, "PATCH", "/admin/roles/wish", body) == more
        assert await ask.refused(editor, "PATCH", "/admin/roles/editor", body) == more
    # Nor takes from those who may more.
    assert await ask.refused(editor, "PATCH", "/admin/roles/support", {"permissions": []}) == outranked
    await ask.ok(chief, "POST", "/admin/roles", {**WATCH, "permissions": ["admin:letters"]})
    assert await ask.refused(editor, "DELETE", "/admin/roles/night-watch") == outranked
    # Nor gives a role with more than they hold, by hand or by reassignment.
    there = f"/admin/users/{editor.id}/roles"
    for role in ("admin", "support", "user", "night-watch"):
        assert await ask.refused(editor, "PUT", there, {"roles": ["editor", role]}) == more
        params = {"reassign_to": role}
        assert await ask.refused(editor, "DELETE", "/admin/roles/wish", **params) == more
    there = f"/admin/users/{chief.id}"
    assert await ask.refused(editor, "PUT", f"{there}/roles", {"roles": []}) == outranked
    block = {"active": False, "reason": "Because I can"}
    assert await ask.refused(editor, "PATCH", there, block) == outranked


async def test_a_narrow_token_gives_no_more_than_it_may(ask: Speaker, user_factory: UserFactory) -> None:
    narrow = await user_factory(roles=("user", "admin"), scope="admin:roles admin:users")
    assert await ask.refused(narrow, "POST", "/admin/roles", WATCH) == (403, "more_than_you_hold")


async def test_a_role_that_people_hold(ask: Speaker, chief: Person, user_factory: UserFactory) -> None:
    await ask.ok(chief, "POST", "/admin/roles", WATCH)
    watch = await user_factory(roles=("user", "night-watch"))
    there = "/admin/roles/night-watch"
    assert (await ask.ok(chief, "GET", there))["holders"] == 1
    assert await ask.refused(chief, "DELETE", there) == (409, "role_held")
    for nobody in ("nothing", "night-watch"):
        assert (await ask.refused(chief, "DELETE", there, reassign_to=nobody))[1] == "role_unknown"
    await ask.ok(chief, "DELETE", there, reassign_to="support")
    assert (await ask.ok(chief, "GET", f"/admin/users/{watch.id}"))["roles"] == ["support", "user"]
    await ask.until(watch, lambda me: "admin:view_as" in me["permissions"])


async def test_two_who_take_from_each_other(ask: Speaker, chief: Person, user_factory: UserFactory) -> None:
    """The second no longer holds what it takes, and is told so."""
    other = await user_factory(roles=("user", "admin"))
    answers = await asyncio.gather(
        *(
            ask(me, "PUT", f"/admin/users/{them.id}/roles", {"roles": ["user"]})
            for me, them in ((chief, other), (other, chief))
        )
    )
    assert [one.is_success for one in answers].count(True) == 1
    (refused,) = (one for one in answers if one.is_error)
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_missing")


async def test_writing_wants_a_recent_proof(ask: Speaker, chief: Person, database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(text("UPDATE oauth_sessions SET proved_at = now() - interval '1 day'"))
    for method, path, body in (
        ("POST", "/admin/roles", WATCH),
        ("PATCH", "/admin/roles/support", {"permissions": []}),
        ("DELETE", "/admin/roles/support", None),
        ("PATCH", f"/admin/users/{chief.id}", {"active": True}),
        ("PUT", f"/admin/users/{chief.id}/roles", {"roles": ["admin"]}),
        ("POST", f"/admin/users/{chief.id}/view-as", {"reason": "Ticket 1"}),
    ):
        assert await ask.refused(chief, method, path, body) == (403, "proof_required"), path
