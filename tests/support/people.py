"""People for tests: registered and signed in through the capabilities, without waiting for Argon2."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from uuid import UUID

from fastapi import FastAPI

from backend.oauth import sessions
from backend.oauth.identity import identity_of
from backend.oauth.models import OAuthClient
from backend.oauth.tokens import TokenGenerator, new_refresh_token
from backend.projects.dao import ProjectDAO
from backend.users import passwords
from backend.users.models import User
from backend.users.registration import register
from backend.utils.ids import new_id

PASSWORD = "a lighthouse on a foggy quay"


@cache
def _hash() -> str:
    return passwords._hasher.hash(PASSWORD)


@dataclass(frozen=True)
class Person:
    id: UUID
    email: str
    password: str
    project_id: UUID
    session_id: UUID
    access_token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}


class _Subject:
    def __init__(self, user: User) -> None:
        self.user = user

    def get_user_id(self) -> str:
        return str(self.user.id)


class UserFactory:
    """Each call makes somebody new, with the password `PASSWORD` and a session of client `cli`."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(
        self,
        email: str | None = None,
        *,
        name: str | None = None,
        roles: tuple[str, ...] = ("user",),
        scope: str = "full",
        client_id: str = "cli",
        expires_in: int = 900,
        verified: bool = True,
    ) -> Person:
        identity = identity_of(self._app)
        email = email or f"{uuid.uuid4().hex}@example.com"
        key = await identity.keys.signing()
        session_id, refresh_token = new_id(), new_refresh_token()
        async with identity.database.transaction() as session:
            user = await register(
                session, email=email, password_hash=_hash(), name=name, roles=roles, verified=verified
            )
            project = (await ProjectDAO(session).of(user.id))[0]
            await sessions.start(
                session,
                session_id=session_id,
                user_id=user.id,
                client_id=client_id,
                scope=scope,
                refresh_token=refresh_token,
                lifetime=timedelta(days=1),
                user_agent=None,
                address=None,
            )
        generator = TokenGenerator(identity.settings.panel_url, key, expires_in, session_id)
        access_token = generator.access_token_generator(
            OAuthClient(id=client_id), "password", _Subject(user), scope
        )
        return Person(
            id=user.id,
            email=email,
            password=PASSWORD,
            project_id=project.id,
            session_id=session_id,
            access_token=access_token,
            refresh_token=refresh_token,
        )
