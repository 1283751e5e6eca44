"""POST /api/v1/users: who is let in, and that nobody is made by halves."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from backend.database import Database
from backend.projects.models import Project, ProjectMember
from backend.roles.models import UserRole
from backend.users.models import User
from tests.identity.oauth import sign_in
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD

URL = "/api/v1/users"


def form(**changes: object) -> dict[str, object]:
    return {"email": "ada@example.com", "password": PASSWORD, **changes}


async def count(database: Database, model: type) -> int:
    async with database.session() as session:
        return (await session.execute(select(func.count()).select_from(model))).scalar_one()


async def test_makes_user_project_membership_and_role(client: httpx.AsyncClient, database: Database) -> None:
    answer = await client.post(URL, json=form(name="Ada Lovelace", locale="ru"))
    assert (answer.status_code, answer.json()) == (202, {"email": "ada@example.com"})
    async with database.session() as session:
        user = (await session.execute(select(User))).scalar_one()
        project, member = (
            await session.execute(select(Project, ProjectMember).join(ProjectMember.project))
        ).one()
        assert (project.personal, member.role, member.user_id) == (True, "owner", user.id)
        assert (await session.execute(select(UserRole.role))).scalars().all() == ["user"]
    assert (user.email, user.name, user.locale) == ("ada@example.com", "Ada Lovelace", "ru")
    assert user.email_verified_at is None
    assert user.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_name_defaults_to_the_local_part(client: httpx.AsyncClient, database: Database) -> None:
    await client.post(URL, json=form())
    async with database.session() as session:
        assert (await session.execute(select(User.name))).scalar_one() == "ada"


@pytest.mark.parametrize("again", ["ada@example.com", "ADA@Example.COM", "  ada@example.com "])
async def test_a_taken_address_is_told_to_its_owner_alone(
    client: httpx.AsyncClient, database: Database, mailbox: Mailbox, again: str
) -> None:
    first = await client.post(URL, json=form(name="Ada"))
    answer = await client.post(URL, json=form(email=again, password="another lighthouse", name="Eve"))
    assert (answer.status_code, answer.json()) == (first.status_code, first.json())
    said = {*answer.headers} ^ {*first.headers}
    assert said == set()
    letter = await mailbox.letter(to="ada@example.com", template="account_exists")
    assert "Ada" in letter.text
    assert "Eve" not in letter.text
    assert await mailbox.count(to="ada@example.com", template="verify_email") == 1
    assert (await sign_in(client, "ada@example.com", "another lighthouse")).status_code == 400
    assert (await sign_in(client, "ada@example.com")).status_code == 200
    assert await count(database, User) == 1


async def test_one_of_many_at_once_wins(client: httpx.AsyncClient, database: Database) -> None:
    answers = await asyncio.gather(*(client.post(URL, json=form()) for _ in range(8)))
    assert [answer.status_code for answer in answers] == [202] * 8
    assert [await count(database, model) for model in (User, Project, ProjectMember, UserRole)] == [1] * 4


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": ""}, "email"),
        ({"email": "ada"}, "email"),
        ({"email": "ada@"}, "email"),
        ({"email": "@example.com"}, "email"),
        ({"email": "a b@example.com"}, "email"),
        ({"email": "ada@example.com\0"}, "email"),
        ({"email": "ada\r\nBcc: x@example.com"}, "email"),
        ({"email": f"{'a' * 250}@example.com"}, "email"),
        ({"email": "\ud800@example.com"}, "email"),
        ({"email": 7}, "email"),
        ({"email": None}, "email"),
        ({"email": ["ada@example.com"]}, "email"),
        ({"password": ""}, "password"),
        ({"password": "123456789"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"password": "a good long\0one here"}, "password"),
        ({"password": "aaaaaaaaaaaaaaaa"}, "password"),
        ({"password": "Password123"}, "password"),
        ({"password": "ADA@example.com"}, "password"),
        ({"password": {"$ne": ""}}, "password"),
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "nul\0"}, "name"),
        ({"locale": "xx"}, "locale"),
        ({"is_admin": True}, "is_admin"),
    ],
)
async def test_what_does_not_fit_is_said_by_field(
    client: httpx.AsyncClient, database: Database, changes: dict[str, object], field: str
) -> None:
    # Not `json=`: httpx cannot send a lone surrogate, a hostile client can.
    content = json.dumps(form(**changes))
    answer = await client.post(URL, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    body = answer.json()
    assert [error["loc"] for error in body["errors"]] == [["body", field]]
    assert PASSWORD not in answer.text
    assert await count(database, User) == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"email": 1e999}'])
async def test_what_is_not_an_object_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post(URL, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Ада@Пример.рф", "ада@пример.рф"),
        ("user@localhost", "user@localhost"),
        ("Demo+tag@apps.localhost", "demo+tag@apps.localhost"),
        ("x@sub.example.test", "x@sub.example.test"),
    ],
)
async def test_unusual_addresses(client: httpx.AsyncClient, given: str, kept: str) -> None:
    answer = await client.post(URL, json=form(email=given))
    assert (answer.status_code, answer.json()["email"]) == (202, kept)


async def test_passwords_may_hold_anything_printable_or_not(client: httpx.AsyncClient) -> None:
    password = "пароль 🔑 \t «длинный»" + "z" * 100
    await client.post(URL, json=form(password=password))
    answer = await client.post(
        "/oauth/token",
        data={
            "grant_type": "password",
            "client_id": "cli",
            "username": "ada@example.com",
            "password": password,
        },
    )
    assert answer.status_code == 200, answer.text


class TestLimited:
    @pytest.fixture
    def settings(self, settings_of):  # type: ignore[no-untyped-def]
        return settings_of(registration_rate_per_address="3/hour")

    async def test_by_address(self, client: httpx.AsyncClient, app: FastAPI) -> None:
        async def register(number: int, address: str) -> httpx.Response:
            return await client.post(
                URL, json=form(email=f"u{number}@example.com"), headers={"X-Forwarded-For": address}
            )

        assert [(await register(i, "203.0.113.5")).status_code for i in range(4)] == [202, 202, 202, 429]
        refused = await register(9, "203.0.113.5")
        assert refused.json()["code"] == "too_many_requests"
        assert 0 < int(refused.headers["retry-after"]) <= 3600
        assert (await register(9, "203.0.113.6")).status_code == 202


class TestInProduction:
    @pytest.fixture
    def settings(self, settings_of, monkeypatch):  # type: ignore[no-untyped-def]
        # The engine is the one thing of development that stays; it has no part in this.
        settings = settings_of(panel_url="https://panel.example.com")
        object.__setattr__(settings, "environment", "production")
        return settings

    @pytest.mark.parametrize("email", ["a@localhost", "a@x.localhost", "a@example.test", "a@router.local"])
    async def test_addresses_that_cannot_be_reached_are_refused(
        self, client: httpx.AsyncClient, email: str
    ) -> None:
        answer = await client.post(URL, json=form(email=email))
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_email")

    async def test_others_are_not(self, client: httpx.AsyncClient) -> None:
        assert (await client.post(URL, json=form(email="a@example.org"))).status_code == 202
