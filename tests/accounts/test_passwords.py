"""A new password: which are refused, by the present one, and by a link."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from backend.database import Database
from backend.users.strength import weakness
from tests.identity.oauth import me, sign_in
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, Person, UserFactory

ASK = "/api/v1/users/password-reset"
RESET = "/api/v1/users/password-reset/confirm"
NEW = "seven gulls over the quay"


@pytest.mark.parametrize(
    "password",
    [
        *("Password123", "PASSWORD2024!!", "dragon123456", "monkeymonkey", "qwertyuiop", "1234567890"),
        *("aaaaaaaaaaaa", "abababababab", "liverpool!!!!", "!!manchester!!", "correcthorsebatterystaple"),
        *("ada@example.com", "ADA@example.com1", "AdaLovelace1815", "lovelace.ada", "gavan-gavan-1"),
    ],
)
async def test_what_would_be_guessed(password: str) -> None:
    assert await weakness(password, email="ada@example.com", name="Ada Lovelace", own_list=None)


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        NEW,
        "correct horse",
        "пароль длинный",
        "zyxwvutsrqpo",
        "🔑🗝️🔐🔒🔓🚪🏠🏡🏘️🏚️",
        "lovelace likes tea",
    ],
)
async def test_what_is_long_enough_needs_no_signs(password: str) -> None:
    assert await weakness(password, email="ada@example.com", name="Ada Lovelace", own_list=None) is None


async def test_an_operators_own_list(tmp_path: Path) -> None:
    own = tmp_path / "list.txt"
    own.write_bytes("our old wifi password\r\nПароль От Склада\n\xff\n".encode("utf-8", "replace"))
    for password, refused in (("Our Old WiFi password", True), ("пароль от склада", True), (NEW, False)):
        found = await weakness(password, email="a@example.com", name=None, own_list=own)
        assert bool(found) is refused
    # One that is missing is logged, and the others hold.
    gone = tmp_path / "gone.txt"
    assert await weakness("password123", email="a@example.com", name=None, own_list=gone)
    assert await weakness(NEW, email="a@example.com", name=None, own_list=gone) is None


class TestChange:
    async def test_ends_the_other_sessions_and_tells(  # type: ignore[no-untyped-def]
        self, client: httpx.AsyncClient, ada: Person, as_person, mailbox: Mailbox, recorded
    ) -> None:
        elsewhere = (await sign_in(client, ada)).json()["access_token"]
        answer = await as_person(ada, "POST", "/me/password", {"current_password": PASSWORD, "password": NEW})
        assert (answer.status_code, answer.json()["email"]) == (200, ada.email)
        assert (await me(client, ada.access_token)).status_code == 200
        assert (await me(client, elsewhere)).status_code == 401
        assert (await sign_in(client, ada)).status_code == 400
        assert (await sign_in(client, ada, NEW)).status_code == 200
        letter = await mailbox.letter(to=ada.email, template="password_changed")
        assert NEW not in letter.text
        (event,) = await recorded("user.password_changed")
        assert (event.user_id, event.after) == (ada.id, {"sessions_ended": 1})

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({"current_password": "not this one", "password": NEW}, "current_password", "wrong_password"),
            ({"current_password": PASSWORD, "password": "password123"}, "password", "weak_password"),
            ({"current_password": PASSWORD, "password": PASSWORD}, "password", "password_same"),
            ({"current_password": PASSWORD, "password": "short"}, "password", "too_short"),
            ({"current_password": "", "password": NEW}, "current_password", "too_short"),
            ({"current_password": PASSWORD}, "password", "missing"),
        ],
    )
    async def test_refused(self, client, ada: Person, as_person, body: dict, field: str, code: str) -> None:  # type: ignore[no-untyped-def, type-arg]
        answer = await as_person(ada, "POST", "/me/password", body)
        assert answer.status_code == 422
        assert [(error["loc"], error["code"]) for error in answer.json()["errors"]] == [
            (["body", field], code)
        ]
        assert (await sign_in(client, ada)).status_code == 200

    @pytest.mark.usefixtures("no_time_passes")
    async def test_guessing_the_present_one_is_slowed_down(self, ada: Person, as_person) -> None:  # type: ignore[no-untyped-def]
        body = {"current_password": "a wrong guess", "password": NEW}
        answers = [await as_person(ada, "POST", "/me/password", body) for _ in range(30)]
        assert answers[-1].status_code == 429

    async def test_of_two_at_once_one_wins(self, client, ada: Person, as_person, recorded) -> None:  # type: ignore[no-untyped-def]
        bodies = [
            {"current_password": PASSWORD, "password": f"{number} gulls over the quay"} for number in range(3)
        ]
        answers = await asyncio.gather(*(as_person(ada, "POST", "/me/password", body) for body in bodies))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        assert len(await recorded("user.password_changed")) == 1

    async def test_needs_a_session_of_the_persons_own(self, user_factory: UserFactory, as_person) -> None:  # type: ignore[no-untyped-def]
        narrow = await user_factory(scope="me:read me:write")
        body = {"current_password": PASSWORD, "password": NEW}
        assert (await as_person(narrow, "POST", "/me/password", body)).status_code == 403


class TestReset:
    async def test_by_the_link_of_the_letter(  # type: ignore[no-untyped-def]
        self, client: httpx.AsyncClient, ada: Person, link, mailbox: Mailbox, recorded
    ) -> None:
        answer = await client.post(ASK, json={"email": "ADA@example.com"})
        assert (answer.status_code, answer.json()) == (202, {"email": ada.email})
        token = await link(ada.email, "password_reset")
        answer = await client.post(RESET, json={"token": token, "password": NEW})
        assert (answer.status_code, answer.json()) == (200, {"email": ada.email})
        assert (await me(client, ada.access_token)).status_code == 401
        assert (await sign_in(client, ada)).status_code == 400
        assert (await sign_in(client, ada, NEW)).status_code == 200
        await mailbox.letter(to=ada.email, template="password_changed")
        (event,) = await recorded("user.password_reset")
        assert (event.user_id, event.after) == (ada.id, {"sessions_ended": 1})
        answer = await client.post(RESET, json={"token": token, "password": "another one again"})
        assert (answer.status_code, answer.json()["code"]) == (400, "link_invalid")

    async def test_nobody_is_told_and_nobody_is_written_to(
        self, client, ada: Person, mailbox: Mailbox
    ) -> None:  # type: ignore[no-untyped-def]
        answers = [await client.post(ASK, json={"email": email}) for email in (ada.email, "no@example.com")]
        for answer in answers:
            assert answer.status_code == 202
        assert {*answers[0].headers} == {*answers[1].headers}
        await mailbox.none(to="no@example.com")
        assert await mailbox.count(to=ada.email, template="password_reset") == 1

    async def test_a_blocked_person_is_not(self, client, ada: Person, mailbox: Mailbox, database) -> None:  # type: ignore[no-untyped-def]
        async with database.transaction() as session:
            await session.execute(text("UPDATE users SET is_active = false, blocked_at = now()"))
        assert (await client.post(ASK, json={"email": ada.email})).status_code == 202
        await mailbox.none(to=ada.email)

    async def test_a_weak_password_uses_up_no_link(self, client, ada: Person, link) -> None:  # type: ignore[no-untyped-def]
        await client.post(ASK, json={"email": ada.email})
        token = await link(ada.email, "password_reset")
        weak = await client.post(RESET, json={"token": token, "password": "AdaLovelace1815"})
        assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
        assert (await client.post(RESET, json={"token": token, "password": NEW})).status_code == 200

    async def test_the_newest_link_alone_works_and_for_an_hour(
        self, client, ada: Person, link, expire
    ) -> None:  # type: ignore[no-untyped-def]
        tokens = []
        for _ in range(2):
            await client.post(ASK, json={"email": ada.email})
            tokens.append(await link(ada.email, "password_reset"))
        refused = await client.post(RESET, json={"token": tokens[0], "password": NEW})
        assert refused.json()["code"] == "link_invalid"
        await expire()
        refused = await client.post(RESET, json={"token": tokens[1], "password": NEW})
        assert refused.json()["code"] == "link_invalid"

    async def test_of_many_at_once_one_wins(self, client, ada: Person, link, recorded) -> None:  # type: ignore[no-untyped-def]
        await client.post(ASK, json={"email": ada.email})
        token = await link(ada.email, "password_reset")
        answers = await asyncio.gather(
            *(client.post(RESET, json={"token": token, "password": f"{n} {NEW}"}) for n in range(6))
        )
        assert sorted(answer.status_code for answer in answers) == [200] + [400] * 5
        assert len(await recorded("user.password_reset")) == 1

    async def test_it_proves_the_address(self, client, newcomer: Person, link, as_person) -> None:  # type: ignore[no-untyped-def]
        await client.post(ASK, json={"email": newcomer.email})
        await client.post(
            RESET, json={"token": await link(newcomer.email, "password_reset"), "password": NEW}
        )
        token = (await sign_in(client, newcomer, NEW)).json()["access_token"]
        assert (await me(client, token)).json()["email_verified"] is True

    async def test_whoever_registered_with_a_foreign_address_does_not_come_back(
        self, client: httpx.AsyncClient, newcomer: Person, link, as_person, database: Database
    ) -> None:
        """By nothing that they left in the account before its mailbox proved anything."""
        token = {"name": "Back door", "scopes": ["me:read"]}
        made = (await as_person(newcomer, "POST", "/me/tokens", token)).json()
        async with database.transaction() as session:
            await session.execute(
                text("INSERT INTO totp_secrets (user_id, secret, confirmed_at) VALUES (:id, 'x', now())"),
                {"id": newcomer.id},
            )
            await session.execute(text("UPDATE users SET phone = '+79123456789'"))
        await client.post(ASK, json={"email": newcomer.email})
        await client.post(
            RESET, json={"token": await link(newcomer.email, "password_reset"), "password": NEW}
        )
        assert (await me(client, made["token"])).status_code == 401
        # The second factor is gone too: the password signs in.
        answer = await sign_in(client, newcomer, NEW)
        assert answer.status_code == 200
        assert (await me(client, answer.json()["access_token"])).json()["phone"] is None

    @pytest.mark.parametrize("email", ["", "ada", "a b@example.com", "\0@example.com", None, 7, "x" * 300])
    async def test_what_is_no_address(self, client: httpx.AsyncClient, email: object) -> None:
        assert (await client.post(ASK, json={"email": email})).status_code == 422


class TestLimited:
    @pytest.fixture
    def settings(self, settings_of):  # type: ignore[no-untyped-def]
        return settings_of(code_rate_per_subject="2/hour", code_rate_per_address="6/hour")

    async def test_one_mailbox_gets_no_more_and_the_answer_does_not_tell(
        self, client, ada: Person, mailbox
    ) -> None:  # type: ignore[no-untyped-def]
        for _ in range(4):
            assert (await client.post(ASK, json={"email": ada.email})).status_code == 202
        assert await mailbox.count(to=ada.email, template="password_reset") == 2

    async def test_one_address_asks_no_more(self, client: httpx.AsyncClient) -> None:
        answers = [await client.post(ASK, json={"email": f"u{n}@example.com"}) for n in range(7)]
        assert [answer.status_code for answer in answers] == [202] * 6 + [429]
