"""Where somebody is signed in, and signing out from afar."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.dao.listing import Listing, Query, Sort, moment
from backend.database import now
from backend.exceptions import NotFound
from backend.lk.dao import OwnSessionDAO
from backend.oauth import sessions
from backend.oauth.announcements import announce
from backend.oauth.models import Ending, OAuthClient, OAuthSession
from backend.users.devices import describe


class ClientView(BaseModel):
    id: str = Field(examples=["panel"])
    name: str = Field(examples=["Gavan panel"])


class SessionView(BaseModel):
    id: UUID
    current: bool = Field(description="Whether this request belongs to it.")
    device: str | None = Field(description="A guess by the browser's own words.", examples=["Firefox, Linux"])
    address: str | None = Field(examples=["203.0.113.7"])
    client: ClientView
    created_at: datetime
    last_used_at: datetime


class SessionsEnded(BaseModel):
    ended: int = Field(description="How many.", examples=[2])


def _shape(row: Mapping[str, Any]) -> dict[str, Any]:
    plain = ("id", "address", "created_at", "last_used_at")
    return {
        **{name: row[name] for name in plain},
        "current": False,
        "device": describe(row["user_agent"]),
        "client": {"id": row["client_id"], "name": row["client_name"]},
    }


_SESSIONS = Listing(
    select(
        OAuthSession.id,
        OAuthSession.user_agent,
        OAuthSession.address,
        OAuthSession.client_id,
        OAuthClient.name.label("client_name"),
        OAuthSession.created_at,
        OAuthSession.last_used_at,
    )
    .join(OAuthClient, OAuthClient.id == OAuthSession.client_id)
    .where(
        OAuthClient.first_party,
        OAuthSession.revoked_at.is_(None),
        OAuthSession.acting_id.is_(None),
        OAuthSession.expires_at > func.now(),
    ),
    id_column=OAuthSession.id,
    filters={"user_id": lambda value: OAuthSession.user_id == value},
    sorts={"last_used_at": Sort(OAuthSession.last_used_at, moment)},
    shape=_shape,
)


async def page(pool: asyncpg.Pool, query: Query, current: UUID) -> bytes:
    """One page of the sessions, with the one that asks marked."""
    found = orjson.loads(await _SESSIONS.page(pool, query))
    for item in found["items"]:
        item["current"] = item["id"] == str(current)
    return orjson.dumps(found)


async def end(session: AsyncSession, user_id: UUID, session_id: UUID) -> None:
    """Sign out there. Raises `NotFound` for what is not one's own, or has ended."""
    if await OwnSessionDAO(session).alive(session_id, user_id) is None:
        raise NotFound("There is no such session.")
    await sessions.revoke(session, session_id, Ending.SIGNED_OUT)


async def end_others(session: AsyncSession, user_id: UUID, current: UUID) -> int:
    """Sign out everywhere but here; gives how many sessions ended."""
    ended = await OwnSessionDAO(session).revoke_others(user_id, current, Ending.SIGNED_OUT, now())
    await announce(session, user_id)
    await trail.record(
        session,
        Action.SESSION_OTHERS_ENDED,
        object_type="user",
        object_id=user_id,
        after={"ended": ended},
    )
    return ended
