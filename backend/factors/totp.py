"""Codes of an authenticator app (TOTP, RFC 6238): half a minute each, good once, one step of drift."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pyotp
import segno
from pyotp.exceptions import OTPVerificationError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import get_settings
from backend.database import now
from backend.exceptions import Conflict
from backend.factors.dao import TotpDAO
from backend.factors.models import TotpSecret
from backend.utils.crypto import Vault

PURPOSE = "totp secret"
ISSUER = "Gavan"
DRIFT_STEPS = 1
PENDING = timedelta(minutes=30)
_CODE = re.compile(r"[0-9]{6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Enrolment:
    secret: str
    uri: str
    qr: str
    """An SVG picture of `uri`, as a data URI."""


async def enrol(session: AsyncSession, user_id: UUID, email: str) -> Enrolment:
    """A new secret; it protects nothing before `confirm`. Raises `Conflict` while one is in use."""
    secret = pyotp.random_base32()
    if not await TotpDAO(session).put_pending(user_id, _vault().seal(secret, str(user_id))):
        raise Conflict("An authenticator app is in use; remove it first.", code="totp_in_use")
    uri = pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)
    qr = segno.make(uri, error="m", micro=False).svg_data_uri(scale=4, border=3, light="#fff")
    return Enrolment(secret, uri, qr)


async def confirm(session: AsyncSession, user_id: UUID, code: str) -> bool:
    """Whether the app showed the right code, and is in use from now on."""
    dao = TotpDAO(session)
    row = await dao.get(user_id)
    if row is None or row.confirmed_at is not None or row.created_at < now() - PENDING:
        raise Conflict("No authenticator app is being added; begin anew.", code="totp_not_begun")
    step = _step(row, code)
    return step is not None and await dao.take_step(
        user_id, step, confirmed_at=now(), last_used_at=now(), secret=row.secret
    )


async def verify(session: AsyncSession, user_id: UUID, code: str) -> bool:
    """Whether the code is right now and was not used before; it is used from now on."""
    dao = TotpDAO(session)
    row = await dao.get(user_id)
    if row is None or row.confirmed_at is None:
        return False
    step = _step(row, code)
    return step is not None and await dao.take_step(user_id, step, last_used_at=now())


def _step(row: TotpSecret, code: str) -> int | None:
    digits = code.replace(" ", "")
    if not _CODE.fullmatch(digits):
        return None
    totp = pyotp.TOTP(_vault().open(row.secret, str(row.user_id)))
    try:
        return totp.verify_and_get_timecode(digits, for_time=now().timestamp(), valid_window=DRIFT_STEPS)
    except OTPVerificationError:
        return None


def _vault() -> Vault:
    return Vault(get_settings().master_key, PURPOSE)
