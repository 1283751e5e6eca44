"""An owner with one of everything, and people to whom none of it belongs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from backend.config import Settings
from backend.database import Database, now
from backend.factors.dao import PasskeyDAO
from backend.factors.models import Passkey
from backend.hooks.configuration import vault_of
from backend.hooks.dao import PushHookDAO
from backend.hooks.models import PushHook
from backend.mail import outbox
from backend.oauth.dao import ClientDAO, ConsentDAO, PersonalTokenDAO, SessionDAO
from backend.oauth.models import Consent, OAuthClient, OAuthSession, PersonalToken
from backend.oauth.tokens import digest
from backend.projects.dao import InvitationDAO
from backend.projects.models import Invitation
from backend.utils.ids import new_id
from tests.api.operations import (
    APPLICATION,
    DEPLOY_HOOK,
    INVITATION,
    WEBHOOK_SECRET,
    Operation,
    operations,
    order_body,
)
from tests.support.people import Person, UserFactory


@pytest.fixture
def walk(app: FastAPI) -> list[Operation]:
    found = operations(app)
    assert len(found) > 30
    return found


@pytest.fixture
async def owner(user_factory: UserFactory) -> Person:
    return await user_factory()


@pytest.fixture
async def stranger(user_factory: UserFactory) -> Person:
    return await user_factory()


@pytest.fixture
async def objects(
    client: httpx.AsyncClient, owner: Person, database: Database, settings: Settings
) -> dict[str, str]:
    """The ids of what the owner has, by the names that paths use."""
    answer = await client.post("/api/v1/orders", json=order_body(), headers=owner.headers)
    assert answer.status_code == 202, answer.text
    accepted = answer.json()
    async with database.transaction() as session:
        letter_id = await outbox.write(session, "test", to=owner.email, locale="en", name="Ada")
        invitation = Invitation(
            project_id=owner.project_id,
            email="invited@example.com",
            role="viewer",
            token_hash=digest(INVITATION),
            invited_by=owner.id,
            expires_at=now() + timedelta(days=7),
        )
        await InvitationDAO(session).add(invitation)
        application = OAuthClient(
            id=APPLICATION,
            owner_id=owner.id,
            name="Tide calendar",
            grants=["authorization_code", "refresh_token"],
            redirect_uris=["https://tides.example.com/back"],
            scopes=["me:read", "services:read"],
            secret_hash=digest("x"),
        )
        consent = Consent(user_id=owner.id, client_id=APPLICATION, scope="me:read")
        token = PersonalToken(user_id=owner.id, name="Nightly", token_hash=digest("x"), scope="me:read")
        await ClientDAO(session).add(application)
        await ConsentDAO(session).add(consent)
        await PersonalTokenDAO(session).add(token)
        passkey = Passkey(user_id=owner.id, credential_id=b"x", public_key=b"x", transports=[], synced=False)
        passkey.name = "Blue key"
        await PasskeyDAO(session).add(passkey)
        hook = PushHook(id=new_id(), service_id=UUID(accepted["service_id"]), enabled=True, watch_paths=[])
        hook.secret = vault_of(settings).seal(WEBHOOK_SECRET, str(hook.id))
        hook.secret_set_at = hook.token_set_at = now()
        hook.token_hash = digest(DEPLOY_HOOK)
        await PushHookDAO(session).add(hook)
        elsewhere = OAuthSession(user_id=owner.id, client_id="cli", expires_at=now() + timedelta(days=1))
        await SessionDAO(session).add(elsewhere)
    return {
        "project_id": str(owner.project_id),
        "service_id": accepted["service_id"],
        "deployment_id": accepted["deployment_id"],
        "job_id": accepted["job_id"],
        "letter_id": str(letter_id),
        "invitation_id": str(invitation.id),
        "user_id": str(owner.id),
        "passkey_id": str(passkey.id),
        "session_id": str(elsewhere.id),
        "application_id": APPLICATION,
        "token_id": str(token.id),
        "grant_id": str(consent.id),
        "hook_id": str(hook.id),
        "token": DEPLOY_HOOK,
        "role_name": "user",
        "template_name": "test",
    }


@pytest.fixture
def everything(database: Database) -> Callable[[], Awaitable[dict[str, list[Any]]]]:
    """All rows of what customers own."""

    async def read() -> dict[str, list[Any]]:
        tables = ("services", "service_variables", "deployments", "orders", "jobs", "projects")
        async with database.transaction() as session:
            return {
                table: sorted((await session.execute(text(f"SELECT t::text FROM {table} t"))).scalars())
                for table in tables
            }

    return read
