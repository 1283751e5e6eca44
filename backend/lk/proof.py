"""Step-up: the person at the keyboard shows a secret again; dangerous actions believe it for a while."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.database import now
from backend.exceptions import Forbidden, Unauthorized, invalid_field
from backend.factors import passkeys, totp
from backend.factors.schemas import ProofKind
from backend.lk.dao import OwnSessionDAO
from backend.oauth.announcements import announce
from backend.oauth.identity import Identity, Principal
from backend.users import passwords
from backend.users.dao import UserDAO

_WRONG: dict[ProofKind, tuple[str, str]] = {
    "password": ("The password is wrong.", "wrong_password"),
    "otp": ("The code is wrong or was used before.", "wrong_code"),
    "passkey": ("The passkey was not accepted.", "passkey_refused"),
}


async def options(session: AsyncSession, user_id: UUID) -> passkeys.Json:
    """What the browser is asked for one of the person's passkeys."""
    return await passkeys.request_options(session, "proof", user_id)


async def prove(
    identity: Identity, principal: Principal, kind: ProofKind, value: Any, address: str
) -> datetime:
    """When the proof was given. Raises `Invalid` about the field, `TooManyRequests`.

    It opens its own transactions: a password is verified between two, and a wrong try is recorded
    although the request is refused.
    """
    if principal.acting_id is not None:
        raise Forbidden("Only the owner of the account can confirm this.", code="not_in_person")
    account = str(principal.user_id)
    await identity.limits.check("proof", account=account, address=address)
    right = kind != "password" or await _password_is_right(identity, principal, value)
    async with identity.database.transaction() as session:
        right = right and await _is_shown(session, principal, kind, value)
        at = now()
        if right:
            await OwnSessionDAO(session).prove(principal.session_id, at)
            await announce(session, principal.session_id)
        await trail.record(
            session,
            Action.SESSION_PROVED,
            object_type="session",
            object_id=principal.session_id,
            after={"method": kind},
            result="done" if right else "refused",
        )
    if not right:
        message, code = _WRONG[kind]
        raise invalid_field(["body", kind], message, code)
    # The announcement takes a moment to come back; the next request must not meet what is remembered.
    identity.forget(str(principal.session_id))
    await identity.limits.succeeded("proof", account=account, address=address)
    return at


async def _password_is_right(identity: Identity, principal: Principal, password: str) -> bool:
    async with identity.database.transaction() as session:
        user = await UserDAO(session).get(principal.user_id)
    if user is None:
        raise Unauthorized("The account is gone.", code="session_ended")
    right, _ = await passwords.verify(password, user.password_hash)
    return right


async def _is_shown(session: AsyncSession, principal: Principal, kind: ProofKind, value: Any) -> bool:
    if kind == "otp":
        return await totp.verify(session, principal.user_id, value)
    if kind == "passkey":
        try:
            await passkeys.verify(session, value, "proof", principal.user_id)
        except passkeys.PasskeyRefused:
            return False
    return True
