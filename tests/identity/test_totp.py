"""The authenticator app and the recovery codes: enrolment, the second step of a sign-in, replays."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest
from sqlalchemy import select, text, update

from backend.database import Database, now
from backend.factors.models import RecoveryCode, SecondStep, TotpSecret
from backend.mail.models import Letter
from backend.oauth import sessions
from backend.oauth.announcements import announce
from backend.roles.dao import RoleDAO
from backend.roles.permissions import ADMIN_USERS_WRITE
from backend.users.models import User
from backend.utils.ids import new_id
from tests.identity.factors import Totp, add_totp, mfa_token, second_step
from tests.identity.oauth import me, set_cookie, sign_in
from tests.support.people import PASSWORD, Person, UserFactory


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory()


async def letters(database: Database) -> list[str]:
    async with database.session() as session:
        return list((await session.execute(select(Letter.template).order_by(Letter.id))).scalars())


async def audited(database: Database, action: str) -> list[str]:
    async with database.session() as session:
        found = await session.execute(
            text("SELECT result FROM audit_events WHERE action = :action ORDER BY id"), {"action": action}
        )
        return list(found.scalars())


async def test_enrolment(client: httpx.AsyncClient, ada: Person, database: Database) -> None:
    begun = (await client.post("/api/v1/me/totp", headers=ada.headers)).json()
    uri = urlsplit(begun["uri"])
    assert (uri.scheme, uri.netloc, unquote(uri.path)) == ("otpauth", "totp", f"/Gavan:{ada.email}")
    assert parse_qs(uri.query) == {"secret": [begun["secret"]], "issuer": ["Gavan"]}
    assert begun["qr"].startswith("data:image/svg+xml")
    # It protects nothing yet.
    assert (await sign_in(client, ada)).status_code == 200
    wrong = await client.post(
        "/api/v1/me/totp/confirmation", json={"code": Totp(begun["secret"]).at(5)}, headers=ada.headers
    )
    assert (wrong.status_code, wrong.json()["code"]) == (422, "wrong_code")
    app = Totp(begun["secret"])
    answer = await client.post("/api/v1/me/totp/confirmation", json={"code": app.at()}, headers=ada.headers)
    assert len(set(answer.json()["recovery_codes"])) == 10
    there = (await client.get("/api/v1/me/second-factors", headers=ada.headers)).json()
    assert there == {
        "protected": True,
        "methods": ["otp", "recovery_code"],
        "totp": True,
        "passkeys": [],
        "recovery_codes": 10,
    }
    async with database.session() as session:
        stored = (await session.execute(select(TotpSecret))).scalar_one()
        hashes = (await session.execute(select(RecoveryCode.code_hash))).scalars().all()
    assert begun["secret"] not in stored.secret
    assert stored.secret.startswith("v1.")
    assert all(len(one) == 32 for one in hashes)
    assert await letters(database) == ["factor_added"]
    assert await audited(database, "totp.added") == ["done"]
    again = await client.post("/api/v1/me/totp", headers=ada.headers)
    assert (again.status_code, again.json()["code"]) == (409, "totp_in_use")
    confirmed = await client.post(
        "/api/v1/me/totp/confirmation", json={"code": app.at(1)}, headers=ada.headers
    )
    assert (confirmed.status_code, confirmed.json()["code"]) == (409, "totp_not_begun")


async def test_an_enrolment_that_was_left_is_no_door(
    client: httpx.AsyncClient, ada: Person, database: Database
) -> None:
    app = Totp((await client.post("/api/v1/me/totp", headers=ada.headers)).json()["secret"])
    async with database.transaction() as session:
        await session.execute(update(TotpSecret).values(created_at=now() - timedelta(hours=1)))
    answer = await client.post("/api/v1/me/totp/confirmation", json={"code": app.at()}, headers=ada.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "totp_not_begun")


async def test_the_second_step(client: httpx.AsyncClient, ada: Person, database: Database) -> None:
    app, _ = await add_totp(client, ada)
    answer = await sign_in(client, ada, scope="me:read")
    body = answer.json()
    assert (answer.status_code, body["error"], body["expires_in"]) == (400, "mfa_required", 300)
    assert body["mfa_methods"] == ["otp", "recovery_code"]
    assert "access_token" not in body
    done = await second_step(client, body["mfa_token"], otp=app.at())
    assert done.status_code == 200, done.text
    # The scope is that of the first step.
    assert done.json()["scope"] == "me:read"
    assert (await me(client, done.json()["access_token"])).status_code == 200
    # The token is spent, and so is the code.
    again = await second_step(client, body["mfa_token"], otp=app.at(1))
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    replayed = await second_step(client, await mfa_token(client, ada), otp=app.at())
    assert (replayed.status_code, replayed.json()["error"]) == (400, "mfa_refused")
    older = await second_step(client, await mfa_token(client, ada), otp=app.at(-1))
    assert older.json()["error"] == "mfa_refused"
    async with database.session() as session:
        stored = (await session.execute(select(SecondStep.token_hash))).scalars().all()
    assert body["mfa_token"].encode() not in stored


async def test_in_the_panel_the_cookie_comes_with_the_second_step(
    client: httpx.AsyncClient, ada: Person
) -> None:
    app, _ = await add_totp(client, ada)
    first = await sign_in(client, ada, client_id="panel")
    assert "set-cookie" not in first.headers
    done = await second_step(client, first.json()["mfa_token"], client_id="panel", otp=app.at())
    assert "refresh_token" not in done.json()
    assert set_cookie(done)[0]


@pytest.mark.parametrize(("steps", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
async def test_a_clock_may_be_a_step_off(
    client: httpx.AsyncClient,
    ada: Person,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    steps: int,
    good: bool,
) -> None:
    moment = now().replace(second=10)
    monkeypatch.setattr("backend.factors.totp.now", lambda: moment)
    monkeypatch.setattr("tests.identity.factors.time.time", lambda: moment.timestamp())
    app, _ = await add_totp(client, ada)
    async with database.transaction() as session:
        await session.execute(update(TotpSecret).values(last_step=0))
    answer = await second_step(client, await mfa_token(client, ada), otp=app.at(steps))
    assert (answer.status_code == 200) is good


async def test_one_code_at_once_twice(client: httpx.AsyncClient, ada: Person) -> None:
    app, _ = await add_totp(client, ada)
    tokens = [await mfa_token(client, ada) for _ in range(4)]
    code = app.at()
    answers = await asyncio.gather(*(second_step(client, token, otp=code) for token in tokens))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]


async def test_one_token_at_once_twice(client: httpx.AsyncClient, ada: Person) -> None:
    _, codes = await add_totp(client, ada)
    token = await mfa_token(client, ada)
    answers = await asyncio.gather(*(second_step(client, token, recovery_code=code) for code in codes[:4]))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    there = (await client.get("/api/v1/me/second-factors", headers=ada.headers)).json()
    assert there["recovery_codes"] == 9


async def test_one_recovery_code_at_once_twice(
    client: httpx.AsyncClient, ada: Person, database: Database
) -> None:
    _, codes = await add_totp(client, ada)
    tokens = [await mfa_token(client, ada) for _ in range(4)]
    answers = await asyncio.gather(*(second_step(client, token, recovery_code=codes[0]) for token in tokens))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    assert (await letters(database)).count("recovery_code_used") == 1
    assert await audited(database, "recovery_codes.used") == ["done"]


async def test_recovery_codes_as_people_type_them(client: httpx.AsyncClient, ada: Person) -> None:
    _, codes = await add_totp(client, ada)
    for typed in (codes[0].upper(), codes[1].replace("-", " "), f" {codes[2].replace('-', '')} "):
        answer = await second_step(client, await mfa_token(client, ada), recovery_code=typed)
        assert answer.status_code == 200, answer.text


async def test_new_recovery_codes_void_the_old(client: httpx.AsyncClient, ada: Person) -> None:
    _, old = await add_totp(client, ada)
    new = (await client.post("/api/v1/me/recovery-codes", headers=ada.headers)).json()["recovery_codes"]
    assert not set(old) & set(new)
    token = await mfa_token(client, ada)
    assert (await second_step(client, token, recovery_code=old[0])).json()["error"] == "mfa_refused"
    assert (await second_step(client, token, recovery_code=new[0])).status_code == 200


async def test_recovery_codes_need_something_to_stand_in_for(client: httpx.AsyncClient, ada: Person) -> None:
    answer = await client.post("/api/v1/me/recovery-codes", headers=ada.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "no_second_factor")


@pytest.mark.usefixtures("no_time_passes")
async def test_wrong_codes_try_the_patience(
    client: httpx.AsyncClient, ada: Person, database: Database
) -> None:
    app, codes = await add_totp(client, ada)
    token = await mfa_token(client, ada)
    for _ in range(5):
        answer = await second_step(client, token, otp="000000")
        assert answer.json()["error"] == "mfa_refused"
    token = await mfa_token(client, ada)
    refused = await second_step(client, token, otp=app.at())
    assert (refused.status_code, refused.json()["error"]) == (429, "too_many_requests")
    assert int(refused.headers["retry-after"]) > 0
    assert (await second_step(client, token, recovery_code=codes[0])).status_code == 429
    assert await audited(database, "session.refused") == ["refused"] * 5


class TestPatient:
    @pytest.fixture
    def settings(self, settings_of):  # type: ignore[no-untyped-def]
        return settings_of(guess_free_tries=100, guess_free_tries_anywhere=100)

    async def test_five_wrong_codes_end_the_token(self, client: httpx.AsyncClient, ada: Person) -> None:
        app, _ = await add_totp(client, ada)
        token = await mfa_token(client, ada)
        for _ in range(5):
            assert (await second_step(client, token, otp="000000")).json()["error"] == "mfa_refused"
        assert (await second_step(client, token, otp=app.at())).json()["error"] == "invalid_grant"


async def test_a_token_is_for_its_client_and_network(client: httpx.AsyncClient, ada: Person) -> None:
    app, _ = await add_totp(client, ada)
    here = {"X-Forwarded-For": "203.0.113.5"}
    token = await mfa_token(client, ada, headers=here)
    there = {"X-Forwarded-For": "198.51.100.9"}
    for headers, client_id in ((there, "cli"), (here, "panel")):
        answer = await second_step(client, token, otp=app.at(), headers=headers, client_id=client_id)
        assert answer.json()["error"] == "invalid_grant"
    assert (await second_step(client, token, otp=app.at(), headers=here)).status_code == 200


async def test_a_token_expires(client: httpx.AsyncClient, ada: Person, database: Database) -> None:
    app, _ = await add_totp(client, ada)
    token = await mfa_token(client, ada)
    async with database.transaction() as session:
        await session.execute(update(SecondStep).values(expires_at=now()))
    assert (await second_step(client, token, otp=app.at())).json()["error"] == "invalid_grant"


async def test_a_blocked_user(client: httpx.AsyncClient, ada: Person, database: Database) -> None:
    app, _ = await add_totp(client, ada)
    token = await mfa_token(client, ada)
    async with database.transaction() as session:
        await session.execute(update(User).values(is_active=False))
    assert (await second_step(client, token, otp=app.at())).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "factor", [{}, {"otp": "123456", "recovery_code": "x"}, {"passkey": "["}, {"passkey": "[]"}]
)
async def test_asking_wrongly(client: httpx.AsyncClient, ada: Person, factor: dict[str, str]) -> None:
    await add_totp(client, ada)
    answer = await second_step(client, await mfa_token(client, ada), **factor)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("code", ["", "12345", "١٢٣٤٥٦", "1234567", "abcdef", "\ud800", "9" * 5000])
async def test_what_is_no_code(client: httpx.AsyncClient, ada: Person, code: str) -> None:
    await add_totp(client, ada)
    token = await mfa_token(client, ada)
    answer = await client.post(
        "/oauth/token",
        content=httpx.QueryParams({"grant_type": "urn:gavan:params:oauth:grant-type:mfa"}).__str__().encode()
        + b"&client_id=cli&mfa_token="
        + token.encode()
        + b"&otp="
        + "".join(f"%{byte:02x}" for byte in code.encode("utf-8", "surrogatepass")).encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 400
    assert answer.json()["error"] in ("invalid_request", "mfa_refused")


async def test_removal_takes_the_codes_along(
    client: httpx.AsyncClient, ada: Person, database: Database
) -> None:
    await add_totp(client, ada)
    assert (await client.delete("/api/v1/me/totp", headers=ada.headers)).status_code == 204
    assert (await sign_in(client, ada)).status_code == 200
    there = (await client.get("/api/v1/me/second-factors", headers=ada.headers)).json()
    assert (there["protected"], there["recovery_codes"]) == (False, 0)
    assert await letters(database) == ["factor_added", "factor_removed"]
    assert (await client.delete("/api/v1/me/totp", headers=ada.headers)).status_code == 409


async def test_a_wrong_password_says_nothing_of_the_second_factor(
    client: httpx.AsyncClient, ada: Person
) -> None:
    await add_totp(client, ada)
    answer = await sign_in(client, ada, PASSWORD + "x")
    assert set(answer.json()) == {"error", "error_description"}
    assert answer.json()["error"] == "invalid_grant"


async def test_an_administrator_resets_them(
    client: httpx.AsyncClient, ada: Person, user_factory: UserFactory, database: Database
) -> None:
    await add_totp(client, ada)
    token = await mfa_token(client, ada)
    admin = await user_factory(roles=("user", "admin"))
    path = f"/api/v1/admin/users/{ada.id}/reset-second-factors"
    assert (await client.post(path, headers=ada.headers)).status_code == 403
    assert (await client.post(path, headers=admin.headers)).status_code == 204
    assert (await second_step(client, token, otp="000000")).json()["error"] == "invalid_grant"
    assert (await sign_in(client, ada)).status_code == 200
    assert "factors_reset" in await letters(database)
    assert await audited(database, "user.factors_reset") == ["done"]
    # Once more there is nothing to do, and nobody is written to. The own account is no emergency.
    assert (await client.post(path, headers=admin.headers)).status_code == 204
    assert await audited(database, "user.factors_reset") == ["done"]
    own = await client.post(f"/api/v1/admin/users/{admin.id}/reset-second-factors", headers=admin.headers)
    assert (own.status_code, own.json()["code"]) == (409, "own_account")
    nobody = await client.post(f"/api/v1/admin/users/{new_id()}/reset-second-factors", headers=admin.headers)
    assert nobody.status_code == 404


async def test_whoever_may_less_resets_nothing_of_whoever_may_more(
    client: httpx.AsyncClient, user_factory: UserFactory, database: Database
) -> None:
    admin, helper = await user_factory(roles=("user", "admin")), await user_factory()
    await add_totp(client, admin)
    async with database.transaction() as session:
        roles = RoleDAO(session)
        await roles.put_role("helper", "Helper")
        await roles.grant("helper", {ADMIN_USERS_WRITE})
        await roles.give(helper.id, ("helper",))
        await announce(session, helper.id)
    answer = await client.post(f"/api/v1/admin/users/{admin.id}/reset-second-factors", headers=helper.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "outranked")
    assert (await sign_in(client, admin)).json()["error"] == "mfa_required"


async def test_a_new_password_ends_what_the_old_one_began(
    client: httpx.AsyncClient, ada: Person, database: Database
) -> None:
    app, _ = await add_totp(client, ada)
    token = await mfa_token(client, ada)
    async with database.transaction() as session:
        await sessions.revoke_all(session, ada.id, "password changed")
    assert (await second_step(client, token, otp=app.at())).json()["error"] == "invalid_grant"
