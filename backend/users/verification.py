"""Whether the e-mail address is the person's own: said by a link or a code that was sent there."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.actor import Actor, as_user
from backend.config import Settings
from backend.context import Parts
from backend.database import now
from backend.exceptions import Conflict, Forbidden
from backend.mail import outbox
from backend.oauth.announcements import announce
from backend.users import email_change
from backend.users.asker import Asker
from backend.users.dao import UserDAO
from backend.users.models import User
from backend.users.reading import present
from backend.users.redeeming import by_code, by_link
from backend.users.trail import record_about
from backend.verificationcodes import codes
from backend.verificationcodes.codes import Used
from backend.verificationcodes.purposes import Purpose
from backend.verificationcodes.wording import code_wrong, hours, link, link_invalid

PAGE = "verify-email"


async def send(session: AsyncSession, user: User) -> None:
    """A letter with a link and a code, in place of the one before."""
    issued = await codes.issue(session, Purpose.EMAIL_VERIFICATION, user.id, target=user.email)
    await outbox.write(
        session,
        "verify_email",
        to=user.email,
        locale=user.locale,
        user_id=user.id,
        url=link(PAGE, issued.token),
        code=issued.code,
        hours=hours(Purpose.EMAIL_VERIFICATION),
    )


async def send_again(parts: Parts, asker: Asker, user_id: UUID) -> User:
    """Raises `Conflict` when there is nothing to verify, `TooManyRequests`."""
    async with parts.transaction() as session:
        user = await present(session, user_id)
    if user.email_verified_at is not None:
        raise Conflict("The address is verified already.", code="email_verified")
    await asker.limits.check("message", account=str(user_id), address=asker.address)
    async with parts.transaction() as session:
        await send(session, user)
    return user


async def confirm(parts: Parts, asker: Asker, token: str) -> str:
    """Use the link of a letter: the address is verified, or is the account's from now on.

    Gives the address. Raises `BadRequest`.
    """
    await asker.limits.check("link", address=asker.address)
    async with parts.transaction() as session:
        user, used = await by_link(session, token, Purpose.EMAIL_VERIFICATION, Purpose.EMAIL_CHANGE)
        if used.purpose is Purpose.EMAIL_VERIFICATION:
            await _verified(session, user, used)
        elif not await email_change.apply(session, user, used):
            raise link_invalid()
        email = user.email
    return email


async def confirm_code(parts: Parts, asker: Asker, user_id: UUID, code: str) -> None:
    """The same by the code that stands in the letter, for whoever is signed in. Raises `Invalid`."""
    await asker.limits.check("link", address=asker.address)
    async with parts.transaction() as session:
        user, found = await by_code(session, code, Purpose.EMAIL_VERIFICATION, user_id)
        if isinstance(found, Used):
            await _verified(session, user, found)
    if not isinstance(found, Used):
        raise code_wrong(found)


async def require_verified(session: AsyncSession, settings: Settings, user_id: UUID) -> None:
    """Raises `Forbidden` where the installation wants a verified address and there is none."""
    if not settings.order_needs_verified_email:
        return
    user = await present(session, user_id)
    if user.email_verified_at is None:
        raise Forbidden(
            "Confirm your e-mail address first: open the link in the letter that we sent you, "
            "or ask for another with `POST /api/v1/me/email/verification`.",
            code="email_unverified",
        )


async def mark(session: AsyncSession, user: User, *, by: Actor | None = None) -> None:
    """The address has proved itself, or somebody answers for it."""
    if user.email_verified_at is not None:
        return
    user.email_verified_at = now()
    await UserDAO(session).flush()
    await codes.withdraw(session, user.id, Purpose.EMAIL_VERIFICATION)
    await announce(session, user.id)
    await record_about(
        session,
        user,
        Action.USER_EMAIL_VERIFIED,
        actor=by or as_user(user.id),
    )


async def _verified(session: AsyncSession, user: User, used: Used) -> None:
    if used.target != user.email:
        raise link_invalid()
    await mark(session, user)
