"""Statements over second factors. What may be used once is spent by the statement that finds it unspent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, Row, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from backend.dao.base import BaseDAO
from backend.database import now
from backend.factors.models import Challenge, Passkey, RecoveryCode, SecondStep, TotpSecret, standing_of


class TotpDAO(BaseDAO[TotpSecret]):
    model = TotpSecret

    async def put_pending(self, user_id: UUID, secret: str) -> bool:
        """In place of an earlier one that was never confirmed; False when one is in use."""
        fresh = {"secret": secret, "created_at": now(), "last_step": 0}
        statement = insert(TotpSecret).values(user_id=user_id, **fresh)
        unused = statement.on_conflict_do_update(
            index_elements=[TotpSecret.user_id], set_=fresh, where=TotpSecret.confirmed_at.is_(None)
        )
        return await self.execute(unused) > 0

    async def take_step(self, user_id: UUID, step: int, **values: Any) -> bool:
        """Whether this is the first code of this or any later time step."""
        statement = (
            update(TotpSecret)
            .where(TotpSecret.user_id == user_id, TotpSecret.last_step < step)
            .values(last_step=step, **values)
        )
        return await self.execute(statement) > 0

    async def remove(self, user_id: UUID) -> bool:
        """Whether one was in use."""
        statement = delete(TotpSecret).where(TotpSecret.user_id == user_id).returning(TotpSecret.confirmed_at)
        return await self.scalar(statement) is not None


class RecoveryCodeDAO(BaseDAO[RecoveryCode]):
    model = RecoveryCode

    async def spend(self, user_id: UUID, code_hash: bytes) -> bool:
        statement = (
            update(RecoveryCode)
            .where(
                RecoveryCode.user_id == user_id,
                RecoveryCode.code_hash == code_hash,
                RecoveryCode.used_at.is_(None),
            )
            .values(used_at=now())
        )
        return await self.execute(statement) > 0

    async def left(self, user_id: UUID) -> int:
        unused = (RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
        return int(await self.scalar(select(func.count()).select_from(RecoveryCode).where(*unused)))

    async def remove_all(self, user_id: UUID) -> None:
        await self.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))


class PasskeyDAO(BaseDAO[Passkey]):
    model = Passkey

    async def by_credential(self, credential_id: bytes) -> Passkey | None:
        """Under lock, so that its counter only grows."""
        statement = select(Passkey).where(Passkey.credential_id == credential_id).with_for_update()
        return await self.one(statement.execution_options(populate_existing=True))

    async def of(self, user_id: UUID) -> Sequence[Passkey]:
        return await self.all(select(Passkey).where(Passkey.user_id == user_id).order_by(Passkey.id))

    async def own(self, passkey_id: UUID, user_id: UUID) -> Passkey | None:
        return await self.one(select(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == user_id))

    async def create(self, **values: Any) -> Passkey | None:
        """None when somebody has registered this credential already."""
        statement = (
            insert(Passkey)
            .values(**values)
            .on_conflict_do_nothing(index_elements=[Passkey.credential_id])
            .returning(Passkey)
        )
        return await self.scalar(statement)

    async def remove_all(self, user_id: UUID) -> None:
        await self.execute(delete(Passkey).where(Passkey.user_id == user_id))


class ChallengeDAO(BaseDAO[Challenge]):
    model = Challenge

    async def take(self, challenge_hash: bytes, purpose: str) -> Row[Any] | None:
        """(user_id,) of a challenge that nobody has answered yet."""
        statement = (
            delete(Challenge)
            .where(
                Challenge.challenge_hash == challenge_hash,
                Challenge.purpose == purpose,
                Challenge.expires_at > now(),
            )
            .returning(Challenge.user_id)
        )
        return await self.row(statement)

    async def prune(self, before: datetime) -> int:
        return await self.delete_some(Challenge.expires_at < before)


class SecondStepDAO(BaseDAO[SecondStep]):
    model = SecondStep

    async def find(self, token_hash: bytes, *, lock: bool = False) -> SecondStep | None:
        statement = select(SecondStep).where(
            SecondStep.token_hash == token_hash, SecondStep.expires_at > now()
        )
        if lock:
            statement = statement.with_for_update()
        return await self.one(statement.execution_options(populate_existing=True))

    async def remove_all(self, user_id: UUID) -> None:
        await self.execute(delete(SecondStep).where(SecondStep.user_id == user_id))

    async def prune(self, before: datetime) -> int:
        return await self.delete_some(SecondStep.expires_at < before)


_WHOSE: BindParameter[UUID] = bindparam("user_id")
_STANDING = select(*standing_of(_WHOSE))


class StandingDAO(BaseDAO[TotpSecret]):
    model = TotpSecret

    async def of(self, user_id: UUID) -> Row[Any]:
        """See `standing_of`."""
        found = await self.row(_STANDING, {"user_id": user_id})
        assert found is not None
        return found
