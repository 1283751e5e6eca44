"""Clients that know nothing of us but the RFCs: Authlib's and requests-oauthlib's, over real HTTP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from fastapi import FastAPI
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

from backend.config import Settings
from tests.oauth.flows import BACK, decide, query_of, register
from tests.support.people import Person


@pytest.fixture
def settings(settings_of, listening: socket.socket) -> Settings:  # type: ignore[no-untyped-def]
    return settings_of(panel_url=f"http://127.0.0.1:{listening.getsockname()[1]}")


@pytest.fixture
def listening() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken


@pytest.fixture
async def metadata(
    app: FastAPI, settings: Settings, listening: socket.socket
) -> AsyncIterator[dict[str, str]]:
    """What a client finds out by itself; the server runs meanwhile."""
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    async with httpx.AsyncClient(base_url=settings.panel_url, trust_env=False) as http:
        async with asyncio.timeout(30):
            while not server.started:
                await asyncio.sleep(0.01)
        yield (await http.get("/.well-known/oauth-authorization-server")).json()
    server.should_exit = True
    await serving


async def answer_of(client: httpx.AsyncClient, person: Person, url: str) -> str:
    """What the person's browser does with the address that the client made: it ends at the client's."""
    answer = await client.get(url)
    assert answer.status_code == 303
    page = answer.headers["location"]
    assert urlsplit(page).path == "/consent"
    return (await decide(client, person, query_of(page))).json()["redirect_to"]


async def test_authlib(
    client: httpx.AsyncClient, ada: Person, bob: Person, metadata: dict[str, str], settings: Settings
) -> None:
    application = await register(client, ada)
    async with AsyncOAuth2Client(
        application.id,
        application.secret,
        scope="me:read services:read",
        redirect_uri=BACK,
        code_challenge_method="S256",
        trust_env=False,
        update_token=None,
        token_endpoint=metadata["token_endpoint"],
        revocation_endpoint_auth_method="client_secret_basic",
    ) as standard:
        verifier = "a-verifier-of-at-least-forty-three-characters-0123456789"
        url, state = standard.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier
        )
        location = await answer_of(client, bob, url)
        token = await standard.fetch_token(
            metadata["token_endpoint"], authorization_response=location, state=state, code_verifier=verifier
        )
        assert token["scope"] == "me:read services:read"
        me = await standard.get(f"{settings.panel_url}/api/v1/me")
        assert me.json()["id"] == str(bob.id)
        first = token["refresh_token"]
        token = await standard.refresh_token(metadata["token_endpoint"])
        assert token["refresh_token"] != first
        assert (await standard.get(f"{settings.panel_url}/api/v1/me")).status_code == 200
        said = await standard.introspect_token(
            metadata["introspection_endpoint"], token=token["access_token"]
        )
        assert said.json()["active"] is True
        await standard.revoke_token(metadata["revocation_endpoint"], token=token["refresh_token"])
        assert (await standard.get(f"{settings.panel_url}/api/v1/me")).status_code == 401


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_authlib_by_itself(
    client: httpx.AsyncClient, ada: Person, metadata: dict[str, str], settings: Settings, method: str
) -> None:
    application = await register(
        client, ada, grants=["client_credentials"], redirect_uris=[], scopes=["me:read"]
    )
    async with AsyncOAuth2Client(
        application.id, application.secret, token_endpoint_auth_method=method, trust_env=False
    ) as standard:
        await standard.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
        assert (await standard.get(f"{settings.panel_url}/api/v1/me")).json()["id"] == str(ada.id)


async def test_requests_oauthlib(
    client: httpx.AsyncClient,
    ada: Person,
    bob: Person,
    metadata: dict[str, str],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A public client on somebody's machine, which takes the port that is free."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    application = await register(client, ada, confidential=False, redirect_uris=["http://127.0.0.1/back"])
    standard = OAuth2Session(
        application.id,
        scope=["me:read", "services:read"],
        redirect_uri="http://127.0.0.1:49210/back",
        pkce="S256",
    )
    standard.trust_env = False
    url, _ = standard.authorization_url(metadata["authorization_endpoint"])
    location = await answer_of(client, bob, url)
    token = await asyncio.to_thread(
        standard.fetch_token,
        metadata["token_endpoint"],
        authorization_response=location,
        include_client_id=True,
    )
    answer = await asyncio.to_thread(standard.get, f"{settings.panel_url}/api/v1/me")
    assert answer.json()["id"] == str(bob.id)
    renewed = await asyncio.to_thread(
        standard.refresh_token, metadata["token_endpoint"], client_id=application.id
    )
    assert renewed["refresh_token"] != token["refresh_token"]
    answer = await asyncio.to_thread(standard.get, f"{settings.panel_url}/api/v1/me")
    assert answer.status_code == 200
    standard.close()


async def test_requests_oauthlib_by_itself(
    client: httpx.AsyncClient,
    ada: Person,
    metadata: dict[str, str],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    application = await register(
        client, ada, grants=["client_credentials"], redirect_uris=[], scopes=["me:read"]
    )
    standard = OAuth2Session(client=BackendApplicationClient(client_id=application.id))
    standard.trust_env = False
    await asyncio.to_thread(
        standard.fetch_token, metadata["token_endpoint"], client_secret=application.secret
    )
    answer = await asyncio.to_thread(standard.get, f"{settings.panel_url}/api/v1/me")
    assert answer.json()["id"] == str(ada.id)
    standard.close()


async def test_metadata(metadata: dict[str, str], settings: Settings) -> None:
    assert metadata["issuer"] == settings.panel_url
    # The one thing that development may do and RFC 8414 may not is plain http.
    secure = {
        name: value.replace("http:", "https:") if isinstance(value, str) else value
        for name, value in metadata.items()
    }
    AuthorizationServerMetadata(secure).validate()
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(metadata["jwks_uri"])).status_code == 200
        for name in ("token_endpoint", "revocation_endpoint", "introspection_endpoint"):
            assert (await http.post(metadata[name])).json()["error"] == "invalid_request"
        assert (await http.get(metadata["authorization_endpoint"])).status_code == 303
