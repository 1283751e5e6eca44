"""The second step of a sign-in, and the sign-in by a passkey alone: two extension grants (RFC 6749 §4.5).

A right password of an account that has a second factor is answered with the error `mfa_required` and
a token. That token and one of the factors, sent as the grant `MFA`, start the session.
"""

from __future__ import annotations

import secrets
from abc import abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import orjson
from authlib.oauth2.rfc6749 import (
    BaseGrant,
    InvalidGrantError,
    InvalidRequestError,
    OAuth2Error,
    TokenEndpointMixin,
    UnauthorizedClientError,
)
from sqlalchemy.util import await_

from backend.config import get_settings
from backend.database import now
from backend.factors import passkeys, recovery, totp
from backend.factors.dao import SecondStepDAO
from backend.factors.models import SecondStep
from backend.factors.standing import Method, recovered
from backend.oauth.arrivals import Attempt
from backend.oauth.caller import Caller
from backend.oauth.grants import PasswordGrant, Subject
from backend.oauth.identity import Identity
from backend.oauth.limits import network_of
from backend.oauth.tokens import digest
from backend.users.dao import UserDAO
from backend.users.models import User

if TYPE_CHECKING:
    from backend.oauth.server import TokenServer

MFA = "urn:gavan:params:oauth:grant-type:mfa"
PASSKEY = "urn:gavan:params:oauth:grant-type:passkey"
LIFETIME = timedelta(minutes=5)
MOST_ATTEMPTS = 5
_METHODS: tuple[Method, ...] = ("otp", "recovery_code", "passkey")


class SecondStepRequired(OAuth2Error):
    error = "mfa_required"
    description = "The password is right. Show a second factor to sign in."

    def __init__(self, token: str, methods: list[Method]) -> None:
        super().__init__()
        self._facts = {
            "mfa_token": token,
            "mfa_methods": methods,
            "expires_in": int(LIFETIME.total_seconds()),
        }

    def get_body(self) -> list[tuple[str, Any]]:
        return [*super().get_body(), *self._facts.items()]


class FactorRefused(OAuth2Error):
    error = "mfa_refused"
    description = "The second factor is wrong or was used before."


class _FactorGrant(BaseGrant, TokenEndpointMixin):
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar[list[str]] = ["none"]
    server: TokenServer

    def validate_token_request(self) -> None:
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError(f"The client may not use 'grant_type={self.GRANT_TYPE}'.")
        self.request.client = client
        self.validate_requested_scope()
        self.request.user = Subject(await_(self.identify(dict(self.request.form))))

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        token = self.generate_token(user=self.request.user, scope=self.scope())
        self.save_token(token)
        return 200, token, self.TOKEN_RESPONSE_HEADER

    def scope(self) -> str | None:
        scope: str | None = self.request.payload.scope
        return scope

    @abstractmethod
    async def identify(self, form: dict[str, str]) -> User:
        """Whoever shows the factor. Raises `OAuth2Error`."""


class GuardedPasswordGrant(PasswordGrant):
    """The password, which is enough only for an account without a second factor."""

    def validate_token_request(self) -> None:
        super().validate_token_request()
        attempt = self.server.attempt
        assert attempt is not None
        assert attempt.standing is not None
        if attempt.standing.protected:
            # The sign-in is neither done nor refused yet.
            self.server.attempt = None
            raise await_(self._ask_for_more(attempt.standing.methods))

    async def _ask_for_more(self, methods: list[Method]) -> SecondStepRequired:
        token = secrets.token_urlsafe(32)
        step = SecondStep(
            token_hash=digest(token),
            user_id=self.request.user.user.id,
            client_id=self.client.id,
            network=network_of(self.server.caller.address),
            scope=self.request.payload.scope or "",
            expires_at=now() + LIFETIME,
        )
        await SecondStepDAO(self.server.session).add(step)
        return SecondStepRequired(token, methods)


class SecondStepGrant(_FactorGrant):
    """`mfa_token`, and one of `otp`, `recovery_code`, `passkey`; the scope is that of the first step."""

    GRANT_TYPE = MFA
    _scope: str | None = None

    def scope(self) -> str | None:
        return self._scope

    async def identify(self, form: dict[str, str]) -> User:
        given = [method for method in _METHODS if method in form]
        if "mfa_token" not in form or len(given) != 1:
            raise InvalidRequestError("Send 'mfa_token' and one of 'otp', 'recovery_code', 'passkey'.")
        session, caller = self.server.session, self.server.caller
        step = await SecondStepDAO(session).find(digest(form["mfa_token"]), lock=True)
        if step is None or (step.client_id, step.network) != (self.client.id, network_of(caller.address)):
            raise InvalidGrantError("The token of the second step is not valid or has expired.")
        user = await UserDAO(session).get(step.user_id)
        if user is None or not _may_come_in(user):
            raise InvalidGrantError("The token of the second step is not valid or has expired.")
        method = given[0]
        self.server.attempt = Attempt(user, "second_passkey" if method == "passkey" else method)
        if not await self._shown(user, method, form[method]):
            step.attempts += 1
            if step.attempts >= MOST_ATTEMPTS:
                await session.delete(step)
            await session.flush()
            raise FactorRefused
        self._scope = step.scope or None
        await session.delete(step)
        return user

    async def _shown(self, user: User, method: Method, value: str) -> bool:
        session = self.server.session
        if method == "otp":
            return await totp.verify(session, user.id, value)
        if method == "passkey":
            try:
                await passkeys.verify(session, _answer(value), "second_step", user.id)
            except passkeys.PasskeyRefused:
                return False
            return True
        if not await recovery.verify(session, user.id, value):
            return False
        await recovered(session, user)
        return True


class PasskeyGrant(_FactorGrant):
    """`passkey`: the browser's answer to a challenge of `POST /api/v1/passkeys/options`."""

    GRANT_TYPE = PASSKEY

    async def identify(self, form: dict[str, str]) -> User:
        if "passkey" not in form:
            raise InvalidRequestError("Missing 'passkey' in request.")
        session = self.server.session
        try:
            passkey = await passkeys.verify(session, _answer(form["passkey"]), "sign_in", None)
        except passkeys.PasskeyRefused:
            raise InvalidGrantError("The passkey was not accepted.") from None
        user = await UserDAO(session).get(passkey.user_id)
        self.server.attempt = Attempt(user, "passkey")
        if user is None or not _may_come_in(user):
            raise InvalidGrantError("The passkey was not accepted.")
        return user


async def user_of(identity: Identity, token: str) -> UUID | None:
    """Whose sign-in the token continues."""
    async with identity.database.transaction() as session:
        step = await SecondStepDAO(session).find(digest(token))
        return step.user_id if step is not None else None


async def count(identity: Identity, form: dict[str, str], caller: Caller) -> UUID | None:
    """Count the try before anything is compared; gives the user whose factors it is about.

    Raises `TooManyRequests`. Redis is asked here, outside the transaction of the exchange.
    """
    if form.get("grant_type") == PASSKEY:
        await identity.limits.check("passkey", address=caller.address)
    if form.get("grant_type") != MFA:
        return None
    user_id = await user_of(identity, form.get("mfa_token", ""))
    if user_id is None or "passkey" in form:
        await identity.limits.check("passkey", address=caller.address)
    else:
        await identity.limits.check("second_factor", account=str(user_id), address=caller.address)
    return user_id


def _may_come_in(user: User) -> bool:
    unverified = get_settings().sign_in_needs_verified_email and user.email_verified_at is None
    return user.is_active and not unverified


def _answer(text: str) -> dict[str, Any]:
    try:
        answer = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise InvalidRequestError("The passkey's answer is not JSON.") from None
    if not isinstance(answer, dict):
        raise InvalidRequestError("The passkey's answer is not an object.")
    return answer
