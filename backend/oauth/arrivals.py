"""What a sign-in leaves behind, right or wrong: its row in the history, and a refusal in the trail."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.audit.actor import current
from backend.oauth.caller import Caller
from backend.oauth.limits import network_of
from backend.oauth.models import OAuthClient
from backend.oauth.tokens import digest
from backend.users import history
from backend.users.history import Method, Visit
from backend.users.models import User


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody tries to come in as this user, who may be nobody."""

    user: User | None
    method: Method


async def note(
    session: AsyncSession, attempt: Attempt, client: OAuthClient, caller: Caller, *, done: bool
) -> str | None:
    """Write the attempt down; gives what the browser is to be known by from now on, if it came in."""
    device = caller.device_cookie
    if done and device is None and client.keep_refresh_in_cookie:
        device = secrets.token_urlsafe(32)
    visit = Visit(
        client_id=client.id,
        method=attempt.method,
        address=caller.address,
        network=network_of(caller.address),
        user_agent=caller.user_agent,
        device_hash=digest(device) if device is not None else None,
    )
    if not done or attempt.user is None:
        await history.refused(session, attempt.user, visit)
        await _record_refusal(session, attempt, client.id)
        return None
    await history.came_in(session, attempt.user, visit)
    return device if client.keep_refresh_in_cookie else None


async def _record_refusal(session: AsyncSession, attempt: Attempt, client_id: str) -> None:
    """Unknown accounts too, or the time of the answer would tell them apart.

    What was typed is not kept: it may be a password.
    """
    user = attempt.user
    await trail.record(
        session,
        Action.SESSION_REFUSED,
        object_type="user" if user else None,
        object_id=user.id if user else None,
        object_name=user.email if user else None,
        after={"reason": f"wrong_{attempt.method}" if user is None or user.is_active else "blocked"},
        result="refused",
        actor=replace(current(), user_id=user.id if user else None, client_id=client_id),
    )
