"""Another e-mail address: confirmed by the new mailbox, undone by the former one, taken by nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import text

from backend.config import Settings
from tests.identity.oauth import me, sign_in
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, Person

ASK = "/me/email"
VERIFY = "/api/v1/users/verify"
RESTORE = "/api/v1/users/email-restore"
NEW = "ada@example.org"


async def test_takes_effect_once_the_new_mailbox_has_proved_itself(  # type: ignore[no-untyped-def]
    client: httpx.AsyncClient, ada: Person, as_person, mailbox: Mailbox, link, recorded
) -> None:
    answer = await as_person(ada, "POST", ASK, {"email": "Ada@Example.ORG"})
    assert (answer.status_code, answer.json()["email"], answer.json()["pending_email"]) == (
        200,
        ada.email,
        NEW,
    )
    told = await mailbox.letter(to=ada.email, template="email_change_asked")
    assert NEW in told.text
    assert (await sign_in(client, NEW)).status_code == 400

    answer = await client.post(VERIFY, json={"token": await link(NEW, "email_change")})
    assert (answer.status_code, answer.json()) == (200, {"email": NEW})
    body = (await me(client, ada.access_token)).json()
    assert (body["email"], body["email_verified"], body["pending_email"]) == (NEW, True, None)
    assert (await sign_in(client, ada)).status_code == 400
    assert (await sign_in(client, NEW)).status_code == 200
    await mailbox.letter(to=ada.email, template="email_changed")
    (event,) = await recorded("user.email_changed")
    assert (event.before, event.after) == ({"email": ada.email}, {"email": NEW})


async def test_can_be_called_off(client, ada: Person, as_person, link) -> None:  # type: ignore[no-untyped-def]
    await as_person(ada, "POST", ASK, {"email": NEW})
    token = await link(NEW, "email_change")
    assert (await as_person(ada, "DELETE", "/me/email/change")).json()["pending_email"] is None
    assert (await as_person(ada, "DELETE", "/me/email/change")).status_code == 200
    assert (await client.post(VERIFY, json={"token": token})).json()["code"] == "link_invalid"


@pytest.mark.parametrize("template", ["email_change_asked", "email_changed"])
async def test_the_former_mailbox_takes_the_account_back(  # type: ignore[no-untyped-def]
    client, ada: Person, as_person, mailbox: Mailbox, link, recorded, template: str
) -> None:
    await as_person(ada, "POST", ASK, {"email": NEW})
    if template == "email_changed":
        await client.post(VERIFY, json={"token": await link(NEW, "email_change")})
    answer = await client.post(RESTORE, json={"token": await link(ada.email, template)})
    assert (answer.status_code, answer.json()) == (200, {"email": ada.email})
    assert (await me(client, ada.access_token)).status_code == 401
    pending = template == "email_change_asked"
    # After a change the password may be somebody else's too.
    assert (await sign_in(client, ada)).status_code == (200 if pending else 400)
    assert (await client.post(VERIFY, json={"token": await link(NEW, "email_change")})).status_code == 400
    if not pending:
        await mailbox.letter(to=ada.email, template="email_returned")
        await client.post("/api/v1/users/password-reset", json={"email": ada.email})
        token = await link(ada.email, "password_reset")
        body = {"token": token, "password": "seven gulls over the quay"}
        assert (await client.post("/api/v1/users/password-reset/confirm", json=body)).status_code == 200
    assert len(await recorded("user.email_returned")) == 1


async def test_two_changes_in_a_row_leave_the_first_way_back(client, ada: Person, as_person, link) -> None:  # type: ignore[no-untyped-def]
    await as_person(ada, "POST", ASK, {"email": "thief@example.net"})
    await client.post(VERIFY, json={"token": await link("thief@example.net", "email_change")})
    await as_person(ada, "POST", ASK, {"email": "thief@example.org"})
    await client.post(VERIFY, json={"token": await link("thief@example.org", "email_change")})
    theirs = await link("thief@example.net", "email_changed")
    answer = await client.post(RESTORE, json={"token": await link(ada.email, "email_changed")})
    assert answer.json() == {"email": ada.email}
    # And the thief's own way back is gone with it.
    assert (await client.post(RESTORE, json={"token": theirs})).json()["code"] == "link_invalid"


async def test_a_former_address_is_nobody_elses_for_a_week(  # type: ignore[no-untyped-def]
    client, ada: Person, eve: Person, as_person, link, expire
) -> None:
    await as_person(ada, "POST", ASK, {"email": NEW})
    await client.post(VERIFY, json={"token": await link(NEW, "email_change")})
    registration = {"email": ada.email, "password": "seven gulls over the quay"}
    assert (await client.post("/api/v1/users", json=registration)).status_code == 202
    assert (await sign_in(client, ada.email, registration["password"])).status_code == 400
    await as_person(eve, "POST", ASK, {"email": ada.email})
    stolen = await link(ada.email, "email_change")
    assert (await client.post(VERIFY, json={"token": stolen})).json()["code"] == "link_invalid"
    await expire()
    await client.post("/api/v1/users", json=registration)
    assert (await sign_in(client, ada.email, registration["password"])).status_code == 200


async def test_whose_address_it_is_already_is_told_to_them_alone(  # type: ignore[no-untyped-def]
    client, ada: Person, eve: Person, as_person, mailbox: Mailbox
) -> None:
    taken = await as_person(eve, "POST", ASK, {"email": ada.email})
    free = await as_person(eve, "POST", ASK, {"email": "free@example.com"})
    assert taken.status_code == free.status_code == 200
    assert taken.json() == {**free.json(), "pending_email": ada.email}
    await mailbox.letter(to=ada.email, template="email_in_use")
    assert await mailbox.count(to=ada.email, template="email_change") == 0


async def test_an_address_that_somebody_registers_meanwhile(client, ada: Person, as_person, link) -> None:  # type: ignore[no-untyped-def]
    await as_person(ada, "POST", ASK, {"email": NEW})
    await client.post("/api/v1/users", json={"email": NEW, "password": PASSWORD})
    answer = await client.post(VERIFY, json={"token": await link(NEW, "email_change")})
    assert (answer.status_code, answer.json()["code"]) == (400, "link_invalid")
    assert (await me(client, ada.access_token)).json()["email"] == ada.email


async def test_of_two_who_want_one_address_one_gets_it(
    client, ada: Person, eve: Person, as_person, database, mailbox
) -> None:  # type: ignore[no-untyped-def]
    tokens = []
    for person in (ada, eve):
        await as_person(person, "POST", ASK, {"email": NEW})
        tokens.append((await mailbox.letter(to=NEW, template="email_change")).links[0].partition("=")[2])
    answers = await asyncio.gather(*(client.post(VERIFY, json={"token": token}) for token in tokens))
    assert sorted(answer.status_code for answer in answers) == [200, 400]
    async with database.session() as session:
        emails = (await session.execute(text("SELECT email FROM users"))).scalars().all()
    assert sorted(emails).count(NEW) == 1


async def test_confirming_and_taking_back_at_once_never_stick(client, ada: Person, as_person, link) -> None:  # type: ignore[no-untyped-def]
    await as_person(ada, "POST", ASK, {"email": NEW})
    there, back = await link(NEW, "email_change"), await link(ada.email, "email_change_asked")
    answers = await asyncio.gather(
        client.post(VERIFY, json={"token": there}), client.post(RESTORE, json={"token": back})
    )
    assert {answer.status_code for answer in answers} <= {200, 400}


@pytest.mark.parametrize(
    "email", ["", "ada", "a b@example.com", None, 7, ["a@example.com"], "x" * 300 + "@a.com"]
)
async def test_what_is_no_address(ada: Person, as_person, email: object) -> None:  # type: ignore[no-untyped-def]
    assert (await as_person(ada, "POST", ASK, {"email": email})).status_code == 422


async def test_the_same_address(ada: Person, as_person) -> None:  # type: ignore[no-untyped-def]
    assert (await as_person(ada, "POST", ASK, {"email": "ADA@example.com"})).json()["code"] == "email_same"


async def test_letters_on_their_way_to_the_former_address_open_nothing(
    client, ada: Person, as_person, link
) -> None:  # type: ignore[no-untyped-def]
    await client.post("/api/v1/users/password-reset", json={"email": ada.email})
    reset = await link(ada.email, "password_reset")
    await as_person(ada, "POST", ASK, {"email": NEW})
    await client.post(VERIFY, json={"token": await link(NEW, "email_change")})
    body = {"token": reset, "password": "seven gulls over the quay"}
    answer = await client.post("/api/v1/users/password-reset/confirm", json=body)
    assert answer.json()["code"] == "link_invalid"


class TestProof:
    @pytest.fixture
    def settings(self, settings_of: Callable[..., Settings]) -> Settings:
        return settings_of(proof_minutes=1)

    async def test_has_to_be_recent(self, ada: Person, as_person, database) -> None:  # type: ignore[no-untyped-def]
        async with database.transaction() as session:
            await session.execute(text("UPDATE oauth_sessions SET proved_at = now() - interval '2 minutes'"))
        answer = await as_person(ada, "POST", ASK, {"email": NEW})
        assert (answer.status_code, answer.json()["code"]) == (403, "proof_required")
