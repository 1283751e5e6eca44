"""Personal tokens: made by hand for scripts; opaque, narrow, shown once, ended by deleting them.

The form `gavan_pat_` + 256 bits + checksum lets scanners of public code recognise a leaked one, and lets
a mistyped one be refused without asking the database.
"""

from __future__ import annotations

import secrets
import string
import zlib
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.trail import record
from backend.database import now
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.oauth.announcements import announce
from backend.oauth.dao import PersonalTokenDAO
from backend.oauth.models import PersonalToken
from backend.oauth.tokens import digest
from backend.utils.addresses import Network, parse, within
from backend.utils.ids import new_id

PREFIX = "gavan_pat_"
CLIENT = "personal-token"
"""Stands where other tokens name their client."""
MOST = 100
"""Of one user."""
KEPT = timedelta(days=30)
LONGEST = timedelta(days=365)

_ALPHABET = string.digits + string.ascii_letters
_SECRET, _CHECKSUM = 43, 6
"""Characters: 62^43 > 2^256, 62^6 > 2^32."""
KIND = "personal_token"


def new_token() -> str:
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET))
    return PREFIX + secret + _checksum(secret)


def is_whole(token: str) -> bool:
    """Whether it has the form and the checksum of one; whether it is one, the database knows."""
    secret, checksum = token[len(PREFIX) : -_CHECKSUM], token[-_CHECKSUM:]
    return len(secret) == _SECRET and token.isascii() and checksum == _checksum(secret)


def admits(networks: tuple[Network, ...], address: str) -> bool:
    """Whether a token with this allow-list may come from the address."""
    parsed = parse(address)
    return not networks or (parsed is not None and within(parsed, networks))


async def create(
    session: AsyncSession,
    user_id: UUID,
    *,
    name: str,
    scopes: list[str],
    networks: list[str],
    expires_at: datetime | None,
    never_expires: bool,
) -> tuple[PersonalToken, str]:
    """The row, and the token itself, which nobody can read again; good for a year unless it is said
    otherwise. Raises `Invalid` and `Conflict`.
    """
    expires_at = _end(expires_at, never_expires)
    dao = PersonalTokenDAO(session)
    await dao.lock(f"{KIND} {user_id}")
    if await dao.count_of(user_id) >= MOST:
        raise Conflict(f"There may be {MOST} personal tokens; delete one first.", code="too_many_tokens")
    token = new_token()
    row = PersonalToken(
        id=new_id(),
        user_id=user_id,
        name=name,
        token_hash=digest(token),
        scope=" ".join(scopes),
        networks=networks,
        created_at=now(),
        expires_at=expires_at,
    )
    await dao.add(row)
    after = {
        "scopes": scopes,
        "networks": networks,
        "expires_at": expires_at.isoformat() if expires_at else None,
    }
    await record(
        session,
        Action.PERSONAL_TOKEN_CREATED,
        object_type=KIND,
        object_id=row.id,
        object_name=name,
        after=after,
    )
    return row, token


def _end(wished: datetime | None, never: bool) -> datetime | None:
    if never:
        if wished is not None:
            raise invalid_field(["body", "expires_at"], "It never expires, or then.", "contradiction")
        return None
    latest = now() + LONGEST
    end = wished or latest
    if not now() < end <= latest:
        raise invalid_field(["body", "expires_at"], "This is not within a year from now.", "bad_expiry")
    return end


async def delete(session: AsyncSession, user_id: UUID, token_id: UUID) -> None:
    """From now on it is refused. Raises `NotFound`."""
    dao = PersonalTokenDAO(session)
    row = await dao.owned(token_id, user_id)
    if row is None:
        raise NotFound("There is no such token.")
    await dao.delete(token_id)
    await announce(session, token_id)
    await record(
        session,
        Action.PERSONAL_TOKEN_DELETED,
        object_type=KIND,
        object_id=token_id,
        object_name=row.name,
        before={"scopes": row.scope.split()},
    )


async def prune(session: AsyncSession) -> int:
    """Forget tokens that expired long ago; gives how many. Until then their owner sees that they did."""
    return await PersonalTokenDAO(session).delete_expired(now() - KEPT)


def _checksum(secret: str) -> str:
    value, signs = zlib.crc32(secret.encode()), []
    for _ in range(_CHECKSUM):
        value, place = divmod(value, len(_ALPHABET))
        signs.append(_ALPHABET[place])
    return "".join(reversed(signs))
