"""VAT numbers that VIES is asked about: against a double shaped after its published REST API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from aiohttp import web

from backend.billing.ledger.dao import ProfilesDAO
from backend.billing.prices import tax
from backend.billing.vat import checking
from backend.config import Settings, use
from backend.database import Database, now
from tests.support.people import Person

DETAILS = {"name": "Chantier SARL", "country": "FR", "vat_id": "FR40303265045"}


@dataclass
class Vies:
    """Answers as it does for a known number, an unknown one, and while a member state is away."""

    known: set[str] = field(default_factory=lambda: {"FR40303265045"})
    asked: list[dict[str, Any]] = field(default_factory=list)
    trouble: Any = None
    url: str = ""

    async def check(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        if isinstance(self.trouble, web.StreamResponse):
            return self.trouble
        if self.trouble:
            wrapped = [{"error": self.trouble}]
            return web.json_response({"actionSucceed": False, "errorWrappers": wrapped})
        valid = body["countryCode"] + body["vatNumber"] in self.known
        said = {
            "countryCode": body["countryCode"],
            "vatNumber": body["vatNumber"],
            "requestDate": "2026-11-22T19:00:00.000Z",
            "valid": valid,
            "requestIdentifier": "WAPIAAAAY1Xz" if "requesterNumber" in body else "",
            "name": "CHANTIER\nSARL" if valid else "---",
            "address": "---",
        }
        return web.json_response(said)


@pytest.fixture
async def vies() -> AsyncIterator[Vies]:
    double, app = Vies(), web.Application()
    app.router.add_post("/rest-api/check-vat-number", double.check)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    double.url = f"http://127.0.0.1:{runner.addresses[0][1]}/rest-api"
    yield double
    await runner.cleanup()


@pytest.fixture
def settings(settings_of: Callable[..., Settings], vies: Vies) -> Settings:
    found = settings_of(
        credit_limit_minor=0, operator_country="DE", operator_vat_id="DE136695976", vies_url=vies.url
    )
    use(found)
    return found


@dataclass
class Office:
    client: httpx.AsyncClient
    settings: Settings
    database: Database
    ada: Person

    async def say(self, **changes: Any) -> dict[str, Any]:
        url = f"/api/v1/projects/{self.ada.project_id}/billing/profile"
        answer = await self.client.put(url, json={**DETAILS, **changes}, headers=self.ada.headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def shown(self) -> dict[str, Any]:
        url = f"/api/v1/projects/{self.ada.project_id}/billing/profile"
        return dict((await self.client.get(url, headers=self.ada.headers)).json())

    async def check(self) -> str | None:
        return await checking.check(self.settings, self.database, self.ada.project_id)

    async def refresh(self) -> dict[str, int]:
        return await checking.refresh(self.settings, self.database)

    async def later(self, **by: float) -> None:
        """As if all that was asked and answered was so long ago."""
        async with self.database.transaction() as session:
            profile = await ProfilesDAO(session).of(self.ada.project_id, locked=True)
            assert profile is not None
            assert profile.vat_asked_at is not None
            profile.vat_asked_at -= timedelta(**by)
            if profile.vat_answered_at is not None:
                profile.vat_answered_at -= timedelta(**by)

    async def rule(self) -> str:
        async with self.database.transaction() as session:
            return (await tax.treatment_of(session, self.ada.project_id, now())).code


@pytest.fixture
def office(client: httpx.AsyncClient, settings: Settings, database: Database, ada: Person) -> Office:
    return Office(client, settings, database, ada)


async def test_a_known_number_is_made_sure_of(office: Office, vies: Vies) -> None:
    said = await office.say()
    assert (said["vat_id_checked"], said["vat_result"]) == (False, None)
    assert await office.rule() == "destination"
    assert await office.check() == "valid"
    shown = await office.shown()
    assert (shown["vat_id_checked"], shown["vat_result"]) == (True, "valid")
    assert (shown["vat_consultation"], shown["vat_owner"]) == ("WAPIAAAAY1Xz", "CHANTIER SARL")
    assert await office.rule() == "reverse_charge"
    assert vies.asked == [
        {
            "countryCode": "FR",
            "vatNumber": "40303265045",
            "requesterMemberStateCode": "DE",
            "requesterNumber": "136695976",
        }
    ]
    # Another number is another matter.
    changed = await office.say(vat_id="FR23334175221")
    assert (changed["vat_id_checked"], changed["vat_result"], changed["vat_consultation"]) == (
        False,
        None,
        None,
    )
    assert await office.check() == "invalid"
    assert await office.rule() == "destination"


@pytest.mark.parametrize(
    "trouble",
    [
        "MS_UNAVAILABLE",
        "MS_MAX_CONCURRENT_REQ",
        "INVALID_REQUESTER_INFO",
        lambda: web.Response(status=503, text="<html>away</html>", content_type="text/html"),
        lambda: web.json_response({"valid": "true"}),
        lambda: web.json_response([]),
        lambda: web.json_response({"valid": True}, status=500),
        lambda: web.Response(status=302, headers={"Location": "https://example.com"}),
    ],
    ids=["state", "busy", "requester", "down", "text", "list", "error", "redirect"],
)
async def test_while_it_says_nothing_an_administrators_word_stands(
    office: Office, vies: Vies, admin: Person, trouble: Any
) -> None:
    vies.trouble = trouble() if callable(trouble) else trouble
    await office.say()
    url = f"/api/v1/admin/billing/projects/{office.ada.project_id}/terms"
    body = {"credit_limit_minor": None, "tax_exempt": False, "vat_id_checked": True}
    assert (await office.client.put(url, json=body, headers=admin.headers)).status_code == 200
    assert await office.check() == "unavailable"
    shown = await office.shown()
    assert (shown["vat_id_checked"], shown["vat_result"]) == (True, None)
    assert await office.rule() == "reverse_charge"


async def test_it_is_asked_again_when_the_answer_is_old(office: Office, vies: Vies) -> None:
    await office.say()
    assert await office.refresh() == {"valid": 1}
    assert await office.refresh() == {}
    await office.later(days=29)
    assert await office.refresh() == {}
    await office.later(days=2)
    vies.trouble = "MS_UNAVAILABLE"
    assert await office.refresh() == {"unavailable": 1}
    assert await office.refresh() == {}, "not at once again"
    assert await office.rule() == "reverse_charge"
    await office.later(hours=2)
    vies.trouble, vies.known = None, set()
    assert await office.refresh() == {"invalid": 1}
    assert await office.rule() == "destination"


@pytest.mark.parametrize(
    "changes",
    [{"vat_id": None}, {"country": "GB", "vat_id": "GB980780684"}, {"country": None, "vat_id": None}],
)
async def test_nobody_is_asked_of_others(office: Office, vies: Vies, changes: dict[str, Any]) -> None:
    await office.say(**changes)
    assert await office.check() is None
    assert await office.refresh() == {}
    assert vies.asked == []


async def test_nobody_is_asked_while_it_is_off(office: Office, vies: Vies) -> None:
    await office.say()
    office.settings = office.settings.model_copy(update={"vies_url": ""})
    assert await office.check() is None
    assert await office.refresh() == {}
    assert vies.asked == []


async def test_an_answer_for_a_number_that_changed_meanwhile_is_not_taken(
    office: Office, vies: Vies, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.say()
    ask = checking.vies.ask

    async def slowly(*given: Any) -> Any:
        answer = await ask(*given)
        await office.say(vat_id="FR23334175221")
        return answer

    monkeypatch.setattr(checking.vies, "ask", slowly)
    assert await office.check() == "changed"
    shown = await office.shown()
    assert (shown["vat_id_checked"], shown["vat_result"]) == (False, None)
