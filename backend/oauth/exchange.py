"""What stands around Authlib at the endpoints that take forms: limits, passwords, the cookie."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from authlib.oauth2.rfc6749 import InvalidClientError, OAuth2Error

from backend.exceptions import TooManyRequests
from backend.factors.standing import Standing
from backend.oauth import arrivals, second_step
from backend.oauth.arrivals import Attempt
from backend.oauth.caller import Caller
from backend.oauth.clientauth import BASIC, Credentials
from backend.oauth.dao import ClientDAO
from backend.oauth.identity import Identity
from backend.oauth.limits import network_of
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
    device: str | None = None
    """What the browser is to be known by from now on; None to leave it as it is."""


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


async def issue(
    identity: Identity, form: dict[str, str], caller: Caller, credentials: Credentials
) -> Outcome:
    """Answer a token request. Raises Authlib's `OAuth2Error`; most errors are answers already."""
    began = time.monotonic()
    form = _named(form, credentials)
    email = normalise(form["username"], reserved_domains=True) if _asks_for_password(form) else None
    client, person = await _lookup(identity, form, caller, email)
    in_cookie = client is not None and client.keep_refresh_in_cookie
    if in_cookie:
        form = _with_cookie(form, caller)
    signed_in = None
    attempt = None
    if client is not None and _asks_for_password(form) and client.check_grant_type("password"):
        attempt = person
        account = email or form["username"]
        async with identity.turns.of((account, network_of(caller.address), caller.device_cookie)):
            signed_in = await _sign_in(identity, attempt.user, account, form["password"], caller)
    else:
        await _count_factor(identity, form, caller)
    key = await identity.keys.signing()
    plain = signed_in is not None and attempt is not None and _is_plain(signed_in, attempt)
    database = identity.database
    async with database.single() if plain else database.transaction() as session:
        if signed_in is not None and signed_in.renewed_hash is not None:
            await UserDAO(session).store_hash(
                signed_in.user.id, signed_in.user.password_hash, signed_in.renewed_hash
            )
        server = TokenServer(
            session,
            identity.settings,
            client,
            caller,
            credentials=credentials,
            key=key,
            signed_in=signed_in.user if signed_in else None,
            attempt=attempt,
        )
        answer = await server.token(form)
        done = answer.status == 200
        if not done and client is not None and server.attempt is not None:
            await arrivals.refused(session, server.attempt, client, caller)
    _forget(identity, server)
    if attempt is not None and signed_in is None:
        # Reading an account takes a fraction of a millisecond, which many attempts would show.
        await identity.pace.even_out("sign-in", began)
    # A password that was enough was not followed by a factor.
    if done and attempt is None and server.attempt is not None and server.attempt.user is not None:
        account = str(server.attempt.user.id)
        await identity.limits.succeeded("second_factor", account=account, address=caller.address)
    if done and in_cookie:
        return Outcome(answer, cookie=answer.body.pop("refresh_token"), device=server.device)
    return Outcome(answer)


async def revoke(
    identity: Identity, form: dict[str, str], caller: Caller, credentials: Credentials
) -> Outcome:
    """Answer a revocation request; signing out twice is fine."""
    form = _named(form, credentials)
    client, _ = await _lookup(identity, form, caller)
    in_cookie = client is not None and client.keep_refresh_in_cookie
    if in_cookie and "token" not in form:
        if caller.from_panel is not True:
            raise ForeignPage
        form = {**form, "token": caller.refresh_cookie or ""}
    claims = await identity.claims(form.get("token", ""))
    async with identity.database.transaction() as session:
        server = TokenServer(
            session, identity.settings, client, caller, credentials=credentials, claims=claims
        )
        answer = await server.revocation(form)
    _forget(identity, server)
    return Outcome(answer, cookie=CLEAR if in_cookie and answer.status == 200 else None)


async def introspect(
    identity: Identity, form: dict[str, str], caller: Caller, credentials: Credentials
) -> Outcome:
    """Answer an introspection request: what is not said to this client is `{"active": false}`."""
    form = _named(form, credentials)
    client, _ = await _lookup(identity, form, caller)
    claims = await identity.claims(form.get("token", ""))
    async with identity.database.transaction() as session:
        server = TokenServer(
            session, identity.settings, client, caller, credentials=credentials, claims=claims
        )
        return Outcome(await server.introspection(form))


Capability = Callable[[Identity, dict[str, str], Caller, Credentials], Awaitable[Outcome]]


async def counted(
    capability: Capability, identity: Identity, form: dict[str, str], caller: Caller, credentials: Credentials
) -> Outcome:
    """The capability's outcome; wrong secrets of its client make the next ones wait."""
    if credentials.secret is None or credentials.client_id is None:
        return await capability(identity, form, caller, credentials)
    account, address = credentials.client_id, caller.address
    try:
        await identity.limits.check("client", account=account, address=address)
    except TooManyRequests as error:
        raise Limited(error) from None
    outcome = await capability(identity, form, caller, credentials)
    if outcome.answer.body.get("error") == InvalidClientError.error:
        await identity.limits.failed("client", account=account, address=address)
    else:
        await identity.limits.succeeded("client", account=account, address=address)
    return outcome


def _named(form: dict[str, str], credentials: Credentials) -> dict[str, str]:
    """The form, with the client's id in it wherever the client said it."""
    if credentials.method != BASIC or credentials.client_id is None:
        return form
    return {**form, "client_id": credentials.client_id}


def _asks_for_password(form: dict[str, str]) -> bool:
    return form.get("grant_type") == "password" and "username" in form and "password" in form


def _is_plain(signed_in: _SignedIn, attempt: Attempt) -> bool:
    """Whether the rest is one statement: no hash to renew, no factor to ask for, no letter to write."""
    protected = attempt.standing is not None and attempt.standing.protected
    return signed_in.renewed_hash is None and attempt.known is True and not protected


async def _lookup(
    identity: Identity, form: dict[str, str], caller: Caller, email: str | None = None
) -> tuple[OAuthClient | None, Attempt]:
    """The client, and the sign-in of whoever has the e-mail address, if anybody has it.

    Read before the slow hashing, which needs no connection.
    """
    row = None
    if (client_id := form.get("client_id")) is not None:
        async with identity.database.single() as session:
            row = await ClientDAO(session).find_with_user(client_id, email, arrivals.whence(caller))
    if row is None:
        return None, Attempt(None, "password")
    return row.OAuthClient, Attempt(row.User, "password", row.known, Standing.read(row))


def _with_cookie(form: dict[str, str], caller: Caller) -> dict[str, str]:
    # A foreign page could otherwise sign its visitor in to an account of its choice.
    if caller.from_panel is False:
        raise ForeignPage
    if form.get("grant_type") != "refresh_token" or "refresh_token" in form or not caller.refresh_cookie:
        return form
    if caller.from_panel is not True:
        raise ForeignPage
    return {**form, "refresh_token": caller.refresh_cookie}


async def _count_factor(identity: Identity, form: dict[str, str], caller: Caller) -> None:
    try:
        await second_step.count(identity, form, caller)
    except TooManyRequests as error:
        raise Limited(error) from None


async def _sign_in(
    identity: Identity, user: User | None, account: str, password: str, caller: Caller
) -> _SignedIn | None:
    try:
        await identity.limits.check(
            "sign_in", account=account, address=caller.address, device=caller.device_cookie
        )
    except TooManyRequests as error:
        raise Limited(error) from None
    stored = user.password_hash if user is not None else None
    valid, renewed = await passwords.verify(password, stored)
    if not valid or user is None or not user.is_active or _unverified(identity, user):
        return None
    await identity.limits.succeeded(
        "sign_in", account=account, address=caller.address, device=caller.device_cookie
    )
    return _SignedIn(user, renewed)


def _unverified(identity: Identity, user: User) -> bool:
    return identity.settings.sign_in_needs_verified_email and user.email_verified_at is None


def _forget(identity: Identity, server: TokenServer) -> None:
    # The database's announcement takes a moment; a token revoked here is refused from now on.
    for session_id in server.ended:
        identity.forget(str(session_id))
