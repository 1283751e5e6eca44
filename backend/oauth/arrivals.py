"""What a sign-in leaves behind, right or wrong: its row in the history, and a refusal in the trail."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.audit.actor import current
from backend.dao.base import Values
from backend.factors.standing import Standing
from backend.oauth.caller import Caller
from backend.oauth.limits import network_of
from backend.oauth.models import OAuthClient
from backend.oauth.tokens import digest
from backend.users import history
from backend.users.dao import SignInDAO
from backend.users.history import Method, Visit
from backend.users.models import From, User


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody tries to come in as this user, who may be nobody."""

    user: User | None
    method: Method
    known: bool | None = None
    """Whether the user came in from there of late, where that was asked already."""
    standing: Standing | None = None
    """The user's second factors, where the password is the first."""


async def came_in(
    session: AsyncSession, user: User, attempt: Attempt, client: OAuthClient, caller: Caller
) -> tuple[Values, str | None]:
    """The row of the history, and what the browser is to be known by from now on."""
    device = caller.device_cookie
    if device is None and client.keep_refresh_in_cookie:
        device = secrets.token_urlsafe(32)
    row = await history.came_in(session, user, _visit(attempt, client, caller, device), known=attempt.known)
    return row, device if client.keep_refresh_in_cookie else None


async def refused(session: AsyncSession, attempt: Attempt, client: OAuthClient, caller: Caller) -> None:
    """Write down an attempt that failed, by one statement."""
    row = history.refused(attempt.user, _visit(attempt, client, caller, caller.device_cookie))
    await SignInDAO(session).insert_rows(row, _refusal(attempt, client.id))


def whence(caller: Caller) -> From:
    device = caller.device_cookie
    network = network_of(caller.address)
    return history.whence(network, caller.user_agent, digest(device) if device is not None else None)


def _visit(attempt: Attempt, client: OAuthClient, caller: Caller, device: str | None) -> Visit:
    return Visit(
        client_id=client.id,
        method=attempt.method,
        address=caller.address,
        network=network_of(caller.address),
        user_agent=caller.user_agent,
        device_hash=digest(device) if device is not None else None,
    )


def _refusal(attempt: Attempt, client_id: str) -> Values:
    """Of unknown accounts too, or the time of the answer would tell them apart.

    What was typed is not kept: it may be a password.
    """
    user = attempt.user
    return trail.event(
        Action.SESSION_REFUSED,
        object_type="user" if user else None,
        object_id=user.id if user else None,
        object_name=user.email if user else None,
        after={"reason": f"wrong_{attempt.method}" if user is None or user.is_active else "blocked"},
        result="refused",
        actor=replace(current(), user_id=user.id if user else None, client_id=client_id),
    )
