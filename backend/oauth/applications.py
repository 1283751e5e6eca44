"""Applications that customers register: OAuth clients of their own (RFC 6749 §2)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.database import now
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.oauth.announcements import announce
from backend.oauth.dao import ClientDAO
from backend.oauth.models import OAuthClient
from backend.oauth.scopes import ordered
from backend.oauth.tokens import digest
from backend.utils.ids import new_id

KIND = "application"
MOST = 50
"""Of one customer."""
SECRET_PREFIX = "gavan_secret_"
CODE, REFRESH, CLIENT = "authorization_code", "refresh_token", "client_credentials"

_RECORDED = ("name", "grants", "redirect_uris", "scopes")


@dataclass(frozen=True, slots=True)
class Registered:
    client_id: UUID
    secret: str | None
    """Shown once; None for a public client, which could not keep it."""


async def register(
    session: AsyncSession, owner_id: UUID, *, confidential: bool, values: dict[str, Any]
) -> Registered:
    """`values`: name, grants, redirect_uris, scopes. Raises `Conflict`, `Invalid`."""
    dao = ClientDAO(session)
    await dao.lock(f"{KIND} {owner_id}")
    if await dao.count_of(owner_id) >= MOST:
        raise Conflict(f"There may be {MOST} applications; delete one first.", code="too_many_applications")
    client_id, secret = new_id(), _new_secret() if confidential else None
    client = OAuthClient(
        id=str(client_id),
        owner_id=owner_id,
        secret_hash=digest(secret) if secret is not None else None,
        **_ordered(values),
    )
    _check(client)
    await dao.add(client)
    await _record(session, Action.APPLICATION_CREATED, client, after=_facts(client))
    return Registered(client_id, secret)


async def change(session: AsyncSession, owner_id: UUID, client_id: UUID, values: dict[str, Any]) -> None:
    """Tokens that were issued are narrowed at once. Raises `NotFound`, `Invalid`."""
    client = await _owned(session, owner_id, client_id)
    before = _facts(client)
    for name, value in _ordered(values).items():
        setattr(client, name, value)
    _check(client)
    changed = [name for name in _RECORDED if getattr(client, name) != before[name]]
    if not changed:
        return
    await ClientDAO(session).flush()
    await announce(session, client_id)
    after = _facts(client)
    await _record(
        session,
        Action.APPLICATION_UPDATED,
        client,
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
    )


async def rotate_secret(session: AsyncSession, owner_id: UUID, client_id: UUID, grace: timedelta) -> str:
    """The new secret; the old one stays good for the grace. Raises `NotFound`, `Conflict`."""
    client = await _owned(session, owner_id, client_id)
    if not client.confidential:
        raise Conflict("A public application has no secret.", code="public_application")
    secret = _new_secret()
    client.previous_secret_hash = client.secret_hash if grace else None
    client.previous_secret_until = now() + grace if grace else None
    client.secret_hash = digest(secret)
    await ClientDAO(session).flush()
    hours = grace / timedelta(hours=1)
    await _record(session, Action.APPLICATION_SECRET_ROTATED, client, after={"grace_hours": hours})
    return secret


async def delete(session: AsyncSession, owner_id: UUID, client_id: UUID) -> None:
    """With it go its sessions, codes and all that anybody let it do. Raises `NotFound`."""
    client = await _owned(session, owner_id, client_id)
    before = _facts(client)
    await ClientDAO(session).delete(client.id)
    await announce(session, client_id)
    await _record(session, Action.APPLICATION_DELETED, client, before=before)


async def _owned(session: AsyncSession, owner_id: UUID, client_id: UUID) -> OAuthClient:
    client = await ClientDAO(session).owned(str(client_id), owner_id, locked=True)
    if client is None:
        raise NotFound("There is no such application.")
    return client


def _new_secret() -> str:
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def _ordered(values: dict[str, Any]) -> dict[str, Any]:
    return {name: ordered(value) if name == "scopes" else value for name, value in values.items()}


def _check(client: OAuthClient) -> None:
    """What the fields must be together. Raises `Invalid`."""
    if CLIENT in client.grants and not client.confidential:
        raise invalid_field(
            ["body", "grants"],
            "An application without a secret cannot act on its own.",
            "needs_secret",
        )
    if REFRESH in client.grants and CODE not in client.grants:
        raise invalid_field(
            ["body", "grants"], "There is nothing to refresh without authorization_code.", "needs_code"
        )
    if CODE in client.grants and not client.redirect_uris:
        raise invalid_field(
            ["body", "redirect_uris"],
            "People have to be sent back somewhere.",
            "needs_redirect_uri",
        )


def _facts(client: OAuthClient) -> dict[str, Any]:
    return {name: getattr(client, name) for name in _RECORDED}


async def _record(session: AsyncSession, action: Action, client: OAuthClient, **more: Any) -> None:
    await trail.record(
        session, action, object_type=KIND, object_id=client.id, object_name=client.name, **more
    )
