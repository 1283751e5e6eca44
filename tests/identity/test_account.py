"""GET and PATCH /api/v1/me, projects, and the operator's commands."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import delete, func, select

from backend.database import Database
from backend.exceptions import Invalid
from backend.oauth.clients import ensure_clients
from backend.oauth.models import OAuthClient
from backend.projects.membership import add_member, create_personal
from backend.roles.models import Role, RolePermission
from backend.roles.permissions import ADMIN, CUSTOMER, PERMISSIONS, SHIPPED_ROLES
from backend.roles.shipped import ensure_roles
from backend.users.administrator import create_admin
from backend.users.models import User
from tests.identity.oauth import me, sign_in
from tests.support.people import Person, UserFactory


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory(name="Ada")


async def test_me(client: httpx.AsyncClient, ada: Person) -> None:
    body = (await me(client, ada.access_token)).json()
    assert set(body) == {
        *("id", "email", "email_verified", "verification_required", "pending_email", "created_at"),
        "billing_enabled",
        *("name", "locale", "time_zone", "phone", "pending_phone", "permissions", "projects"),
    }
    assert (body["id"], body["email"], body["name"], body["locale"]) == (str(ada.id), ada.email, "Ada", "en")
    assert body["permissions"] == sorted(CUSTOMER)
    assert body["projects"] == [
        {"id": str(ada.project_id), "name": "Ada", "role": "owner", "billing_stage": "ok"}
    ]
    assert body["created_at"].endswith("Z")


async def test_only_what_is_given_changes(client: httpx.AsyncClient, ada: Person) -> None:
    answer = await client.patch("/api/v1/me", json={"locale": "ru"}, headers=ada.headers)
    assert (answer.json()["name"], answer.json()["locale"]) == ("Ada", "ru")
    answer = await client.patch("/api/v1/me", json={"name": "  Ада  "}, headers=ada.headers)
    assert (answer.json()["name"], answer.json()["locale"]) == ("Ада", "ru")
    assert (await client.patch("/api/v1/me", json={}, headers=ada.headers)).status_code == 200
    body = (await me(client, ada.access_token)).json()
    assert (body["name"], body["locale"]) == ("Ада", "ru")


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"name": ""},
        {"name": "x" * 101},
        {"name": "a\0"},
        {"locale": None},
        {"locale": "de"},
        {"email": "other@example.com"},
        {"password": "x"},
        {"is_active": False},
        [],
        None,
    ],
)
async def test_changes_that_are_refused(client: httpx.AsyncClient, ada: Person, change: object) -> None:
    answer = await client.patch("/api/v1/me", json=change, headers=ada.headers)
    assert answer.status_code == 422
    assert (await me(client, ada.access_token)).json()["name"] == "Ada"


async def test_projects(client: httpx.AsyncClient, ada: Person, user_factory: UserFactory) -> None:
    eve = await user_factory()
    body = (await client.get("/api/v1/projects", headers=ada.headers)).json()
    assert [(item["id"], item["role"], item["personal"]) for item in body["items"]] == [
        (str(ada.project_id), "owner", True)
    ]
    mine = await client.get(f"/api/v1/projects/{ada.project_id}", headers=ada.headers)
    assert mine.json() == body["items"][0]
    for project in (eve.project_id, uuid4()):
        answer = await client.get(f"/api/v1/projects/{project}", headers=ada.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await client.get("/api/v1/projects/nonsense", headers=ada.headers)).status_code == 422


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "name", "-name"])
async def test_pages_of_projects(
    client: httpx.AsyncClient, ada: Person, user_factory: UserFactory, database: Database, sort: str
) -> None:
    eve = await user_factory()
    async with database.transaction() as session:
        for number in range(4):
            project = await create_personal(session, eve.id, f"project {number % 2}")
            await add_member(session, project.id, ada.id, "viewer")
    seen: list[str] = []
    cursor = None
    while True:
        params = {"sort": sort, "size": 2, **({"cursor": cursor} if cursor else {})}
        body = (await client.get("/api/v1/projects", params=params, headers=ada.headers)).json()
        seen += [item["id"] for item in body["items"]]
        cursor = body["next_page"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize("query", ["size=0", "size=101", "size=x", "sort=email", "cursor=%00", "cursor=e30"])
async def test_pages_that_are_not(client: httpx.AsyncClient, ada: Person, query: str) -> None:
    answer = await client.get(f"/api/v1/projects?{query}", headers=ada.headers)
    assert answer.status_code in (400, 422)


class TestAdministrator:
    async def test_is_made_once(self, client: httpx.AsyncClient, database: Database) -> None:
        async with database.transaction() as session:
            user, password = await create_admin(session, "Admin@Localhost")
        assert password is not None
        assert len(password) >= 24
        token = (await sign_in(client, "admin@localhost", password)).json()["access_token"]
        assert (await me(client, token)).json()["permissions"] == sorted(PERMISSIONS)
        async with database.transaction() as session:
            again, none = await create_admin(session, "admin@localhost")
        assert (again.id, none) == (user.id, None)
        assert (await sign_in(client, "admin@localhost", password)).status_code == 200

    async def test_a_customer_is_promoted_and_keeps_the_password(
        self, client: httpx.AsyncClient, ada: Person, database: Database
    ) -> None:
        async with database.transaction() as session:
            user, password = await create_admin(session, ada.email)
        assert (user.id, password) == (ada.id, None)
        token = (await sign_in(client, ada)).json()["access_token"]
        assert set((await me(client, token)).json()["permissions"]) >= ADMIN

    async def test_needs_an_address(self, database: Database) -> None:
        with pytest.raises(Invalid):
            async with database.transaction() as session:
                await create_admin(session, "admin")


async def test_what_is_shipped_is_restored_and_what_was_edited_is_not(
    app: FastAPI, database: Database
) -> None:
    async with database.transaction() as session:
        session.add(Role(name="auditor", title="Our own"))
        await session.flush()
        session.add(RolePermission(role="auditor", permission="admin:jobs"))
        session.add(RolePermission(role="user", permission="gone:since"))
        await session.execute(delete(RolePermission).where(RolePermission.permission == "services:write"))
        await session.execute(delete(OAuthClient).where(OAuthClient.id == "cli"))
    for _ in range(2):
        async with database.transaction() as session:
            await ensure_roles(session)
            await ensure_clients(session)
    async with database.session() as session:
        rows = (await session.execute(select(RolePermission.role, RolePermission.permission))).all()
        clients = (await session.execute(select(OAuthClient.id).order_by(OAuthClient.id))).scalars().all()
    held = {role: {p for r, p in rows if r == role} for role in {row.role for row in rows}}
    assert held.pop("auditor") == {"admin:jobs"}
    edited = {"user": {"services:write"}}
    assert held == {
        name: set(declared) - edited.get(name, set()) for name, (_, declared) in SHIPPED_ROLES.items()
    }
    assert clients == ["cli", "panel"]


async def test_loading_at_once_is_fine(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(delete(OAuthClient))
        await session.execute(delete(RolePermission))

    async def load() -> None:
        async with database.transaction() as session:
            await ensure_roles(session)
            await ensure_clients(session)

    await asyncio.gather(*(load() for _ in range(5)))
    async with database.session() as session:
        assert (await session.execute(select(func.count()).select_from(OAuthClient))).scalar_one() == 2
        assert (await session.execute(select(func.count()).select_from(User))).scalar_one() == 0


def test_the_document_names_the_operations(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    named = {operation["operationId"] for path in paths.values() for operation in path.values()}
    assert named >= {
        "users_register",
        "oauth_token",
        "oauth_revoke",
        "oauth_jwks",
        "oauth_metadata",
        "me_get",
        "me_update",
        "projects_list",
        "projects_get",
    }
    assert paths["/api/v1/me"]["get"]["security"] == [{"oauth2": ["me:read"]}]
    assert "security" not in paths["/api/v1/users"]["post"]
    assert set(paths["/oauth/token"]["post"]["responses"]) == {"200", "400", "401", "403", "413", "429"}
    change = app.openapi()["components"]["schemas"]["AccountChange"]
    assert "default" not in change["properties"]["name"]
    assert "required" not in change
