"""The history of sign-ins, and a letter when somebody comes in from a device that was not seen before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import get_settings
from backend.dao.base import Values
from backend.database import now
from backend.users.dao import SignInDAO
from backend.users.devices import describe
from backend.users.letters import write_to
from backend.users.models import From, SignIn, User
from backend.utils.ids import new_id

Method = Literal["password", "otp", "recovery_code", "passkey", "second_passkey"]

REMEMBERED = timedelta(days=90)
"""How long a device that is not used stays a known one."""
NEWCOMER = timedelta(days=1)
"""How long the first sign-in of a new account surprises nobody."""
BATCH = 5_000


@dataclass(frozen=True, slots=True)
class Visit:
    """From where, with what and how somebody came."""

    client_id: str
    method: Method
    address: str
    network: str
    user_agent: str | None
    device_hash: bytes | None


def whence(network: str, user_agent: str | None, device_hash: bytes | None) -> From:
    """For the question whether somebody came in from there of late."""
    return {
        "since": now() - REMEMBERED,
        "device_hash": device_hash,
        "network": network,
        "device": describe(user_agent),
    }


async def came_in(session: AsyncSession, user: User, visit: Visit, *, known: bool | None = None) -> Values:
    """The row of a successful sign-in, for whoever writes the session; of a new device its owner is told.

    `known` is what was found out before about `whence`.
    """
    dao = SignInDAO(session)
    device = describe(visit.user_agent)
    at = now()
    if known is None:
        known = await dao.knows(user.id, whence(visit.network, visit.user_agent, visit.device_hash))
    surprising = not known and (at - user.created_at > NEWCOMER or await dao.has_come(user.id))
    if surprising:
        await write_to(
            session,
            user,
            "new_sign_in",
            device=device or "",
            address=visit.address,
            time=f"{at:%Y-%m-%d %H:%M} UTC",
        )
    return _row(user, visit, "done")


def refused(user: User | None, visit: Visit) -> Values:
    """The row of a try that failed, at an unknown account too: the two must not differ in time."""
    return _row(user, visit, "refused")


async def prune(session: AsyncSession) -> int:
    """Forget a batch of what is older than the installation keeps; gives how many rows."""
    kept = timedelta(days=get_settings().sign_in_retention_days)
    return await SignInDAO(session).prune(now() - kept, BATCH)


def _row(user: User | None, visit: Visit, result: str) -> Values:
    return SignIn, {
        "id": new_id(),
        "created_at": now(),
        "user_id": user.id if user is not None else None,
        "result": result,
        "method": visit.method,
        "client_id": visit.client_id,
        "address": visit.address,
        "network": visit.network,
        "device": describe(visit.user_agent),
        "device_hash": visit.device_hash,
    }
