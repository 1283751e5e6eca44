"""What belongs to somebody else does not exist: what the matrix (`tests/api/matrix`) does not say of it."""

from __future__ import annotations

import httpx
from fastapi import FastAPI

from backend.database import Database
from tests.api.operations import EMPTY_LISTS, OWN, PUBLIC, Operation, is_problem
from tests.support.people import Person, UserFactory
from tests.support.undo import undone

PRICED = frozenset({"orders_preview"})
"""Asked with no project named, it is about the stranger's own: the catalogue's price, and their balance."""


async def test_a_stranger(  # type: ignore[no-untyped-def]
    client: httpx.AsyncClient, walk: list[Operation], objects, stranger: Person, everything
) -> None:
    before, wrong, walked = await everything(), [], 0
    for operation in walk:
        if operation.id in PUBLIC | OWN:
            continue
        walked += 1
        answer = await operation.call(client, objects, headers=stranger.headers)
        told = (operation.id, answer.status_code, answer.text[:200])
        if operation.is_admin:
            right = answer.status_code == 403 and answer.json()["code"] == "permission_missing"
        elif operation.ids:
            right = answer.status_code == 404 and is_problem(answer)
        else:
            # An operation that is none of these is new: say here what a stranger gets.
            right = answer.status_code == 200 and (
                operation.id in PRICED or (operation.id in EMPTY_LISTS and answer.json()["items"] == [])
            )
        if not (right and operation.declares(answer)):
            wrong.append(told)
    assert wrong == []
    assert walked > 20
    assert await everything() == before


async def test_the_walk_would_notice(
    client: httpx.AsyncClient,
    walk: list[Operation],
    objects: dict[str, str],
    owner: Person,
    database: Database,
) -> None:
    """To the owner the same calls are answered: the 404s above are about who asks."""
    for operation in walk:
        if operation.ids and not operation.is_admin and not operation.is_stream:
            async with undone(database):
                answer = await operation.call(client, objects, headers=owner.headers)
            # The stack is of the only version there is of its template.
            fine = (409, 422, 503) if operation.id == "stacks_upgrade" else (409, 503)
            assert answer.is_success or answer.status_code in fine, (operation.id, answer.text)
            assert operation.declares(answer), (operation.id, answer.status_code)


async def test_filters_and_bodies_that_name_what_is_not_theirs(  # type: ignore[no-untyped-def]
    client: httpx.AsyncClient, objects, stranger: Person, owner: Person, everything
) -> None:
    for path in ("services", "jobs", "orders"):
        whose = {"project_id": objects["project_id"], "service_id": objects["service_id"]}
        answer = await client.get(f"/api/v1/{path}", params=whose, headers=stranger.headers)
        assert answer.json()["items"] == []
        # Their cursor leads nowhere either.
        page = (await client.get(f"/api/v1/{path}?size=1", headers=owner.headers)).json()
        assert len(page["items"]) == 1
    before = await everything()
    body = {
        "project_id": objects["project_id"],
        "template_id": "git-app",
        "plan_id": "dinghy",
        "name": "not-mine",
        "source": {"repo_url": "https://git.example.com/a.git"},
    }
    answer = await client.post("/api/v1/orders", json=body, headers=stranger.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    projects = (await client.get("/api/v1/projects", headers=stranger.headers)).json()["items"]
    assert [project["id"] for project in projects] == [str(stranger.project_id)]
    assert await everything() == before


async def test_administrators_see_what_is_not_theirs_in_lists_of_their_own(
    client: httpx.AsyncClient, objects: dict[str, str], user_factory: UserFactory
) -> None:
    admin = await user_factory(roles=("user", "admin"))
    path = f"/api/v1/services/{objects['service_id']}"
    assert (await client.get(path, headers=admin.headers)).status_code == 200
    assert (await client.get(f"{path}/variables", headers=admin.headers)).status_code == 404
    assert (await client.get("/api/v1/services", headers=admin.headers)).json()["items"] == []
    listed = (await client.get("/api/v1/admin/services", headers=admin.headers)).json()["items"]
    assert objects["service_id"] in [item["id"] for item in listed]


async def test_what_was_deleted_is_gone_for_its_owner_too(
    app: FastAPI, client: httpx.AsyncClient, walk: list[Operation], objects: dict[str, str], owner: Person
) -> None:
    async with app.state.parts.database.transaction() as session:
        from sqlalchemy import text

        await session.execute(text("UPDATE services SET deleted_at = now()"))
    for operation in walk:
        if {"service_id", "deployment_id"} & set(operation.ids):
            answer = await operation.call(client, objects, headers=owner.headers)
            assert answer.status_code == 404, (operation.id, answer.text)


class TestAnonymous:
    async def test_ids_tell_nothing(self, client: httpx.AsyncClient, walk: list[Operation]) -> None:
        """Whether something exists is not said to whoever has no token."""
        for operation in walk:
            if operation.ids and operation.id not in PUBLIC:
                nothing = dict.fromkeys(operation.ids, "00000000-0000-7000-8000-000000000000")
                assert (await operation.call(client, nothing)).status_code == 401

    async def test_public_ones_declare_no_token(self, walk: list[Operation]) -> None:
        assert {one.id for one in walk if not one.document.get("security")} == PUBLIC
