"""The keys that sign access tokens: made on demand, kept sealed, published as a JWK set, replaced by age.

Two are live around a replacement. The new one is published `ANNOUNCED` before it signs, so that
whoever verifies tokens from a copy of the set has it by then; the old one is published until what it
signed has expired.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from joserfc.jwk import ECKey
from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.config import Settings
from backend.database import Database, now
from backend.oauth.announcements import EVERYONE, announce
from backend.oauth.dao import SigningKeyDAO
from backend.oauth.models import SigningKey
from backend.utils.crypto import SealBroken, Vault

PURPOSE = "oauth signing key"
MAX_AGE = 600.0
"""Seconds after which keys are read again, should an announcement have been missed."""
MISS_PAUSE = 5.0
"""Seconds between reads for unknown key ids, which anybody can send."""
SET_MAX_AGE = 300
"""Seconds that others may keep a copy of the published set."""
ANNOUNCED = timedelta(seconds=2 * SET_MAX_AGE)
RETIRED_KEPT = timedelta(days=1)
"""The longest that an access token may live."""


@dataclass(frozen=True, slots=True)
class _Signing:
    key: ECKey
    since: datetime
    until: datetime | None


def vault_of(settings: Settings) -> Vault:
    return Vault(settings.master_key, PURPOSE)


async def rotate(
    session: AsyncSession,
    settings: Settings,
    *,
    older_than: timedelta | None = None,
    compromised: bool = False,
) -> str | None:
    """Make a new signing key in place of the present one; gives its id.

    With `older_than`, only if the present one is (None if not). With `compromised`, the old keys are
    worth nothing from now on: everybody renews the token, which panel and clients do by themselves.
    """
    dao = SigningKeyDAO(session)
    await dao.lock(PURPOSE)
    at = now()
    present = [row for row in await dao.published(at) if row.retired_at is None or row.retired_at > at]
    if older_than is not None and not all(at - row.created_at >= older_than for row in present):
        return None
    for row in present:
        if compromised:
            row.retired_at = at - RETIRED_KEPT
        elif row.retired_at is None:
            row.retired_at = at + ANNOUNCED
    _, row = _make(vault_of(settings))
    await dao.add(row)
    await dao.forget(at - RETIRED_KEPT)
    await announce(session, EVERYONE)
    await trail.record(
        session,
        Action.SIGNING_KEY_ROTATED,
        object_type="signing_key",
        object_id=row.kid,
        after={"compromised": compromised},
    )
    return row.kid


async def rotate_by_age(session: AsyncSession, settings: Settings) -> str | None:
    """For the periodic task."""
    return await rotate(session, settings, older_than=timedelta(days=settings.signing_key_days))


class KeyRing:
    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        self._signing: list[_Signing] = []
        self._public: dict[str, ECKey] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    def forget(self) -> None:
        self._read_at = float("-inf")

    async def signing(self) -> ECKey:
        """The private key to sign with; call it outside a transaction, it may need one."""
        key = self._present()
        if key is None or self._age() > MAX_AGE:
            await self._read(MAX_AGE, make=True)
            key = self._present()
        assert key is not None
        return key

    async def find(self, kid: str) -> ECKey | None:
        """The public key that verifies, if it is one of ours."""
        age = self._age()
        if age > MAX_AGE or (kid not in self._public and age > MISS_PAUSE):
            await self._read(MISS_PAUSE, make=False)
        return self._public.get(kid)

    async def document(self) -> dict[str, Any]:
        """The JWK set (RFC 7517)."""
        await self.signing()
        return {"keys": [key.as_dict(private=False, use="sig", alg="ES256") for key in self._public.values()]}

    def _present(self) -> ECKey | None:
        """The newest that was announced for long enough, else the oldest that there is."""
        at = now()
        live = [one for one in self._signing if one.until is None or one.until > at]
        ready = [one for one in live if at - one.since >= ANNOUNCED]
        if ready:
            return ready[0].key
        return live[-1].key if live else None

    def _age(self) -> float:
        return time.monotonic() - self._read_at

    async def _read(self, max_age: float, *, make: bool) -> None:
        async with self._reading:
            # Whoever waited here was served by the one before.
            if self._age() < max_age and not (make and self._present() is None):
                return
            async with self._database.transaction() as session:
                dao = SigningKeyDAO(session)
                rows = await dao.published(now() - RETIRED_KEPT)
                signing = self._open(rows)
                if not signing and make:
                    await dao.lock(PURPOSE)
                    rows = await dao.published(now() - RETIRED_KEPT)
                    signing = self._open(rows)
                    if not signing:
                        key, row = _make(self._vault)
                        await dao.add(row)
                        rows, signing = [row, *rows], [_Signing(key, row.created_at, None)]
            # Only what is committed is remembered.
            self._signing = signing
            self._public = {row.kid: ECKey.import_key(row.public_jwk) for row in rows}
            self._read_at = time.monotonic()

    def _open(self, rows: Sequence[SigningKey]) -> list[_Signing]:
        found, at = [], now()
        for row in rows:
            if row.retired_at is None or row.retired_at > at:
                try:
                    key = ECKey.import_key(orjson.loads(self._vault.open(row.private_key, row.kid)))
                except SealBroken:
                    logger.warning("signing key {} was sealed with another SECRET_KEY; not used", row.kid)
                else:
                    found.append(_Signing(key, row.created_at, row.retired_at))
        return found


def _make(vault: Vault) -> tuple[ECKey, SigningKey]:
    key = ECKey.generate_key("P-256", private=True, auto_kid=True)
    kid = key.kid
    assert kid is not None
    sealed = vault.seal(orjson.dumps(key.as_dict(private=True)).decode(), kid)
    return key, SigningKey(
        kid=kid, private_key=sealed, public_jwk=key.as_dict(private=False), created_at=now()
    )
