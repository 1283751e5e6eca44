"""The authorization endpoint (RFC 6749 §4.1.1) and the decision that the panel asks a person for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError, OAuth2Error
from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import Settings
from backend.oauth import consents
from backend.oauth.caller import Caller
from backend.oauth.dao import ClientDAO
from backend.oauth.models import OAuthClient
from backend.oauth.redirects import is_assured
from backend.oauth.server import Asked, TokenServer
from backend.users.dao import UserDAO
from backend.users.models import User

CONSENT_PAGE = "/consent"
PARAMETERS: dict[str, int] = {
    "response_type": 40,
    "client_id": 64,
    "redirect_uri": 500,
    "scope": 1000,
    "state": 1000,
    "code_challenge": 128,
    "code_challenge_method": 10,
}
"""What an authorization request may hold, and how much of it; everything else is ignored."""

# RFC 6749 appendix A; quotes and backslashes only where a client's own state may need them.
_PLAIN = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]+")
_STATE = re.compile(r"[\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class Request:
    """An authorization request that is valid, and who made the application."""

    client: OAuthClient
    maker: User | None
    asked: Asked
    remembered: bool = False


class Refused(Exception):
    """The request is not valid. `location` leads the browser back to the application with the error,
    if the address to go back to was a registered one."""

    def __init__(self, error: OAuth2Error, location: str | None) -> None:
        super().__init__(error.error)
        self.error = error
        self.location = location


def read(given: dict[str, str]) -> dict[str, str]:
    """The parameters of an authorization request among these. Raises `Refused`."""
    found = {name: given[name] for name in PARAMETERS if given.get(name)}
    for name, value in found.items():
        allowed = _STATE if name == "state" else _PLAIN
        if len(value) > PARAMETERS[name] or not allowed.fullmatch(value):
            raise Refused(InvalidRequestError(f"The parameter '{name}' is not valid."), None)
    return found


async def page_for(session: AsyncSession, settings: Settings, given: dict[str, str], caller: Caller) -> str:
    """Where the browser goes that came with an authorization request. Raises `Refused`."""
    query = read(given)
    await check(session, settings, query, caller)
    return f"{settings.panel_url}{CONSENT_PAGE}?{urlencode(query)}"


def page_of_error(settings: Settings, refused: Refused) -> str:
    """Back to the application if that is safe, else to a page that tells the person."""
    told = {"error": refused.error.error}
    return refused.location or f"{settings.panel_url}{CONSENT_PAGE}?{urlencode(told)}"


async def check(
    session: AsyncSession,
    settings: Settings,
    query: dict[str, str],
    caller: Caller,
    user: User | None = None,
) -> Request:
    """Raises `Refused`. `user` is whose earlier consent counts."""
    server, client, maker = await _server_for(session, settings, query, caller)
    try:
        asked = await server.asked(query)
    except OAuth2Error as error:
        raise Refused(error, server.returning(error)) from None
    remembered = (
        user is not None
        and is_assured(asked.redirect_uri)
        and await consents.covers(session, user.id, client.id, asked.scopes)
    )
    return Request(client, maker, asked, remembered)


async def decide(
    session: AsyncSession,
    settings: Settings,
    query: dict[str, str],
    caller: Caller,
    user: User,
    *,
    approve: bool,
) -> str:
    """Where the browser goes with the person's answer. Raises `Refused`."""
    request = await check(session, settings, query, caller, user)
    server, client, _ = await _server_for(session, settings, query, caller)
    if approve:
        await consents.remember(session, user.id, client, request.asked.scopes)
    return await server.decide(query, user if approve else None)


async def _server_for(
    session: AsyncSession, settings: Settings, query: dict[str, str], caller: Caller
) -> tuple[TokenServer, OAuthClient, User | None]:
    client = await ClientDAO(session).find(query.get("client_id", ""))
    maker = await UserDAO(session).get(client.owner_id) if client and client.owner_id else None
    if client is None or (maker is not None and not maker.is_active):
        raise Refused(InvalidClientError("There is no such application."), None)
    return TokenServer(session, settings, client, caller), client, maker
