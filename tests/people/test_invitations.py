"""Invitations: a link is good once, for a week, until it is taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from backend.config import Settings
from backend.database import Database
from tests.people.conftest import Json, Speaker
from tests.support.people import Person, UserFactory

Letters = Callable[[str], Awaitable[list[tuple[str, str, Json]]]]
LinkOf = Callable[[str], Awaitable[str]]


@pytest.fixture
def settings(settings_of: Callable[..., Settings]) -> Settings:
    return settings_of(invitations_per_project=3, invitation_rate_per_user="8/hour")


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory(name="Ada")


@pytest.fixture
async def bob(user_factory: UserFactory) -> Person:
    return await user_factory(name="Bob")


@pytest.fixture
def path(ada: Person) -> str:
    return f"/projects/{ada.project_id}/invitations"


async def test_invited_seen_accepted(
    ask: Speaker,
    ada: Person,
    bob: Person,
    path: str,
    letters: Letters,
    link_of: LinkOf,
    recorded: Callable[[str], Awaitable[list[Any]]],
) -> None:
    made = await ask.ok(ada, "POST", path, {"email": bob.email.upper(), "role": "developer"})
    assert (made["email"], made["role"], made["expired"]) == (bob.email, "developer", False)
    assert made["invited_by"] == ada.email
    ((template, locale, values),) = await letters(bob.email)
    assert (template, locale) == ("project_invitation", "en")
    assert (values["project"], values["inviter"], values["role"]) == ("Ada", "Ada", "developer")
    assert "token" not in str(made)
    assert [one["id"] for one in (await ask.ok(ada, "GET", path))["items"]] == [made["id"]]

    token = await link_of(bob.email)
    seen = await ask.ok(bob, "POST", "/invitations/preview", {"token": token})
    assert (seen["project_name"], seen["role"], seen["invited_by"]) == ("Ada", "developer", "Ada")
    assert (seen["account_email"], seen["member"]) == (bob.email, False)
    project = await ask.ok(bob, "POST", "/invitations/accept", {"token": token})
    assert (project["id"], project["role"]) == (str(ada.project_id), "developer")
    await ask.until(bob, lambda me: len(me["projects"]) == 2)
    assert (await ask.ok(ada, "GET", path))["items"] == []
    (event,) = await recorded("invitation.accepted")
    assert (event.user_id, event.after["account"]) == (bob.id, bob.email)
    assert token not in str(event.after)
    # A second click is no error for the same person, and nothing new.
    assert (await ask.ok(bob, "POST", "/invitations/accept", {"token": token}))["id"] == project["id"]
    assert len(await recorded("invitation.accepted")) == 1


async def test_the_link_is_the_proof(
    ask: Speaker, ada: Person, bob: Person, path: str, link_of: LinkOf
) -> None:
    await ask.ok(ada, "POST", path, {"email": "work@example.com", "role": "viewer"})
    token = await link_of("work@example.com")
    seen = await ask.ok(bob, "POST", "/invitations/preview", {"token": token})
    assert seen["account_email"] == bob.email
    await ask.ok(bob, "POST", "/invitations/accept", {"token": token})
    listed = await ask.ok(ada, "GET", f"/projects/{ada.project_id}/members", role="viewer")
    assert [one["email"] for one in listed["items"]] == [bob.email]


async def test_an_address_with_an_account_looks_like_one_without(
    ask: Speaker, ada: Person, bob: Person, path: str, letters: Letters
) -> None:
    answers = [
        await ask.ok(ada, "POST", path, {"email": email, "role": "viewer"})
        for email in (bob.email, "nobody@example.com")
    ]
    fixed = [
        {name: one[name] for name in one if name not in ("id", "email", "created_at", "expires_at")}
        for one in answers
    ]
    assert fixed[0] == fixed[1]
    assert len(await letters(bob.email)) == len(await letters("nobody@example.com")) == 1


async def test_the_letter_speaks_the_invitees_language_else_the_inviters(
    ask: Speaker, ada: Person, bob: Person, path: str, letters: Letters
) -> None:
    await ask.ok(bob, "PATCH", "/me", {"locale": "ru"})
    await ask.ok(ada, "POST", path, {"email": bob.email, "role": "viewer"})
    assert (await letters(bob.email))[0][1] == "ru"
    await ask.ok(ada, "PATCH", "/me", {"locale": "ru"})
    await ask.ok(ada, "POST", path, {"email": "nobody@example.com", "role": "viewer"})
    assert (await letters("nobody@example.com"))[0][1] == "ru"


async def test_who_is_a_member_is_not_invited(
    ask: Speaker, ada: Person, bob: Person, path: str, link_of: LinkOf, database: Database
) -> None:
    already = (409, "already_member")
    assert await ask.refused(ada, "POST", path, {"email": ada.email, "role": "viewer"}) == already
    await ask.ok(ada, "POST", path, {"email": "other@example.com", "role": "viewer"})
    token = await link_of("other@example.com")
    # The inviter opens the own link: nothing is used up, and nobody is demoted.
    assert await ask.refused(ada, "POST", "/invitations/accept", {"token": token}) == already
    assert (await ask.ok(ada, "POST", "/invitations/preview", {"token": token}))["member"]
    await ask.ok(bob, "POST", "/invitations/accept", {"token": token})
    assert await ask.refused(ada, "POST", path, {"email": bob.email, "role": "viewer"}) == already


async def test_twice_at_once(
    ask: Speaker, ada: Person, bob: Person, path: str, link_of: LinkOf, user_factory: UserFactory
) -> None:
    eve = await user_factory()
    await ask.ok(ada, "POST", path, {"email": bob.email, "role": "viewer"})
    token = await link_of(bob.email)
    answers = await asyncio.gather(
        *(ask(who, "POST", "/invitations/accept", {"token": token}) for who in (bob, eve, bob, eve))
    )
    winners = {at % 2 for at, one in enumerate(answers) if one.is_success}
    assert len(winners) == 1, [one.text for one in answers]
    assert {one.json()["code"] for one in answers if one.is_error} == {"invitation_used"}
    members = (await ask.ok(ada, "GET", f"/projects/{ada.project_id}/members"))["items"]
    assert len(members) == 2


async def test_used_revoked_resent_expired_unknown(
    ask: Speaker,
    ada: Person,
    bob: Person,
    path: str,
    link_of: LinkOf,
    user_factory: UserFactory,
    database: Database,
) -> None:
    eve = await user_factory()

    async def judged(token: str) -> tuple[int, str]:
        before = await ask.refused(eve, "POST", "/invitations/preview", {"token": token})
        assert await ask.refused(eve, "POST", "/invitations/accept", {"token": token}) == before
        return before

    made = await ask.ok(ada, "POST", path, {"email": bob.email, "role": "viewer"})
    first = await link_of(bob.email)
    await ask.ok(ada, "POST", f"{path}/{made['id']}/resend")
    second = await link_of(bob.email)
    assert await judged(first) == (404, "invitation_unknown")

    async with database.transaction() as session:
        await session.execute(text("UPDATE project_invitations SET expires_at = now() - interval '1 second'"))
    assert await judged(second) == (409, "invitation_expired")
    (listed,) = (await ask.ok(ada, "GET", path))["items"]
    assert listed["expired"]
    # What expired may be sent again, or invited to anew.
    await ask.ok(ada, "POST", f"{path}/{made['id']}/resend")
    third = await link_of(bob.email)
    await ask.ok(ada, "DELETE", f"{path}/{made['id']}")
    assert await judged(third) == (409, "invitation_revoked")
    assert await ask.refused(ada, "DELETE", f"{path}/{made['id']}") == (404, "not_found")
    assert await ask.refused(ada, "POST", f"{path}/{made['id']}/resend") == (404, "not_found")

    await ask.ok(ada, "POST", path, {"email": bob.email, "role": "viewer"})
    fourth = await link_of(bob.email)
    await ask.ok(bob, "POST", "/invitations/accept", {"token": fourth})
    assert await judged(fourth) == (409, "invitation_used")
    assert await judged("x" * 43) == (404, "invitation_unknown")


async def test_an_invitation_of_another_project(ask: Speaker, ada: Person, bob: Person, path: str) -> None:
    made = await ask.ok(ada, "POST", path, {"email": "eve@example.com", "role": "viewer"})
    there = f"/projects/{bob.project_id}/invitations/{made['id']}"
    assert await ask.refused(bob, "DELETE", there) == (404, "not_found")
    assert await ask.refused(bob, "POST", f"{there}/resend") == (404, "not_found")


async def test_one_open_invitation_an_address(ask: Speaker, ada: Person, path: str) -> None:
    body = {"email": "eve@example.com", "role": "viewer"}
    answers = await asyncio.gather(*(ask(ada, "POST", path, body) for _ in range(3)))
    assert sorted(one.status_code for one in answers) == [201, 409, 409]
    assert await ask.refused(ada, "POST", path, body) == (409, "already_invited")


async def test_limits(ask: Speaker, ada: Person, path: str) -> None:
    def body() -> Json:
        return {"email": f"{uuid4().hex}@example.com", "role": "viewer"}

    answers = [await ask(ada, "POST", path, body()) for _ in range(10)]
    assert [one.status_code for one in answers] == [201] * 3 + [409] * 5 + [429] * 2
    assert answers[3].json()["code"] == "too_many_invitations"
    assert int(answers[-1].headers["Retry-After"]) > 0


async def test_who_goes_takes_the_own_invitations_along(
    ask: Speaker, ada: Person, bob: Person, link_of: LinkOf, user_factory: UserFactory, database: Database
) -> None:
    """Else an owner who is removed comes back by a link sent to a second address."""
    eve = await user_factory()
    made = await ask.ok(ada, "POST", "/projects", {"name": "Shared"})
    await ask.join(made["id"], bob, "owner", database)
    await ask.ok(bob, "POST", f"/projects/{made['id']}/invitations", {"email": eve.email, "role": "owner"})
    token = await link_of(eve.email)
    await ask.until(ada, lambda me: len(me["projects"]) == 2)
    await ask.ok(ada, "DELETE", f"/projects/{made['id']}/members/{bob.id}")
    refused = (409, "invitation_revoked")
    assert await ask.refused(eve, "POST", "/invitations/accept", {"token": token}) == refused


async def test_a_deleted_project_takes_nobody(
    ask: Speaker, ada: Person, bob: Person, link_of: LinkOf
) -> None:
    made = await ask.ok(ada, "POST", "/projects", {"name": "Short"})
    await ask.until(ada, lambda me: len(me["projects"]) == 2)
    await ask.ok(ada, "POST", f"/projects/{made['id']}/invitations", {"email": bob.email, "role": "viewer"})
    token = await link_of(bob.email)
    answers = await asyncio.gather(
        ask(ada, "DELETE", f"/projects/{made['id']}"),
        ask(bob, "POST", "/invitations/accept", {"token": token}),
    )
    assert answers[0].status_code == 204
    assert await ask.refused(bob, "GET", f"/projects/{made['id']}") == (404, "not_found")


async def test_what_is_no_address_and_no_role(ask: Speaker, ada: Person, path: str) -> None:
    for email, role in (("no address", "viewer"), ("a@b@c", "viewer"), ("eve@example.com", "captain")):
        assert (await ask.refused(ada, "POST", path, {"email": email, "role": role}))[0] == 422
