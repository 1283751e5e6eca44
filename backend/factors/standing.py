"""Which second factors an account has, and what follows when one comes or goes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.audit.actor import current
from backend.factors import recovery
from backend.factors.dao import RecoveryCodeDAO, StandingDAO
from backend.users.letters import write_to
from backend.users.models import User

Kind = Literal["totp", "passkey"]
Method = Literal["otp", "passkey", "recovery_code"]

_ADDED = {"totp": Action.TOTP_ADDED, "passkey": Action.PASSKEY_ADDED}
_REMOVED = {"totp": Action.TOTP_REMOVED, "passkey": Action.PASSKEY_REMOVED}


@dataclass(frozen=True, slots=True)
class Standing:
    totp: bool
    passkeys: int
    recovery_codes: int
    """How many are unused."""

    @classmethod
    def read(cls, row: Row[Any]) -> Standing:
        """From a row with the columns of `standing_of`."""
        return cls(row.totp, row.passkeys, row.recovery_codes)

    @property
    def protected(self) -> bool:
        """Whether the password alone does not sign in."""
        return self.totp or self.passkeys > 0

    @property
    def methods(self) -> list[Method]:
        """What may be shown as the second step."""
        ways: list[tuple[Method, bool]] = [
            ("otp", self.totp),
            ("passkey", self.passkeys > 0),
            ("recovery_code", self.recovery_codes > 0),
        ]
        return [method for method, there in ways if there]


async def standing(session: AsyncSession, user_id: UUID) -> Standing:
    return Standing.read(await StandingDAO(session).of(user_id))


async def added(
    session: AsyncSession, user: User, kind: Kind, *, name: str = "", object_id: object = None
) -> list[str] | None:
    """Records and tells the change; gives recovery codes when the account has none left."""
    await trail.record(
        session, _ADDED[kind], object_type=kind, object_id=object_id or user.id, object_name=name or None
    )
    await write_to(session, user, "factor_added", kind=kind, passkey=name)
    if await RecoveryCodeDAO(session).left(user.id):
        return None
    return await new_codes(session, user)


async def removed(
    session: AsyncSession, user: User, kind: Kind, *, name: str = "", object_id: object = None
) -> None:
    """Records and tells the change; recovery codes go with the last factor that they stand in for."""
    await trail.record(
        session, _REMOVED[kind], object_type=kind, object_id=object_id or user.id, object_name=name or None
    )
    await write_to(session, user, "factor_removed", kind=kind, passkey=name)
    if not (await standing(session, user.id)).protected:
        await RecoveryCodeDAO(session).remove_all(user.id)


async def new_codes(session: AsyncSession, user: User) -> list[str]:
    """Ten recovery codes in place of whatever there was."""
    codes = await recovery.replace(session, user.id)
    await trail.record(
        session,
        Action.RECOVERY_CODES_MADE,
        object_type="user",
        object_id=user.id,
        after={"codes": len(codes)},
    )
    return codes


async def recovered(session: AsyncSession, user: User) -> None:
    """A recovery code stood in for the second factor: its owner hears of it."""
    left = await RecoveryCodeDAO(session).left(user.id)
    await trail.record(
        session,
        Action.RECOVERY_CODES_USED,
        object_type="user",
        object_id=user.id,
        after={"left": left},
        actor=replace(current(), user_id=user.id),
    )
    await write_to(session, user, "recovery_code_used", left=left)
