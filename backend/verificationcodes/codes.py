"""Issuing codes and links, and using them up: once, in time, with few tries.

What is sent is known to the receiver alone. A token has 256 random bits, so its SHA-256 is kept; a
short code could be found from such a digest in no time, so it is an HMAC under a key that is not in
the database, over the row's id as well.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import get_settings
from backend.database import now
from backend.utils.crypto import derive_key
from backend.utils.ids import new_id
from backend.verificationcodes.dao import VerificationCodeDAO
from backend.verificationcodes.models import VerificationCode
from backend.verificationcodes.purposes import RULES, Purpose

KEY = "verification code"
DIGITS = 6
SWEPT_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Issued:
    """What goes into the letter, and nowhere else."""

    token: str
    code: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Used:
    purpose: Purpose
    subject: UUID
    target: str | None


@dataclass(frozen=True, slots=True)
class Wrong:
    """Not the code; commit all the same, or the try was none."""

    tries_left: int


async def issue(
    session: AsyncSession, purpose: Purpose, subject: UUID, *, target: str | None = None
) -> Issued:
    """A new code or link in place of the former."""
    rules = RULES[purpose]
    dao = VerificationCodeDAO(session)
    # Two requests at once are one after another, so that one code remains.
    await dao.lock(f"{KEY}:{purpose}:{subject}")
    await dao.remove(subject, [purpose], target if rules.one_per_target else None)
    row_id, expires_at = new_id(), now() + rules.lifetime
    token = secrets.token_urlsafe(32) if rules.link else ""
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}" if rules.code else ""
    await dao.add(
        VerificationCode(
            id=row_id,
            purpose=purpose,
            subject=subject,
            target=target,
            token_digest=_token_digest(token) if token else None,
            code_digest=_code_digest(row_id, code) if code else None,
            tries_left=rules.tries,
            expires_at=expires_at,
        )
    )
    return Issued(token, code, expires_at)


async def look(session: AsyncSession, token: str, *purposes: Purpose) -> Used | None:
    """What the link is for, without using it up."""
    row = await VerificationCodeDAO(session).by_token(_token_digest(token), purposes, now())
    return _used(row) if row is not None else None


async def use_token(session: AsyncSession, token: str, *purposes: Purpose) -> Used | None:
    """None for a token that was never given, was used, replaced, or has expired. Of two at once one wins."""
    dao = VerificationCodeDAO(session)
    row = await dao.by_token(_token_digest(token), purposes, now(), lock=True)
    if row is None:
        return None
    used = _used(row)
    await dao.delete(row.id)
    return used


async def use_code(session: AsyncSession, code: str, purpose: Purpose, subject: UUID) -> Used | Wrong | None:
    """None when there is no code to be right about. The last wrong try uses the code up."""
    dao = VerificationCodeDAO(session)
    row = await dao.of(purpose, subject, now(), lock=True)
    if row is None or row.code_digest is None:
        return None
    used = _used(row)
    if hmac.compare_digest(row.code_digest, _code_digest(row.id, code)):
        await dao.delete(row.id)
        return used
    row.tries_left -= 1
    left = row.tries_left
    if left <= 0:
        await dao.delete(row.id)
    else:
        await dao.flush()
    return Wrong(left)


async def pending(session: AsyncSession, purpose: Purpose, subject: UUID) -> str | None:
    """The target that still waits to be confirmed."""
    row = await VerificationCodeDAO(session).of(purpose, subject, now())
    return row.target if row is not None else None


async def held_for(session: AsyncSession, purpose: Purpose, target: str) -> UUID | None:
    """The subject that has something good for this target."""
    return await VerificationCodeDAO(session).held_for(purpose, target, now())


async def withdraw(session: AsyncSession, subject: UUID, *purposes: Purpose) -> bool:
    """Whether there was anything to withdraw. Without purposes, everything of the subject."""
    return await VerificationCodeDAO(session).remove(subject, purposes or list(Purpose)) > 0


async def prune(session: AsyncSession) -> int:
    """Forget what has expired, a batch at a time; gives how many."""
    return await VerificationCodeDAO(session).remove_expired(now(), SWEPT_AT_ONCE)


def _used(row: VerificationCode) -> Used:
    return Used(Purpose(row.purpose), row.subject, row.target)


def _token_digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _code_digest(row_id: UUID, code: str) -> bytes:
    key = derive_key(get_settings().master_key, KEY)
    return hmac.digest(key, row_id.bytes + code.encode("utf-8", "surrogatepass"), "sha256")
