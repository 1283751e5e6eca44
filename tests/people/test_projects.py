"""Projects: making, renaming, deleting, and who may."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from backend.config import Settings
from backend.database import Database
from tests.api.operations import order_body
from tests.people.conftest import Speaker
from tests.support.people import Person, UserFactory


@pytest.fixture
def settings(settings_of: Callable[..., Settings]) -> Settings:
    return settings_of(projects_per_user=3)


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory(name="Ada")


async def test_made_renamed_listed_deleted(
    ask: Speaker, ada: Person, recorded: Callable[[str], Awaitable[list[Any]]]
) -> None:
    made = await ask.ok(ada, "POST", "/projects", {"name": "  Harbour office "})
    assert (made["name"], made["role"], made["personal"]) == ("Harbour office", "owner", False)
    # At once, whether or not the principal's cache has heard of it.
    assert len((await ask.ok(ada, "GET", f"/projects/{made['id']}/members"))["items"]) == 1
    renamed = await ask.ok(ada, "PATCH", f"/projects/{made['id']}", {"name": "Pilot station"})
    assert renamed["name"] == "Pilot station"
    listed = (await ask.ok(ada, "GET", "/projects"))["items"]
    assert [one["name"] for one in listed] == ["Ada", "Pilot station"]
    await ask.ok(ada, "DELETE", f"/projects/{made['id']}")
    assert await ask.refused(ada, "GET", f"/projects/{made['id']}") == (404, "not_found")
    await ask.until(ada, lambda me: len(me["projects"]) == 1)
    (event,) = await recorded("project.deleted")
    assert (event.user_id, str(event.project_id)) == (ada.id, made["id"])
    assert [len(await recorded(f"project.{what}")) for what in ("created", "renamed")] == [1, 1]


async def test_names_that_are_none(ask: Speaker, ada: Person) -> None:
    for name in ("", "   ", "x" * 101, "line\nbreak", "nul\0", None, 7):
        assert (await ask.refused(ada, "POST", "/projects", {"name": name}))[0] == 422, name


async def test_only_so_many(ask: Speaker, ada: Person) -> None:
    answers = await asyncio.gather(*(ask(ada, "POST", "/projects", {"name": "Twin"}) for _ in range(6)))
    assert sorted(one.status_code for one in answers) == [201, 201, 409, 409, 409, 409]
    assert await ask.refused(ada, "POST", "/projects", {"name": "More"}) == (409, "too_many_projects")


async def test_the_personal_one_stays(ask: Speaker, ada: Person) -> None:
    path = f"/projects/{ada.project_id}"
    assert await ask.refused(ada, "DELETE", path) == (409, "project_personal")
    assert await ask.refused(ada, "POST", f"{path}/leave") == (409, "last_owner")
    assert (await ask.ok(ada, "PATCH", path, {"name": "My berth"}))["personal"]


async def test_one_in_use_is_not_deleted(ask: Speaker, ada: Person, database: Database) -> None:
    made = await ask.ok(ada, "POST", "/projects", {"name": "Busy"})
    await ask.until(ada, lambda me: len(me["projects"]) == 2)
    await ask.ok(ada, "POST", "/orders", {**order_body(), "project_id": made["id"]})
    assert await ask.refused(ada, "DELETE", f"/projects/{made['id']}") == (409, "project_in_use")


async def test_an_order_and_a_deletion_at_once(ask: Speaker, ada: Person, database: Database) -> None:
    """Either the project is gone and nothing was ordered, or the order keeps it."""
    for _ in range(4):
        made = await ask.ok(ada, "POST", "/projects", {"name": "Contested"})
        await ask.until(ada, lambda me, made=made: made["id"] in {one["id"] for one in me["projects"]})
        ordered, deleted = await asyncio.gather(
            ask(ada, "POST", "/orders", {**order_body(), "project_id": made["id"]}),
            ask(ada, "DELETE", f"/projects/{made['id']}"),
        )
        assert (ordered.status_code, deleted.status_code) in ((202, 409), (404, 204))
        if deleted.status_code == 409:
            return


async def test_other_peoples_projects_are_not_there(
    ask: Speaker, ada: Person, user_factory: UserFactory
) -> None:
    eve = await user_factory()
    for project in (ada.project_id, uuid4()):
        path = f"/projects/{project}"
        for method, below, body in (
            ("GET", "", None),
            ("PATCH", "", {"name": "Mine"}),
            ("DELETE", "", None),
            ("POST", "/leave", None),
            ("POST", "/transfer", {"user_id": str(eve.id)}),
            ("GET", "/members", None),
            ("PATCH", f"/members/{ada.id}", {"role": "viewer"}),
            ("DELETE", f"/members/{ada.id}", None),
            ("GET", "/invitations", None),
            ("POST", "/invitations", {"email": eve.email, "role": "owner"}),
            ("POST", f"/invitations/{uuid4()}/resend", None),
            ("DELETE", f"/invitations/{uuid4()}", None),
        ):
            assert await ask.refused(eve, method, path + below, body) == (404, "not_found"), below


@pytest.mark.parametrize("role", ["viewer", "billing", "developer"])
async def test_members_who_are_no_owners(
    ask: Speaker, ada: Person, user_factory: UserFactory, database: Database, role: str
) -> None:
    bob = await user_factory()
    await ask.join(ada.project_id, bob, role, database)
    path = f"/projects/{ada.project_id}"
    for method, below, body in (
        ("PATCH", "", {"name": "Mine"}),
        ("DELETE", "", None),
        ("POST", "/transfer", {"user_id": str(bob.id)}),
        ("PATCH", f"/members/{bob.id}", {"role": "owner"}),
        ("DELETE", f"/members/{ada.id}", None),
        ("POST", "/invitations", {"email": "eve@example.com", "role": "viewer"}),
        ("POST", f"/invitations/{uuid4()}/resend", None),
        ("DELETE", f"/invitations/{uuid4()}", None),
    ):
        assert await ask.refused(bob, method, path + below, body) == (403, "permission_missing"), below
    assert len((await ask.ok(bob, "GET", f"{path}/members"))["items"]) == 2
