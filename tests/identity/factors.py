"""Adding second factors, and signing in with them, in tests."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import orjson
import pyotp

from backend.oauth.second_step import MFA, PASSKEY
from tests.identity.authenticator import Authenticator
from tests.identity.oauth import TOKEN, sign_in
from tests.support.people import Person

STEP = 30


class Totp:
    """An authenticator app."""

    def __init__(self, secret: str) -> None:
        self._totp = pyotp.TOTP(secret)

    def at(self, steps: int = 0) -> str:
        """The code of now, or of so many steps of half a minute later."""
        return self._totp.at(time.time() + steps * STEP)


async def add_totp(client: httpx.AsyncClient, person: Person) -> tuple[Totp, list[str]]:
    """The app and the recovery codes. Its code of the step before now is used: that of now is not."""
    begun = await client.post("/api/v1/me/totp", headers=person.headers)
    assert begun.status_code == 200, begun.text
    app = Totp(begun.json()["secret"])
    # A code of the step before now would be too old if a new one began meanwhile.
    if (left := STEP - time.time() % STEP) < 3:
        await asyncio.sleep(left)
    answer = await client.post(
        "/api/v1/me/totp/confirmation", json={"code": app.at(-1)}, headers=person.headers
    )
    assert answer.status_code == 200, answer.text
    return app, answer.json()["recovery_codes"]


async def add_passkey(
    client: httpx.AsyncClient, person: Person, key: Authenticator, name: str = "Blue key"
) -> httpx.Response:
    options = await client.post("/api/v1/me/passkeys/options", headers=person.headers)
    assert options.status_code == 200, options.text
    body = {"name": name, "credential": key.create(options.json()["public_key"])}
    return await client.post("/api/v1/me/passkeys", json=body, headers=person.headers)


async def mfa_token(client: httpx.AsyncClient, person: Person, **more: Any) -> str:
    """From a sign-in whose password was right."""
    answer = await sign_in(client, person, **more)
    assert (answer.status_code, answer.json()["error"]) == (400, "mfa_required"), answer.text
    token: str = answer.json()["mfa_token"]
    return token


async def second_step(
    client: httpx.AsyncClient,
    token: str,
    *,
    client_id: str = "cli",
    headers: dict[str, str] | None = None,
    **factor: str,
) -> httpx.Response:
    form = {"grant_type": MFA, "client_id": client_id, "mfa_token": token, **factor}
    return await client.post(TOKEN, data=form, headers=headers)


async def request_options(client: httpx.AsyncClient, token: str | None = None) -> dict[str, Any]:
    body = {"mfa_token": token} if token is not None else {}
    answer = await client.post("/api/v1/passkeys/options", json=body)
    assert answer.status_code == 200, answer.text
    options: dict[str, Any] = answer.json()["public_key"]
    return options


async def passkey_sign_in(
    client: httpx.AsyncClient, assertion: dict[str, Any], *, client_id: str = "cli"
) -> httpx.Response:
    form = {"grant_type": PASSKEY, "client_id": client_id, "passkey": orjson.dumps(assertion).decode()}
    return await client.post(TOKEN, data=form)
