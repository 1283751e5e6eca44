"""Recovery codes: ten, shown once, each good once, for whoever has lost the other factors."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import get_settings
from backend.factors.dao import RecoveryCodeDAO
from backend.factors.models import RecoveryCode
from backend.utils.crypto import derive_key
from backend.utils.ids import new_id

COUNT = 10
PURPOSE = "recovery code"
# Without letters that are read as digits; Crockford's alphabet in lower case.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_HALF = 5
_MISREAD = str.maketrans("oil", "011")


async def replace(session: AsyncSession, user_id: UUID) -> list[str]:
    """Ten new codes; earlier ones are void."""
    dao = RecoveryCodeDAO(session)
    await dao.remove_all(user_id)
    codes = [_new() for _ in range(COUNT)]
    await dao.add(
        *(RecoveryCode(id=new_id(), user_id=user_id, code_hash=_digest(user_id, code)) for code in codes)
    )
    return codes


async def verify(session: AsyncSession, user_id: UUID, code: str) -> bool:
    """Whether it is one of the unused codes; it is used from now on."""
    return await RecoveryCodeDAO(session).spend(user_id, _digest(user_id, code))


def _new() -> str:
    letters = [secrets.choice(_ALPHABET) for _ in range(2 * _HALF)]
    return "".join([*letters[:_HALF], "-", *letters[_HALF:]])


def _digest(user_id: UUID, code: str) -> bytes:
    typed = "".join(code.split()).replace("-", "").lower().translate(_MISREAD)
    key = derive_key(get_settings().master_key, PURPOSE)
    return hmac.digest(key, user_id.bytes + typed.encode("utf-8", "surrogatepass"), hashlib.sha256)
