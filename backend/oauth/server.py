"""Authlib's authorization server, bound to one request and its transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from joserfc.jwk import ECKey
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import await_, greenlet_spawn

from backend.config import Settings
from backend.oauth import sessions
from backend.oauth.caller import Caller
from backend.oauth.grants import PasswordGrant, RefreshGrant
from backend.oauth.models import OAuthClient
from backend.oauth.revocation import Revocation
from backend.oauth.sessions import Presented
from backend.oauth.tokens import AccessClaims, TokenGenerator
from backend.roles.permissions import FULL_SCOPE, PERMISSIONS
from backend.users.models import User
from backend.utils.ids import new_id


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: dict[str, Any]
    headers: dict[str, str]


class _FormRequest(OAuth2Request):
    """A parsed form in place of a framework's request."""

    def __init__(self, form: dict[str, str]) -> None:
        # Authlib refuses plain http. The edge ends TLS, and `Settings` insists on it in production.
        super().__init__("POST", "https://gavan.invalid/oauth")
        self.payload = BasicOAuth2Payload(form)
        self._form = form

    @property
    def args(self) -> dict[str, str]:
        return {}

    @property
    def form(self) -> dict[str, str]:
        return self._form


class TokenServer(AuthorizationServer):
    """One per request; building it costs some ten microseconds.

    `signed_in` is the user whose password was verified, `claims` what a token to revoke says
    if it is an access token. Afterwards `ended` lists the sessions that this request revoked:
    commit whatever the answer, an error may have ended a session.
    """

    def __init__(
        self,
        session: AsyncSession,
        settings: Settings,
        client: OAuthClient | None,
        caller: Caller,
        *,
        key: ECKey | None = None,
        signed_in: User | None = None,
        claims: AccessClaims | None = None,
    ) -> None:
        super().__init__(scopes_supported=[FULL_SCOPE, *PERMISSIONS])
        self.session = session
        self.signed_in = signed_in
        self.claims = claims
        self.ended: list[UUID] = []
        self._settings = settings
        self._known_client = client
        self._caller = caller
        self._presented: Presented | None = None
        self._session_id = new_id()
        self._key = key
        self.register_grant(PasswordGrant)
        self.register_grant(RefreshGrant)
        self.register_endpoint(Revocation)
        self._generate_for(self._session_id)

    async def token(self, form: dict[str, str]) -> Answer:
        return await greenlet_spawn(self.create_token_response, form)

    async def revocation(self, form: dict[str, str]) -> Answer:
        return await greenlet_spawn(self.create_endpoint_response, Revocation.ENDPOINT_NAME, form)

    def continue_session(self, presented: Presented) -> None:
        self._presented = presented
        self._session_id = presented.session.id
        self._generate_for(self._session_id)

    def _generate_for(self, session_id: UUID) -> None:
        if self._key is not None:
            lifetime = self._settings.access_token_expire_minutes * 60
            generator = TokenGenerator(self._settings.panel_url, self._key, lifetime, session_id)
            self.register_token_generator("default", generator)

    # What Authlib leaves to its integrations.

    def query_client(self, client_id: str) -> OAuthClient | None:
        client = self._known_client
        return client if client is not None and client.id == client_id else None

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        lifetime = timedelta(days=self._settings.refresh_token_expire_days)
        if self._presented is not None:
            await_(sessions.rotate(self.session, self._presented, token["refresh_token"], lifetime))
            return
        assert request.client is not None
        assert request.user is not None
        await_(
            sessions.start(
                self.session,
                session_id=self._session_id,
                user_id=request.user.user.id,
                client_id=request.client.id,
                scope=token["scope"],
                refresh_token=token["refresh_token"],
                lifetime=lifetime,
                user_agent=self._caller.user_agent,
                address=self._caller.address,
            )
        )

    def create_oauth2_request(self, request: dict[str, str] | OAuth2Request) -> OAuth2Request:
        return request if isinstance(request, OAuth2Request) else _FormRequest(request)

    def create_json_request(self, request: Any) -> Any:
        raise NotImplementedError("no endpoint of ours takes JSON")

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens: what follows from a revocation is announced by the database."""

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Answer:
        return Answer(status, dict(body), dict(headers))
