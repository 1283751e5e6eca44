"""Authlib's authorization server, bound to one request and its transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Error, OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from joserfc.jwk import ECKey
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import await_, greenlet_spawn

from backend.config import Settings
from backend.oauth import arrivals, clientauth, sessions
from backend.oauth.arrivals import Attempt
from backend.oauth.caller import Caller
from backend.oauth.clientauth import Credentials
from backend.oauth.grants import ClientGrant, CodeGrant, RefreshGrant, Subject
from backend.oauth.introspection import Introspection
from backend.oauth.models import OAuthClient
from backend.oauth.pkce import Pkce
from backend.oauth.revocation import Revocation
from backend.oauth.second_step import GuardedPasswordGrant, PasskeyGrant, SecondStepGrant
from backend.oauth.sessions import Presented
from backend.oauth.tokens import AccessClaims, TokenGenerator, digest
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

    def __init__(self, form: dict[str, str], method: str = "POST") -> None:
        # Authlib refuses plain http. The edge ends TLS, and `Settings` insists on it in production.
        super().__init__(method, "https://gavan.invalid/oauth")
        self.payload = BasicOAuth2Payload(form)
        self._form = form

    @property
    def args(self) -> dict[str, str]:
        return {}

    @property
    def form(self) -> dict[str, str]:
        return self._form


@dataclass(frozen=True, slots=True)
class Asked:
    """A valid authorization request."""

    redirect_uri: str
    scopes: list[str]


class TokenServer(AuthorizationServer):
    """One per request; building it costs some ten microseconds.

    `signed_in` is the user whose password was verified, `attempt` who tries to sign in, `credentials`
    how the client names itself, `claims` what a token to revoke says if it is an access token.
    Afterwards `ended` lists the sessions that this request revoked: commit whatever the answer,
    an error may have ended a session. `device` is what the browser that came in is to be known by.
    """

    def __init__(
        self,
        session: AsyncSession,
        settings: Settings,
        client: OAuthClient | None,
        caller: Caller,
        *,
        credentials: Credentials | None = None,
        key: ECKey | None = None,
        signed_in: User | None = None,
        attempt: Attempt | None = None,
        claims: AccessClaims | None = None,
    ) -> None:
        super().__init__(scopes_supported=[FULL_SCOPE, *PERMISSIONS])
        self.session = session
        self.signed_in = signed_in
        self.attempt = attempt
        self.claims = claims
        self.ended: list[UUID] = []
        self.device: str | None = None
        self._settings = settings
        self.issuer = settings.panel_url
        self._known_client = client
        self._credentials = credentials or Credentials()
        self.caller = caller
        self._presented: Presented | None = None
        self.session_id = new_id()
        self._key = key
        self.register_grant(GuardedPasswordGrant)
        self.register_grant(SecondStepGrant)
        self.register_grant(PasskeyGrant)
        self.register_grant(RefreshGrant)
        self.register_grant(CodeGrant, [Pkce()])
        self.register_grant(ClientGrant)
        self.register_endpoint(Revocation)
        self.register_endpoint(Introspection)
        self._generate_for(self.session_id)

    async def token(self, form: dict[str, str]) -> Answer:
        return await greenlet_spawn(self.create_token_response, form)

    async def revocation(self, form: dict[str, str]) -> Answer:
        return await greenlet_spawn(self.create_endpoint_response, Revocation.ENDPOINT_NAME, form)

    async def introspection(self, form: dict[str, str]) -> Answer:
        return await greenlet_spawn(self.create_endpoint_response, Introspection.ENDPOINT_NAME, form)

    async def asked(self, query: dict[str, str]) -> Asked:
        """What an authorization request asks for. Raises `OAuth2Error`; see `returning`."""
        grant = await greenlet_spawn(self.get_consent_grant, _FormRequest(query, "GET"))
        return Asked(grant.redirect_uri, grant.request.scope.split())

    async def decide(self, query: dict[str, str], approved_by: User | None) -> str:
        """Where the browser goes with the answer to the request: a code, or `access_denied`."""
        return await greenlet_spawn(self._decide, _FormRequest(query, "GET"), approved_by)

    def _decide(self, request: _FormRequest, approved_by: User | None) -> str:
        grant = self.get_consent_grant(request)
        user = Subject(approved_by) if approved_by is not None else None
        answer = self.create_authorization_response(request, grant_user=user, grant=grant)
        return self._with_issuer(answer.headers["Location"])

    def returning(self, error: OAuth2Error) -> str | None:
        """Where the browser takes the error; None if it was not told an address of the client's."""
        if not error.redirect_uri:
            return None
        _, _, headers = error()
        return self._with_issuer(dict(headers)["Location"])

    def _with_issuer(self, location: str) -> str:
        # So that a client of several servers knows whose answer it is (RFC 9207).
        return add_params_to_uri(location, [("iss", self.issuer)])

    def continue_session(self, presented: Presented) -> None:
        self._presented = presented
        self.session_id = presented.session.id
        self._generate_for(self.session_id)

    def _generate_for(self, session_id: UUID) -> None:
        if self._key is not None:
            lifetime = self._settings.access_token_expire_minutes * 60
            generator = TokenGenerator(self.issuer, self._key, lifetime, session_id)
            self.register_token_generator("default", generator)

    # What Authlib leaves to its integrations.

    def query_client(self, client_id: str) -> OAuthClient | None:
        client = self._known_client
        return client if client is not None and client.id == client_id else None

    def authenticate_client(
        self, request: OAuth2Request, methods: list[str], endpoint: str = "token"
    ) -> OAuthClient:
        client, shown = self._known_client, self._credentials
        if client is None or shown.method not in methods:
            raise clientauth.refused(shown.method)
        if not client.check_endpoint_auth_method(shown.method, endpoint):
            raise clientauth.refused(shown.method)
        if shown.secret is not None and not client.knows(digest(shown.secret)):
            raise clientauth.refused(shown.method)
        request.auth_method = shown.method
        return client

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        lifetime = timedelta(days=self._settings.refresh_token_expire_days)
        if "refresh_token" not in token:
            lifetime = timedelta(minutes=self._settings.access_token_expire_minutes)
        if self._presented is not None:
            await_(sessions.rotate(self.session, self._presented, token["refresh_token"], lifetime))
            return
        assert request.client is not None
        assert request.user is not None
        arrival = None
        if self.attempt is not None:
            user = request.user.user
            came = arrivals.came_in(self.session, user, self.attempt, request.client, self.caller)
            arrival, self.device = await_(came)
        await_(
            sessions.start(
                self.session,
                session_id=self.session_id,
                user_id=request.user.user.id,
                client_id=request.client.id,
                scope=token["scope"],
                refresh_token=token.get("refresh_token"),
                lifetime=lifetime,
                proved=request.client.first_party,
                user_agent=self.caller.user_agent,
                address=self.caller.address,
                arrival=arrival,
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
