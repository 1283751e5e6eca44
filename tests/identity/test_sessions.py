"""Sessions, proof, the history of sign-ins, and the letter about a new device."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update

from backend.database import Database, now
from backend.factors.models import Challenge
from backend.mail.models import Letter
from backend.oauth.identity import identity_of
from backend.oauth.models import OAuthClient, OAuthSession
from backend.users.devices import describe
from backend.users.history import prune
from backend.users.models import SignIn, User
from tests.identity.authenticator import Authenticator
from tests.identity.factors import add_passkey, add_totp, mfa_token, second_step
from tests.identity.oauth import me, sign_in
from tests.support.people import PASSWORD, Person, UserFactory

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/19.0 Mobile/15E148 Safari/604.1"
)
DEVICE = "gavan_device"


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory()


def from_(address: str, browser: str = FIREFOX, device: str | None = None) -> dict[str, str]:
    cookie = {"Cookie": f"{DEVICE}={device}"} if device else {}
    return {"X-Forwarded-For": address, "User-Agent": browser, **cookie}


@pytest.fixture
def stale(app: FastAPI, database: Database) -> Callable[[Person], Awaitable[None]]:
    """Makes the proof of a person's session one of long ago."""

    async def make(person: Person) -> None:
        old = now() - timedelta(hours=1)
        async with database.transaction() as session:
            await session.execute(
                update(OAuthSession).where(OAuthSession.id == person.session_id).values(proved_at=old)
            )
        identity_of(app).forget(str(person.session_id))

    return make


class TestSessions:
    async def test_list_and_end(self, client: httpx.AsyncClient, ada: Person) -> None:
        other = (await sign_in(client, ada, headers=from_("203.0.113.7", SAFARI))).json()
        listed = (await client.get("/api/v1/me/sessions", headers=ada.headers)).json()["items"]
        assert [one["current"] for one in listed] == [False, True]
        there = listed[0]
        assert (there["device"], there["address"]) == ("Safari, iPhone", "203.0.113.7")
        assert there["client"] == {"id": "cli", "name": "Scripts and command line"}
        path = f"/api/v1/me/sessions/{there['id']}"
        assert (await client.delete(path, headers=ada.headers)).status_code == 204
        assert (await me(client, other["access_token"])).status_code == 401
        assert (await client.delete(path, headers=ada.headers)).status_code == 404
        assert len((await client.get("/api/v1/me/sessions", headers=ada.headers)).json()["items"]) == 1

    async def test_pages(self, client: httpx.AsyncClient, ada: Person) -> None:
        for _ in range(3):
            await sign_in(client, ada)
        first = (await client.get("/api/v1/me/sessions?size=3", headers=ada.headers)).json()
        rest = (
            await client.get(
                "/api/v1/me/sessions",
                params={"size": 3, "cursor": first["next_page"]},
                headers=ada.headers,
            )
        ).json()
        assert (len(first["items"]), len(rest["items"]), rest["next_page"]) == (3, 1, None)

    async def test_all_others(self, client: httpx.AsyncClient, ada: Person) -> None:
        others = [(await sign_in(client, ada)).json() for _ in range(2)]
        answer = await client.post("/api/v1/me/sessions/end-others", headers=ada.headers)
        assert answer.json() == {"ended": 2}
        for other in others:
            assert (await me(client, other["access_token"])).status_code == 401
        assert (await me(client, ada.access_token)).status_code == 200

    async def test_somebody_elses(
        self, client: httpx.AsyncClient, ada: Person, user_factory: UserFactory
    ) -> None:
        eve = await user_factory()
        answer = await client.delete(f"/api/v1/me/sessions/{ada.session_id}", headers=eve.headers)
        assert answer.status_code == 404
        await client.post("/api/v1/me/sessions/end-others", headers=eve.headers)
        assert (await me(client, ada.access_token)).status_code == 200

    async def test_what_applications_and_supporters_hold_is_elsewhere(
        self, client: httpx.AsyncClient, ada: Person, user_factory: UserFactory, database: Database
    ) -> None:
        eve = await user_factory()
        async with database.transaction() as session:
            session.add(OAuthClient(id="app", name="An app", first_party=False, grants=[]))
            await session.flush()
            for more in ({"client_id": "app"}, {"client_id": "cli", "acting_id": eve.id}):
                session.add(OAuthSession(user_id=ada.id, expires_at=now() + timedelta(days=1), **more))
        listed = (await client.get("/api/v1/me/sessions", headers=ada.headers)).json()["items"]
        assert len(listed) == 1
        answer = await client.post("/api/v1/me/sessions/end-others", headers=ada.headers)
        assert answer.json() == {"ended": 0}


class TestProof:
    async def test_it_is_asked_for_and_given(
        self, client: httpx.AsyncClient, ada: Person, stale: Callable[[Person], Awaitable[None]]
    ) -> None:
        await stale(ada)
        refused = await client.post("/api/v1/me/totp", headers=ada.headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "proof_required")
        wrong = await client.post("/api/v1/me/proof", json={"password": "wrong"}, headers=ada.headers)
        assert (wrong.status_code, wrong.json()["code"]) == (422, "wrong_password")
        assert wrong.json()["errors"][0]["loc"] == ["body", "password"]
        assert (await client.post("/api/v1/me/totp", headers=ada.headers)).status_code == 403
        given = await client.post("/api/v1/me/proof", json={"password": PASSWORD}, headers=ada.headers)
        assert given.status_code == 200, given.text
        assert (await client.post("/api/v1/me/totp", headers=ada.headers)).status_code == 200

    async def test_by_a_code_or_a_passkey(
        self, client: httpx.AsyncClient, ada: Person, stale: Callable[[Person], Awaitable[None]]
    ) -> None:
        app, _ = await add_totp(client, ada)
        key = Authenticator()
        await add_passkey(client, ada, key)
        code = app.at()
        for proof in ("otp", "passkey"):
            await stale(ada)
            assert (await client.delete("/api/v1/me/totp", headers=ada.headers)).status_code == 403
            if proof == "passkey":
                options = await client.post("/api/v1/me/proof/options", headers=ada.headers)
                shown: object = key.get(options.json()["public_key"])
            else:
                shown = code
            answer = await client.post("/api/v1/me/proof", json={proof: shown}, headers=ada.headers)
            assert answer.status_code == 200, answer.text
            again = await client.post("/api/v1/me/proof", json={proof: shown}, headers=ada.headers)
            assert again.status_code == 422
        assert (await client.delete("/api/v1/me/totp", headers=ada.headers)).status_code == 204

    async def test_it_is_for_one_session(
        self, client: httpx.AsyncClient, ada: Person, stale: Callable[[Person], Awaitable[None]]
    ) -> None:
        await stale(ada)
        other = (await sign_in(client, ada)).json()["access_token"]
        headers = {"Authorization": f"Bearer {other}"}
        await client.post("/api/v1/me/proof", json={"password": PASSWORD}, headers=headers)
        assert (await client.post("/api/v1/me/totp", headers=ada.headers)).status_code == 403

    @pytest.mark.parametrize(
        "body", [{}, {"password": None}, {"password": "x", "otp": "123456"}, {"otp": ""}, {"magic": "x"}]
    )
    async def test_exactly_one(self, client: httpx.AsyncClient, ada: Person, body: dict[str, str]) -> None:
        answer = await client.post("/api/v1/me/proof", json=body, headers=ada.headers)
        assert answer.status_code == 422

    @pytest.mark.usefixtures("no_time_passes")
    async def test_guessing_is_limited(self, client: httpx.AsyncClient, ada: Person) -> None:
        for _ in range(5):
            answer = await client.post("/api/v1/me/proof", json={"password": "wrong"}, headers=ada.headers)
            assert answer.status_code == 422
        answer = await client.post("/api/v1/me/proof", json={"password": PASSWORD}, headers=ada.headers)
        assert answer.status_code == 429


class TestHistory:
    async def test_what_is_kept(self, client: httpx.AsyncClient, ada: Person) -> None:
        await sign_in(client, ada, "wrong", headers=from_("203.0.113.7"))
        await sign_in(client, ada, headers=from_("203.0.113.7"))
        app, _ = await add_totp(client, ada)
        await second_step(client, await mfa_token(client, ada), otp="000000")
        await second_step(client, await mfa_token(client, ada), otp=app.at())
        items = (await client.get("/api/v1/me/sign-ins", headers=ada.headers)).json()["items"]
        assert [(one["result"], one["method"]) for one in items] == [
            ("done", "otp"),
            ("refused", "otp"),
            ("done", "password"),
            ("refused", "password"),
        ]
        assert (items[-1]["device"], items[-1]["address"]) == ("Firefox, Linux", "203.0.113.7")
        refused = await client.get("/api/v1/me/sign-ins?result=refused&size=1", headers=ada.headers)
        assert len(refused.json()["items"]) == 1
        assert refused.json()["next_page"]

    async def test_an_unknown_account_leaves_a_row_too(
        self, client: httpx.AsyncClient, ada: Person, database: Database
    ) -> None:
        await sign_in(client, "nobody@example.com")
        async with database.session() as session:
            (row,) = (await session.execute(select(SignIn))).scalars()
        assert (row.user_id, row.result) == (None, "refused")
        assert (await client.get("/api/v1/me/sign-ins", headers=ada.headers)).json()["items"] == []

    async def test_it_is_forgotten_in_time(
        self, client: httpx.AsyncClient, ada: Person, database: Database
    ) -> None:
        for _ in range(2):
            await sign_in(client, ada)
        async with database.transaction() as session:
            first = (
                await session.execute(select(func.min(SignIn.id.cast(SignIn.address.type))))
            ).scalar_one()
            old = now() - timedelta(days=181)
            await session.execute(
                update(SignIn).where(SignIn.id.cast(SignIn.address.type) == first).values(created_at=old)
            )
        async with database.transaction() as session:
            assert await prune(session) == 1
            assert await prune(session) == 0

    async def test_what_is_under_way_is_forgotten_too(
        self, client: httpx.AsyncClient, ada: Person, database: Database
    ) -> None:
        from backend.factors.expiry import prune as prune_factors

        await add_totp(client, ada)
        await mfa_token(client, ada)
        await client.post("/api/v1/passkeys/options", json={})
        async with database.transaction() as session:
            assert await prune_factors(session) == 0
            await session.execute(update(Challenge).values(expires_at=now() - timedelta(seconds=1)))
            assert await prune_factors(session) == 1


class TestNewDevice:
    @pytest.fixture(autouse=True)
    async def _an_old_account(self, ada: Person, database: Database) -> None:
        async with database.transaction() as session:
            await session.execute(update(User).values(created_at=now() - timedelta(days=30)))

    async def letters(self, database: Database) -> int:
        async with database.session() as session:
            statement = select(func.count()).select_from(Letter).where(Letter.template == "new_sign_in")
            return int((await session.execute(statement)).scalar_one())

    async def test_by_place_and_kind(
        self, client: httpx.AsyncClient, ada: Person, database: Database
    ) -> None:
        await sign_in(client, ada, headers=from_("203.0.113.7"))
        assert await self.letters(database) == 1
        await sign_in(client, ada, headers=from_("203.0.113.7"))
        assert await self.letters(database) == 1
        await sign_in(client, ada, headers=from_("198.51.100.9"))
        assert await self.letters(database) == 2
        await sign_in(client, ada, headers=from_("203.0.113.7", SAFARI))
        assert await self.letters(database) == 3
        # Somebody who only tries is not thereby known.
        await sign_in(client, ada, "wrong", headers=from_("192.0.2.1"))
        await sign_in(client, ada, headers=from_("192.0.2.1"))
        assert await self.letters(database) == 4

    async def test_a_browser_is_known_again_elsewhere(
        self, client: httpx.AsyncClient, ada: Person, database: Database, user_factory: UserFactory
    ) -> None:
        answer = await sign_in(client, ada, client_id="panel", headers=from_("203.0.113.7"))
        (cookie,) = [one for one in answer.headers.get_list("set-cookie") if one.startswith(DEVICE)]
        device = cookie.partition("=")[2].partition(";")[0]
        assert {"httponly", "samesite=strict"} <= {part.strip().lower() for part in cookie.split(";")}
        client.cookies.clear()
        moved = from_("198.51.100.9", device=device)
        await sign_in(client, ada, client_id="panel", headers=moved)
        assert await self.letters(database) == 1
        # The browser that Ada is known by is new to somebody else.
        eve = await user_factory()
        async with database.transaction() as session:
            await session.execute(update(User).values(created_at=now() - timedelta(days=30)))
        await sign_in(client, eve, client_id="panel", headers=moved)
        assert await self.letters(database) == 2

    async def test_a_long_absence_makes_a_stranger(
        self, client: httpx.AsyncClient, ada: Person, database: Database
    ) -> None:
        await sign_in(client, ada)
        async with database.transaction() as session:
            await session.execute(update(SignIn).values(created_at=now() - timedelta(days=91)))
        await sign_in(client, ada)
        assert await self.letters(database) == 2

    async def test_the_first_sign_in_surprises_nobody(
        self, client: httpx.AsyncClient, user_factory: UserFactory, database: Database
    ) -> None:
        newcomer = await user_factory()
        await sign_in(client, newcomer)
        assert await self.letters(database) == 0
        await sign_in(client, newcomer, headers=from_("198.51.100.9"))
        assert await self.letters(database) == 1


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        (FIREFOX, "Firefox, Linux"),
        (SAFARI, "Safari, iPhone"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
            "Edge, Windows",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/142.0.0.0 Mobile Safari/537.36",
            "Chrome, Android",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/140.0.0.0 YaBrowser/25.8.0.0 Safari/537.36",
            "Yandex Browser, Windows",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/18.5 Safari/605.1.15",
            "Safari, macOS",
        ),
        ("curl/8.14.1", "curl"),
        ("python-httpx/0.28.1", "Python"),
        ("<script>alert(1)</script>", None),
        ("", None),
        (None, None),
    ],
)
def test_devices_in_words(user_agent: str | None, device: str | None) -> None:
    assert describe(user_agent) == device
