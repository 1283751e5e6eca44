"""The grants, as Authlib's framework asks for them.

Authlib is synchronous: it runs in a greenlet, where `await_` reaches the async code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidScopeError, OAuth2Request
from authlib.oauth2.rfc6749.grants import (
    AuthorizationCodeGrant,
    ClientCredentialsGrant,
    RefreshTokenGrant,
    ResourceOwnerPasswordCredentialsGrant,
)
from sqlalchemy.util import await_

from backend.oauth import codes, sessions
from backend.oauth.clientauth import METHODS, NONE, SECRET_METHODS
from backend.oauth.models import AuthorizationCode
from backend.oauth.sessions import Presented
from backend.users.dao import UserDAO
from backend.users.models import User

if TYPE_CHECKING:
    from backend.oauth.server import TokenServer

WRONG_CREDENTIALS = "The e-mail address or the password is wrong, or the address is not confirmed yet."
ENDED = "The refresh token is not valid, has expired or was used before."
SPENT = "The code is not valid, has expired or was used before."
CLOSED = "The account is closed."


class Subject:
    """A user as Authlib's token generator sees one."""

    def __init__(self, user: User) -> None:
        self.user = user

    def get_user_id(self) -> str:
        return str(self.user.id)


class PasswordGrant(ResourceOwnerPasswordCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar[list[str]] = [NONE]
    server: TokenServer

    def authenticate_user(self, username: str, password: str) -> Subject:
        # The hash was verified before this transaction: it takes long and needs no connection.
        user = self.server.signed_in
        if user is None:
            raise InvalidGrantError(WRONG_CREDENTIALS)
        return Subject(user)


class RefreshGrant(RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar[list[str]] = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True
    server: TokenServer

    def authenticate_refresh_token(self, refresh_token: str) -> Presented:
        found = await_(sessions.present(self.server.session, refresh_token, self.request.client))
        if not isinstance(found, Presented):
            if found is not None:
                self.server.ended.append(found)
            raise InvalidGrantError(ENDED)
        self.server.continue_session(found)
        return found

    def authenticate_user(self, refresh_token: Presented) -> Subject:
        user = await_(UserDAO(self.server.session).get(refresh_token.session.user_id))
        if user is None or not user.is_active:
            raise InvalidGrantError(ENDED)
        return Subject(user)

    def issue_token(self, user: Subject, refresh_token: Presented) -> dict[str, Any]:
        scope = self.request.payload.scope or refresh_token.session.scope
        client = self.request.client
        if not client.first_party:
            # Its owner may have narrowed the application since; a session does not outlive that.
            scope = " ".join(name for name in scope.split() if name in client.scopes)
            if not scope:
                raise InvalidScopeError
        return self.generate_token(user=user, scope=scope, include_refresh_token=True)

    def revoke_old_credential(self, refresh_token: Presented) -> None:
        """The old one was retired together with saving the new one, under the family's lock."""


class CodeGrant(AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar[list[str]] = METHODS
    server: TokenServer

    def generate_authorization_code(self) -> str:
        return codes.new_code()

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        await_(
            codes.keep(
                self.server.session,
                code,
                client_id=request.client.id,
                user_id=UUID(request.user.get_user_id()),
                redirect_uri=request.payload.redirect_uri,
                scope=request.scope,
                code_challenge=request.payload.data["code_challenge"],
            )
        )

    def query_authorization_code(self, code: str, client: Any) -> AuthorizationCode:
        found = await_(codes.present(self.server.session, code, client))
        if not isinstance(found, AuthorizationCode):
            if found is not None:
                self.server.ended.append(found)
            raise InvalidGrantError(SPENT)
        return found

    def authenticate_user(self, authorization_code: AuthorizationCode) -> Subject:
        user = await_(UserDAO(self.server.session).get(authorization_code.user_id))
        if user is None or not user.is_active:
            raise InvalidGrantError(CLOSED)
        return Subject(user)

    def delete_authorization_code(self, authorization_code: AuthorizationCode) -> None:
        await_(codes.use(self.server.session, authorization_code, self.server.session_id))


class ClientGrant(ClientCredentialsGrant):
    """The application acts for the customer who registered it, within its scopes."""

    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar[list[str]] = SECRET_METHODS
    server: TokenServer

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        owner_id = self.request.client.owner_id
        owner = await_(UserDAO(self.server.session).get(owner_id)) if owner_id else None
        if owner is None or not owner.is_active:
            raise InvalidGrantError(CLOSED)
        self.request.user = Subject(owner)
        token = self.generate_token(
            user=self.request.user, scope=self.request.payload.scope, include_refresh_token=False
        )
        self.save_token(token)
        return 200, token, self.TOKEN_RESPONSE_HEADER
