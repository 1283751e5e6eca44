"""Telephone numbers: one spelling for each, and a code by text message that proves who holds it."""

from __future__ import annotations

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.context import Parts
from backend.mail import outbox
from backend.oauth.announcements import announce
from backend.oauth.identity import Principal
from backend.users.asker import Asker
from backend.users.dao import UserDAO
from backend.users.letters import write_to
from backend.users.models import User
from backend.users.reading import present
from backend.users.redeeming import by_code
from backend.users.trail import record_about
from backend.verificationcodes import codes
from backend.verificationcodes.codes import Used
from backend.verificationcodes.purposes import Purpose
from backend.verificationcodes.wording import code_wrong, minutes

MAX_LENGTH = 40


def normalise(text: str) -> str | None:
    """E.164 of a number that is written with its country code, or None if there can be no such number."""
    try:
        number = phonenumbers.parse(text, None)
    except NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def formatted(e164: str) -> str:
    """As people write it."""
    return phonenumbers.format_number(phonenumbers.parse(e164, None), PhoneNumberFormat.INTERNATIONAL)


async def ask(parts: Parts, asker: Asker, principal: Principal, phone: str) -> None:
    """Send a code to the number, which is normalised. Raises `TooManyRequests`."""
    await asker.limits.check("message", account=f"phone:{principal.user_id}", address=asker.address)
    await asker.limits.check("message", account=phone)
    async with parts.transaction() as session:
        user = await present(session, principal.user_id, lock=True)
        issued = await codes.issue(session, Purpose.PHONE, user.id, target=phone)
        await outbox.write_sms(
            session,
            "phone_code",
            to=phone,
            locale=user.locale,
            user_id=user.id,
            code=issued.code,
            minutes=minutes(Purpose.PHONE),
        )


async def confirm(parts: Parts, asker: Asker, principal: Principal, code: str) -> None:
    """The number that the code was sent to is the account's. Raises `Invalid` and `TooManyRequests`."""
    await asker.limits.check("link", address=asker.address)
    async with parts.transaction() as session:
        user, found = await by_code(session, code, Purpose.PHONE, principal.user_id)
        if isinstance(found, Used):
            await _change(session, user, found.target, Action.USER_PHONE_CHANGED)
            await write_to(
                session,
                user,
                "phone_changed",
                phone=formatted(found.target or ""),
            )
    if not isinstance(found, Used):
        raise code_wrong(found)


async def remove(session: AsyncSession, principal: Principal) -> None:
    """Also what waits to be confirmed; nothing to remove is fine."""
    user = await present(session, principal.user_id, lock=True)
    await codes.withdraw(session, user.id, Purpose.PHONE)
    if user.phone is not None:
        await write_to(session, user, "phone_removed", phone=formatted(user.phone))
        await _change(session, user, None, Action.USER_PHONE_REMOVED)


async def _change(session: AsyncSession, user: User, phone: str | None, action: Action) -> None:
    before, user.phone = user.phone, phone
    await UserDAO(session).flush()
    await announce(session, user.id)
    await record_about(
        session,
        user,
        action,
        before={"phone": before},
        after={"phone": phone},
    )
