"""Confirming the e-mail address after registration, and what waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import text

from backend.config import Settings
from backend.database import Database
from tests.accounts.links import code_of, other, token_of
from tests.api.operations import order_body
from tests.identity.oauth import sign_in
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, Person, UserFactory

VERIFY = "/api/v1/users/verify"
RESEND = "/me/email/verification"
CONFIRM = "/me/email/verification/confirm"


async def register(client: httpx.AsyncClient, email: str = "new@example.com", **more: str) -> None:
    body = {"email": email, "password": PASSWORD, **more}
    assert (await client.post("/api/v1/users", json=body)).status_code == 202


async def test_from_registration_to_the_first_order(client, mailbox: Mailbox, recorded) -> None:  # type: ignore[no-untyped-def]
    await register(client)
    token = (await sign_in(client, "new@example.com")).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    me = (await client.get("/api/v1/me", headers=headers)).json()
    assert (me["email_verified"], me["verification_required"]) == (False, True)
    refused = await client.post("/api/v1/orders", json=order_body(), headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "email_unverified")
    assert "/api/v1/me/email/verification" in refused.json()["detail"]

    letter = await mailbox.letter(to="new@example.com", template="verify_email")
    assert letter.links[0].startswith("http://localhost:8080/verify-email?token=")
    answer = await client.post(VERIFY, json={"token": token_of(letter)})
    assert (answer.status_code, answer.json()) == (200, {"email": "new@example.com"})
    me = (await client.get("/api/v1/me", headers=headers)).json()
    assert (me["email_verified"], me["verification_required"]) == (True, False)
    assert (await client.post("/api/v1/orders", json=order_body(), headers=headers)).status_code == 202
    (event,) = await recorded("user.email_verified")
    assert str(event.user_id) == me["id"]


async def test_the_letter_speaks_the_language_and_holds_no_words_of_whoever_asked(client, mailbox) -> None:  # type: ignore[no-untyped-def]
    name = "Win a prize at evil.example.net"
    await register(client, locale="ru", name=name)
    letter = await mailbox.letter(to="new@example.com", template="verify_email")
    assert letter.subject == "Подтвердите адрес электронной почты"
    assert name not in letter.text + letter.html + letter.subject


async def test_a_link_works_once_and_the_newest_alone(client, newcomer: Person, as_person, link) -> None:  # type: ignore[no-untyped-def]
    tokens = []
    for _ in range(2):
        answer = await as_person(newcomer, "POST", RESEND)
        assert answer.status_code == 200
        tokens.append(await link(newcomer.email, "verify_email"))
    for token, status in ((tokens[0], 400), (tokens[1], 200), (tokens[1], 400)):
        answer = await client.post(VERIFY, json={"token": token})
        assert answer.status_code == status, answer.text
        assert status == 200 or answer.json()["code"] == "link_invalid"
    again = await as_person(newcomer, "POST", RESEND)
    assert (again.status_code, again.json()["code"]) == (409, "email_verified")


async def test_of_two_at_once_one_wins(client, newcomer: Person, as_person, link, recorded) -> None:  # type: ignore[no-untyped-def]
    await as_person(newcomer, "POST", RESEND)
    token = await link(newcomer.email, "verify_email")
    answers = await asyncio.gather(*(client.post(VERIFY, json={"token": token}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    assert len(await recorded("user.email_verified")) == 1


async def test_too_late(client, newcomer: Person, as_person, mailbox, expire) -> None:  # type: ignore[no-untyped-def]
    await as_person(newcomer, "POST", RESEND)
    letter = await mailbox.letter(to=newcomer.email, template="verify_email")
    await expire()
    answer = await client.post(VERIFY, json={"token": token_of(letter)})
    assert answer.json()["code"] == "link_invalid"
    answer = await as_person(newcomer, "POST", CONFIRM, {"code": code_of(letter)})
    assert (answer.status_code, answer.json()["code"]) == (422, "code_expired")


async def test_by_code(newcomer: Person, as_person, mailbox) -> None:  # type: ignore[no-untyped-def]
    await as_person(newcomer, "POST", RESEND)
    code = code_of(await mailbox.letter(to=newcomer.email, template="verify_email"))
    answer = await as_person(newcomer, "POST", CONFIRM, {"code": f" {code} "})
    assert answer.json()["email_verified"] is True


async def test_a_few_wrong_codes_use_up_the_right_one(newcomer: Person, as_person, mailbox) -> None:  # type: ignore[no-untyped-def]
    await as_person(newcomer, "POST", RESEND)
    code = code_of(await mailbox.letter(to=newcomer.email, template="verify_email"))
    wrong = [await as_person(newcomer, "POST", CONFIRM, {"code": other(code)}) for _ in range(5)]
    assert [answer.json()["code"] for answer in wrong] == ["code_wrong"] * 4 + ["code_expired"]
    answer = await as_person(newcomer, "POST", CONFIRM, {"code": code})
    assert answer.json()["code"] == "code_expired"


async def test_many_wrong_ones_at_once_have_no_more_tries(newcomer: Person, as_person, mailbox) -> None:  # type: ignore[no-untyped-def]
    await as_person(newcomer, "POST", RESEND)
    code = code_of(await mailbox.letter(to=newcomer.email, template="verify_email"))
    answers = await asyncio.gather(
        *(as_person(newcomer, "POST", CONFIRM, {"code": other(code)}) for _ in range(20))
    )
    assert sum(answer.json()["code"] == "code_wrong" for answer in answers) == 4


async def test_somebody_elses_code(newcomer: Person, eve: Person, as_person, mailbox) -> None:  # type: ignore[no-untyped-def]
    await as_person(newcomer, "POST", RESEND)
    code = code_of(await mailbox.letter(to=newcomer.email, template="verify_email"))
    answer = await as_person(eve, "POST", CONFIRM, {"code": code})
    assert answer.json()["code"] == "code_expired"
    assert (await as_person(newcomer, "POST", CONFIRM, {"code": code})).status_code == 200


@pytest.mark.parametrize(
    "token",
    ["", "x", "x" * 19, "x" * 201, "%00" * 10, "💣" * 20, "../" * 10, None, 7, ["x" * 43], "a" * 42 + "\0"],
)
async def test_what_is_no_token(client: httpx.AsyncClient, token: object) -> None:
    assert (await client.post(VERIFY, json={"token": token})).status_code == 422


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "12345x", "１２３４５６", None, 123456, "-12345", "1e1000"]
)
async def test_what_is_no_code(newcomer: Person, as_person, code: object) -> None:  # type: ignore[no-untyped-def]
    assert (await as_person(newcomer, "POST", CONFIRM, {"code": code})).status_code == 422


async def test_links_of_other_purposes_do_not_fit(client, ada: Person, link) -> None:  # type: ignore[no-untyped-def]
    await client.post("/api/v1/users/password-reset", json={"email": ada.email})
    token = await link(ada.email, "password_reset")
    assert (await client.post(VERIFY, json={"token": token})).json()["code"] == "link_invalid"
    answer = await client.post("/api/v1/users/email-restore", json={"token": token})
    assert answer.json()["code"] == "link_invalid"


async def test_what_is_kept_opens_nothing(newcomer: Person, as_person, mailbox, database: Database) -> None:  # type: ignore[no-untyped-def]
    await as_person(newcomer, "POST", RESEND)
    letter = await mailbox.letter(to=newcomer.email, template="verify_email")
    async with database.session() as session:
        rows = "".join((await session.execute(text("SELECT t::text FROM verification_codes t"))).scalars())
        rows += "".join((await session.execute(text("SELECT t::text FROM letters t"))).scalars())
        rows += "".join((await session.execute(text("SELECT t::text FROM audit_events t"))).scalars())
    assert token_of(letter) not in rows
    assert code_of(letter) not in rows


class TestLimited:
    @pytest.fixture
    def settings(self, settings_of: Callable[..., Settings]) -> Settings:
        return settings_of(code_rate_per_subject="2/hour", email_verification="required")

    async def test_letters_to_one_account(self, newcomer: Person, as_person) -> None:  # type: ignore[no-untyped-def]
        answers = [await as_person(newcomer, "POST", RESEND) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert int(answers[2].headers["retry-after"]) > 0


class TestSigningInWaits:
    @pytest.fixture
    def settings(self, settings_of: Callable[..., Settings]) -> Settings:
        return settings_of(email_verification="sign_in")

    async def test_nothing_tells_a_new_account_from_a_taken_address(self, client, ada: Person, link) -> None:  # type: ignore[no-untyped-def]
        answers = []
        for email in (ada.email, "new@example.com"):
            body = {"email": email, "password": "seven gulls over the quay"}
            answers.append(await client.post("/api/v1/users", json=body))
            answers.append(await sign_in(client, email, "seven gulls over the quay"))
        assert [answer.status_code for answer in answers] == [202, 400, 202, 400]
        assert answers[1].json() == answers[3].json()
        await client.post(VERIFY, json={"token": await link("new@example.com", "verify_email")})
        assert (await sign_in(client, "new@example.com", "seven gulls over the quay")).status_code == 200


class TestWithoutMail:
    @pytest.fixture
    def settings(self, settings_of: Callable[..., Settings]) -> Settings:
        return settings_of()

    async def test_ordering_waits_for_nothing(self, newcomer: Person, as_person) -> None:  # type: ignore[no-untyped-def]
        assert (await as_person(newcomer, "GET", "/me")).json()["verification_required"] is False
        assert (await as_person(newcomer, "POST", "/orders", order_body())).status_code == 202


async def test_who_may_not_order_may_do_the_rest(user_factory: UserFactory, as_person) -> None:  # type: ignore[no-untyped-def]
    someone = await user_factory(verified=False)
    for path in ("/me", "/services", "/projects", "/orders"):
        assert (await as_person(someone, "GET", path)).status_code == 200
