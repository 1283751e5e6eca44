"""Adding, changing and removing one's own second factors."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.exceptions import Conflict, NotFound, Unauthorized, invalid_field
from backend.factors import passkeys, totp
from backend.factors.dao import PasskeyDAO, SecondStepDAO, TotpDAO
from backend.factors.models import Passkey
from backend.factors.standing import Standing, added, new_codes, removed, standing
from backend.factors.totp import Enrolment
from backend.oauth.tokens import digest
from backend.users.dao import UserDAO
from backend.users.models import User


async def overview(session: AsyncSession, user_id: UUID) -> tuple[Standing, list[Passkey]]:
    return await standing(session, user_id), list(await PasskeyDAO(session).of(user_id))


async def prepare_totp(session: AsyncSession, user_id: UUID) -> Enrolment:
    """Raises `Conflict` while an app is in use."""
    user = await _person(session, user_id)
    enrolment = await totp.enrol(session, user.id, user.email)
    await trail.record(session, Action.TOTP_PREPARED, object_type="totp", object_id=user.id)
    return enrolment


async def confirm_totp(session: AsyncSession, user_id: UUID, code: str) -> list[str] | None:
    """The app is in use from now on; gives recovery codes if there were none. Raises `Invalid`."""
    user = await _person(session, user_id)
    if not await totp.confirm(session, user.id, code):
        raise invalid_field(
            ["body", "code"], "The code is wrong; see whether the clock is right.", "wrong_code"
        )
    return await added(session, user, "totp")


async def remove_totp(session: AsyncSession, user_id: UUID) -> None:
    user = await _person(session, user_id)
    if not await TotpDAO(session).remove(user.id):
        raise Conflict("No authenticator app is in use.", code="totp_not_in_use")
    await removed(session, user, "totp")


async def renew_codes(session: AsyncSession, user_id: UUID) -> list[str]:
    """Raises `Conflict` when there is no factor that they could stand in for."""
    user = await _person(session, user_id)
    if not (await standing(session, user.id)).protected:
        raise Conflict("Add an authenticator app or a passkey first.", code="no_second_factor")
    return await new_codes(session, user)


async def creation_options(session: AsyncSession, user_id: UUID) -> passkeys.Json:
    return await passkeys.creation_options(session, await _person(session, user_id))


async def add_passkey(
    session: AsyncSession, user_id: UUID, name: str, credential: dict[str, Any]
) -> tuple[Passkey, list[str] | None]:
    """The passkey, and recovery codes if there were none. Raises `Invalid`, `Conflict`."""
    user = await _person(session, user_id)
    try:
        passkey = await passkeys.register(session, user.id, name, credential)
    except passkeys.PasskeyRefused:
        raise invalid_field(
            ["body", "credential"], "The passkey was not accepted; try again.", "passkey_refused"
        ) from None
    return passkey, await added(session, user, "passkey", name=name, object_id=passkey.id)


async def rename_passkey(session: AsyncSession, user_id: UUID, passkey_id: UUID, name: str) -> Passkey:
    passkey = await _passkey(session, user_id, passkey_id)
    before, passkey.name = passkey.name, name
    await PasskeyDAO(session).flush()
    await trail.record(
        session,
        Action.PASSKEY_RENAMED,
        object_type="passkey",
        object_id=passkey.id,
        object_name=name,
        before={"name": before},
        after={"name": name},
    )
    return passkey


async def remove_passkey(session: AsyncSession, user_id: UUID, passkey_id: UUID) -> None:
    user = await _person(session, user_id)
    passkey = await _passkey(session, user_id, passkey_id)
    await PasskeyDAO(session).delete(passkey.id)
    await removed(session, user, "passkey", name=passkey.name, object_id=passkey.id)


async def sign_in_options(session: AsyncSession, mfa_token: str | None) -> passkeys.Json:
    """For whoever signs in: any passkey, or after a right password one of that account."""
    if mfa_token is None:
        return await passkeys.request_options(session, "sign_in", None)
    step = await SecondStepDAO(session).find(digest(mfa_token))
    if step is None:
        raise invalid_field(["body", "mfa_token"], "It has expired; sign in anew.", "mfa_token_expired")
    return await passkeys.request_options(session, "second_step", step.user_id)


async def _person(session: AsyncSession, user_id: UUID) -> User:
    user = await UserDAO(session).get_locked(user_id)
    if user is None:
        raise Unauthorized("The account is gone.", code="session_ended")
    return user


async def _passkey(session: AsyncSession, user_id: UUID, passkey_id: UUID) -> Passkey:
    passkey = await PasskeyDAO(session).own(passkey_id, user_id)
    if passkey is None:
        raise NotFound("There is no such passkey.")
    return passkey
