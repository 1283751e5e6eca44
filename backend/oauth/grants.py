"""The two grants, as Authlib's framework asks for them.

Authlib is synchronous: it runs in a greenlet, where `await_` reaches the async code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from authlib.oauth2.rfc6749 import InvalidGrantError
from authlib.oauth2.rfc6749.grants import RefreshTokenGrant, ResourceOwnerPasswordCredentialsGrant
from sqlalchemy.util import await_

from backend.oauth import sessions
from backend.oauth.sessions import Presented
from backend.users.dao import UserDAO
from backend.users.models import User

if TYPE_CHECKING:
    from backend.oauth.server import TokenServer

WRONG_CREDENTIALS = "The e-mail address or the password is wrong."
ENDED = "The refresh token is not valid, has expired or was used before."


class Subject:
    """A user as Authlib's token generator sees one."""

    def __init__(self, user: User) -> None:
        self.user = user

    def get_user_id(self) -> str:
        return str(self.user.id)


class PasswordGrant(ResourceOwnerPasswordCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar[list[str]] = ["none"]
    server: TokenServer

    def authenticate_user(self, username: str, password: str) -> Subject:
        # The hash was verified before this transaction: it takes long and needs no connection.
        user = self.server.signed_in
        if user is None:
            raise InvalidGrantError(WRONG_CREDENTIALS)
        return Subject(user)


class RefreshGrant(RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar[list[str]] = ["none"]
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
        return self.generate_token(
            user=user,
            scope=self.request.payload.scope or refresh_token.session.scope,
            include_refresh_token=True,
        )

    def revoke_old_credential(self, refresh_token: Presented) -> None:
        """The old one was retired together with saving the new one, under the family's lock."""
