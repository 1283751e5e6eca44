"""A telephone number: one spelling, proved by a code that was sent to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from backend.config import Settings
from backend.users.phones import formatted, normalise
from tests.accounts.links import code_of, other
from tests.support.mailbox import Mailbox
from tests.support.people import Person

NUMBER, WRITTEN = "+79123456789", "+7 912 345-67-89"
ASK, CONFIRM = "/me/phone", "/me/phone/confirm"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (WRITTEN, NUMBER),
        ("  +7 (912) 345 67 89 ", NUMBER),
        ("tel:+7-912-345-67-89", NUMBER),
        ("＋７９１２３４５６７８９", NUMBER),
        ("+1 415 555 2671", "+14155552671"),
        *(
            (wrong, None)
            for wrong in ("", "+", "89123456789", "+999 1", "+7912345678", "hello", "+7" * 20, "\0+7")
        ),
        *((wrong, None) for wrong in ("+79123456789000", "💣", "00000000000", "<script>")),
    ],
)
def test_one_spelling(given: str, kept: str | None) -> None:
    assert normalise(given) == kept


def test_as_people_write_it() -> None:
    assert formatted(NUMBER) == WRITTEN


async def test_proved_by_its_code(ada: Person, as_person, mailbox: Mailbox, recorded) -> None:  # type: ignore[no-untyped-def]
    answer = await as_person(ada, "POST", ASK, {"phone": "+7 (912) 345-67-89"})
    body = answer.json()
    assert (answer.status_code, body["phone"], body["pending_phone"]) == (200, None, WRITTEN)
    code = code_of(await mailbox.sms(to=NUMBER, template="phone_code"))
    body = (await as_person(ada, "POST", CONFIRM, {"code": code})).json()
    assert (body["phone"], body["pending_phone"]) == (WRITTEN, None)
    await mailbox.letter(to=ada.email, template="phone_changed")
    (event,) = await recorded("user.phone_changed")
    assert event.after == {"phone": NUMBER}
    body = (await as_person(ada, "DELETE", ASK)).json()
    assert body["phone"] is None
    assert (await as_person(ada, "DELETE", ASK)).status_code == 200
    assert len(await recorded("user.phone_removed")) == 1
    assert WRITTEN in (await mailbox.letter(to=ada.email, template="phone_removed")).text
    assert await mailbox.count(to=ada.email, template="phone_removed") == 1


async def test_tries_are_few(ada: Person, as_person, mailbox: Mailbox) -> None:  # type: ignore[no-untyped-def]
    await as_person(ada, "POST", ASK, {"phone": NUMBER})
    code = code_of(await mailbox.sms(to=NUMBER, template="phone_code"))
    wrong = [await as_person(ada, "POST", CONFIRM, {"code": other(code)}) for _ in range(5)]
    assert [answer.json()["code"] for answer in wrong] == ["code_wrong"] * 4 + ["code_expired"]
    assert (await as_person(ada, "POST", CONFIRM, {"code": code})).status_code == 422


async def test_time_is_short(ada: Person, as_person, mailbox: Mailbox, expire) -> None:  # type: ignore[no-untyped-def]
    await as_person(ada, "POST", ASK, {"phone": NUMBER})
    code = code_of(await mailbox.sms(to=NUMBER, template="phone_code"))
    await expire()
    assert (await as_person(ada, "POST", CONFIRM, {"code": code})).json()["code"] == "code_expired"


async def test_of_two_at_once_one_wins(ada: Person, as_person, mailbox: Mailbox, recorded) -> None:  # type: ignore[no-untyped-def]
    await as_person(ada, "POST", ASK, {"phone": NUMBER})
    code = code_of(await mailbox.sms(to=NUMBER, template="phone_code"))
    answers = await asyncio.gather(*(as_person(ada, "POST", CONFIRM, {"code": code}) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200] + [422] * 4
    assert len(await recorded("user.phone_changed")) == 1


async def test_somebody_elses_code(ada: Person, eve: Person, as_person, mailbox: Mailbox) -> None:  # type: ignore[no-untyped-def]
    await as_person(ada, "POST", ASK, {"phone": NUMBER})
    code = code_of(await mailbox.sms(to=NUMBER, template="phone_code"))
    assert (await as_person(eve, "POST", CONFIRM, {"code": code})).json()["code"] == "code_expired"


async def test_another_number_takes_the_place(ada: Person, as_person, mailbox: Mailbox) -> None:  # type: ignore[no-untyped-def]
    await as_person(ada, "POST", ASK, {"phone": NUMBER})
    first = code_of(await mailbox.sms(to=NUMBER, template="phone_code"))
    await as_person(ada, "POST", ASK, {"phone": "+14155552671"})
    second = code_of(await mailbox.sms(to="+14155552671", template="phone_code"))
    if first != second:
        assert (await as_person(ada, "POST", CONFIRM, {"code": first})).json()["code"] == "code_wrong"
    assert (await as_person(ada, "POST", CONFIRM, {"code": second})).json()["phone"] == "+1 415-555-2671"


async def test_what_is_no_number(ada: Person, as_person, mailbox: Mailbox) -> None:  # type: ignore[no-untyped-def]
    for phone in ("89123456789", "+999", "", None, 7, "+7" * 100, "\0"):
        answer = await as_person(ada, "POST", ASK, {"phone": phone})
        assert answer.status_code == 422
    await mailbox.none(to="89123456789")


class TestLimited:
    @pytest.fixture
    def settings(self, settings_of: Callable[..., Settings]) -> Settings:
        return settings_of(code_rate_per_subject="2/hour")

    async def test_messages_to_one_number(self, ada: Person, eve: Person, as_person) -> None:  # type: ignore[no-untyped-def]
        """Whoever asks: each message costs money and disturbs somebody."""
        answers = [await as_person(person, "POST", ASK, {"phone": NUMBER}) for person in (ada, eve, ada, eve)]
        assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
