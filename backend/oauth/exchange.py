"""What stands around Authlib at the token and revocation endpoints: limits, passwords, the cookie."""

from __future__ import annotations

from dataclasses import dataclass

from authlib.oauth2.rfc6749 import OAuth2Error

from backend.exceptions import TooManyRequests
from backend.oauth.caller import Caller
from backend.oauth.dao import ClientDAO
from backend.oauth.identity import Identity
from backend.oauth.models import OAuthClient
from backend.oauth.server import Answer, TokenServer
from backend.users import passwords
from backend.users.dao import UserDAO
from backend.users.emails import normalise
from backend.users.models import User

CLEAR = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    answer: Answer
    cookie: str | None = None
    """What to put into the refresh cookie: a token, `CLEAR`, or None to leave it alone."""


@dataclass(frozen=True, slots=True)
class _SignedIn:
    user: User
    renewed_hash: str | None


class ForeignPage(OAuth2Error):
    error = "access_denied"
    status_code = 403
    description = "Only pages of the panel itself may do this."


class Limited(OAuth2Error):
    error = "too_many_requests"
    status_code = 429

    def __init__(self, cause: TooManyRequests) -> None:
        super().__init__(cause.detail)
        self._headers = cause.headers

    def get_headers(self) -> list[tuple[str, str]]:
        return [*super().get_headers(), *self._headers.items()]


async def issue(identity: Identity, form: dict[str, str], caller: Caller) -> Outcome:
    """Answer a token request. Raises Authlib's `OAuth2Error`; most errors are answers already."""
    client, user = await _lookup(identity, form)
    in_cookie = client is not None and client.keep_refresh_in_cookie
    if in_cookie:
        form = _with_cookie(form, caller)
    signed_in = None
    if client is not None and _asks_for_password(form) and client.check_grant_type("password"):
        signed_in = await _sign_in(identity, user, form, caller)
    key = await identity.keys.signing()
    async with identity.database.transaction() as session:
        if signed_in is not None and signed_in.renewed_hash is not None:
            await UserDAO(session).store_hash(
                signed_in.user.id, signed_in.user.password_hash, signed_in.renewed_hash
            )
        server = TokenServer(
            session,
            identity.settings,
            client,
            caller,
            key=key,
            signed_in=signed_in.user if signed_in else None,
        )
        answer = await server.token(form)
    _forget(identity, server)
    if answer.status == 200 and in_cookie:
        return Outcome(answer, cookie=answer.body.pop("refresh_token"))
    return Outcome(answer)


async def revoke(identity: Identity, form: dict[str, str], caller: Caller) -> Outcome:
    """Answer a revocation request; signing out twice is fine."""
    client, _ = await _lookup(identity, form)
    in_cookie = client is not None and client.keep_refresh_in_cookie
    if in_cookie and "token" not in form:
        if caller.from_panel is not True:
            raise ForeignPage
        form = {**form, "token": caller.refresh_cookie or ""}
    claims = await identity.claims(form.get("token", ""))
    async with identity.database.transaction() as session:
        server = TokenServer(session, identity.settings, client, caller, claims=claims)
        answer = await server.revocation(form)
    _forget(identity, server)
    return Outcome(answer, cookie=CLEAR if in_cookie and answer.status == 200 else None)


def _asks_for_password(form: dict[str, str]) -> bool:
    return form.get("grant_type") == "password" and "username" in form and "password" in form


async def _lookup(identity: Identity, form: dict[str, str]) -> tuple[OAuthClient | None, User | None]:
    """The client and, for a sign-in, the user; read before the slow hashing, which needs no connection."""
    client_id = form.get("client_id")
    if client_id is None:
        return None, None
    async with identity.database.transaction() as session:
        client = await ClientDAO(session).find(client_id)
        user = None
        if client is not None and _asks_for_password(form):
            email = normalise(form["username"], reserved_domains=True)
            user = await UserDAO(session).by_email(email) if email is not None else None
        return client, user


def _with_cookie(form: dict[str, str], caller: Caller) -> dict[str, str]:
    # A foreign page could otherwise sign its visitor in to an account of its choice.
    if caller.from_panel is False:
        raise ForeignPage
    if form.get("grant_type") != "refresh_token" or "refresh_token" in form or not caller.refresh_cookie:
        return form
    if caller.from_panel is not True:
        raise ForeignPage
    return {**form, "refresh_token": caller.refresh_cookie}


async def _sign_in(
    identity: Identity, user: User | None, form: dict[str, str], caller: Caller
) -> _SignedIn | None:
    account = normalise(form["username"], reserved_domains=True) or form["username"]
    try:
        await identity.limits.sign_in(account, caller.address)
    except TooManyRequests as error:
        raise Limited(error) from None
    password = form["password"]
    stored = user.password_hash if user is not None else None
    valid, renewed = await passwords.verify(password, stored)
    if not valid or user is None or not user.is_active:
        return None
    await identity.limits.signed_in(account)
    return _SignedIn(user, renewed)


def _forget(identity: Identity, server: TokenServer) -> None:
    # The database's announcement takes a moment; a token revoked here is refused from now on.
    for session_id in server.ended:
        identity.forget(str(session_id))
