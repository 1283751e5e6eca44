"""The keys that sign access tokens: made on demand, kept sealed, published as a JWK set."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import orjson
from joserfc.jwk import ECKey
from loguru import logger

from backend.database import Database, now
from backend.oauth.dao import SigningKeyDAO
from backend.oauth.models import SigningKey
from backend.utils.crypto import SealBroken, Vault

PURPOSE = "oauth signing key"
MAX_AGE = 600.0
"""Seconds after which keys are read again, so that a retired one is noticed everywhere."""
MISS_PAUSE = 5.0
"""Seconds between reads for unknown key ids, which anybody can send."""
RETIRED_KEPT = timedelta(days=1)


class KeyRing:
    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        self._signing: ECKey | None = None
        self._public: dict[str, ECKey] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    def forget(self) -> None:
        self._read_at = float("-inf")

    async def signing(self) -> ECKey:
        """The private key to sign with; call it outside a transaction, it may need one."""
        if self._signing is None or self._age() > MAX_AGE:
            await self._read(MAX_AGE, make=True)
        assert self._signing is not None
        return self._signing

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

    def _age(self) -> float:
        return time.monotonic() - self._read_at

    async def _read(self, max_age: float, *, make: bool) -> None:
        async with self._reading:
            # Whoever waited here was served by the one before.
            if self._age() < max_age and not (make and self._signing is None):
                return
            async with self._database.transaction() as session:
                dao = SigningKeyDAO(session)
                rows = await dao.published(now() - RETIRED_KEPT)
                signing = self._open(rows)
                if signing is None and make:
                    await dao.lock(PURPOSE)
                    rows = await dao.published(now() - RETIRED_KEPT)
                    signing = self._open(rows)
                    if signing is None:
                        signing, row = self._make()
                        await dao.add(row)
                        rows = [row, *rows]
            # Only what is committed is remembered.
            self._signing = signing
            self._public = {row.kid: ECKey.import_key(row.public_jwk) for row in rows}
            self._read_at = time.monotonic()

    def _open(self, rows: Sequence[SigningKey]) -> ECKey | None:
        for row in rows:
            if row.retired_at is None:
                try:
                    return ECKey.import_key(orjson.loads(self._vault.open(row.private_key, row.kid)))
                except SealBroken:
                    logger.warning("signing key {} was sealed with another SECRET_KEY; not used", row.kid)
        return None

    def _make(self) -> tuple[ECKey, SigningKey]:
        key = ECKey.generate_key("P-256", private=True, auto_kid=True)
        kid = key.kid
        assert kid is not None
        sealed = self._vault.seal(orjson.dumps(key.as_dict(private=True)).decode(), kid)
        return key, SigningKey(
            kid=kid, private_key=sealed, public_jwk=key.as_dict(private=False), created_at=now()
        )
