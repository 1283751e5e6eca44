"""POST /oauth/revoke (RFC 7009)."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import select

from backend.database import Database
from backend.oauth.models import Ending, OAuthSession
from tests.identity.oauth import REVOKE, me, refresh, sign_in
from tests.support.people import UserFactory


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "nonsense"])
async def test_either_token_ends_the_whole_session_at_once(
    client: httpx.AsyncClient, user_factory: UserFactory, database: Database, kind: str, hint: str | None
) -> None:
    ada = await user_factory()
    other = (await sign_in(client, ada)).json()
    assert (await me(client, ada.access_token)).status_code == 200
    form = {"client_id": "cli", "token": getattr(ada, kind), **({"token_type_hint": hint} if hint else {})}
    answer = await client.post(REVOKE, data=form)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert (await me(client, ada.access_token)).json()["code"] == "session_ended"
    assert (await refresh(client, ada.refresh_token)).json()["error"] == "invalid_grant"
    # Another sign-in of the same person goes on.
    assert (await me(client, other["access_token"])).status_code == 200
    async with database.session() as session:
        kept = await session.get(OAuthSession, ada.session_id)
        assert kept is not None
        assert kept.revoked_reason == Ending.SIGNED_OUT
        assert len((await session.execute(select(OAuthSession))).scalars().all()) == 2


@pytest.mark.parametrize("token", ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "я" * 500, "x" * 5000])
async def test_an_unknown_token_is_fine(client: httpx.AsyncClient, token: str) -> None:
    assert (await client.post(REVOKE, data={"client_id": "cli", "token": token})).status_code == 200


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"client_id": "cli"}, "invalid_request"),
        ({"client_id": "cli", "token": ""}, "invalid_request"),
        ({"token": "x"}, "invalid_client"),
        ({"client_id": "stranger", "token": "x"}, "invalid_client"),
    ],
)
async def test_asking_wrongly(client: httpx.AsyncClient, form: dict[str, str], error: str) -> None:
    answer = await client.post(REVOKE, data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_another_client_cannot(client: httpx.AsyncClient, user_factory: UserFactory, kind: str) -> None:
    ada = await user_factory()
    answer = await client.post(REVOKE, data={"client_id": "panel", "token": getattr(ada, kind)})
    assert answer.json()["error"] == "invalid_grant"
    assert (await me(client, ada.access_token)).status_code == 200
