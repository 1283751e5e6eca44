"""Another e-mail address for an account, and the way back for whoever read the former one.

The new address counts once its mailbox proved itself. The former one is told at both moments, each time
with a link that stops it or turns it back for a week. For that long nobody else can have the former
address, or whoever took over the account would only have to register it.
"""

from __future__ import annotations

import secrets

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.actor import as_user
from backend.context import Parts
from backend.database import now
from backend.exceptions import invalid_field
from backend.mail import outbox
from backend.oauth import sessions
from backend.oauth.announcements import announce
from backend.oauth.identity import Principal
from backend.oauth.models import Ending
from backend.users import passwords
from backend.users.asker import Asker
from backend.users.dao import UserDAO
from backend.users.letters import write_to
from backend.users.models import User
from backend.users.reading import present
from backend.users.redeeming import by_link
from backend.users.trail import record_about
from backend.verificationcodes import codes
from backend.verificationcodes.codes import Used
from backend.verificationcodes.purposes import Purpose
from backend.verificationcodes.wording import days, hours, link, link_invalid

CONFIRM_PAGE = "verify-email"
RETURN_PAGE = "restore-email"


async def ask(parts: Parts, asker: Asker, principal: Principal, email: str) -> None:
    """`email` is normalised. Whether somebody has it already is told to them alone.

    Raises `Invalid` and `TooManyRequests`.
    """
    if email == principal.email:
        raise invalid_field(["body", "email"], "This is the account's address.", "email_same")
    await asker.limits.check("message", account=str(principal.user_id), address=asker.address)
    async with asker.identity.pace.evenly("email change"):
        fits = await asker.limits.allows("message", account=email)
        async with parts.transaction() as session:
            user = await present(session, principal.user_id, lock=True)
            issued = await codes.issue(session, Purpose.EMAIL_CHANGE, user.id, target=email)
            if fits:
                await _write_to_new(session, user, email, issued.token)
            await _write_to_former(session, "email_change_asked", user, user.email, email)
            await record_about(
                session, user, Action.USER_EMAIL_CHANGE_ASKED, after={"email": email}, actor=as_user(user.id)
            )


async def cancel(session: AsyncSession, principal: Principal) -> None:
    """Think better of it before the new address is confirmed; nothing to cancel is fine."""
    user = await present(session, principal.user_id, lock=True)
    if await codes.withdraw(session, user.id, Purpose.EMAIL_CHANGE):
        await record_about(session, user, Action.USER_EMAIL_CHANGE_CANCELLED, actor=as_user(user.id))


async def apply(session: AsyncSession, user: User, used: Used) -> bool:
    """The new address proved itself. False when it became somebody else's meanwhile."""
    former, new = user.email, used.target
    if new is None or await taken(session, new, but_for=user):
        return False
    if not await UserDAO(session).move(user.id, new, now()):
        return False
    # Whatever is under way to the former address is about that one.
    await codes.withdraw(session, user.id, Purpose.EMAIL_VERIFICATION, Purpose.PASSWORD_RESET)
    await _write_to_former(session, "email_changed", user, former, new)
    await announce(session, user.id)
    await record_about(
        session,
        user,
        Action.USER_EMAIL_CHANGED,
        before={"email": former},
        after={"email": new},
        actor=as_user(user.id),
    )
    return True


async def restore(parts: Parts, asker: Asker, token: str) -> str:
    """The former address takes the account back, or stops a change that waits to be confirmed.

    Everybody is signed out, and after a change the password is void: whoever changed the address may
    have changed that too. Gives the address. Raises `BadRequest`.
    """
    await asker.limits.check("link", address=asker.address)
    void = await passwords.hash_password(secrets.token_urlsafe(32))
    async with parts.transaction() as session:
        user, used = await by_link(session, token, Purpose.EMAIL_RETURN)
        users = UserDAO(session)
        lost, email = user.email, used.target or user.email
        if lost != email:
            if not await users.move(user.id, email, now()):
                raise link_invalid()
            user.password_hash = void
            await users.flush()
        await codes.withdraw(session, user.id)
        await sessions.revoke_all(session, user.id, Ending.ADDRESS_RESTORED)
        if lost != email:
            await outbox.write(
                session,
                "email_returned",
                to=email,
                locale=user.locale,
                user_id=user.id,
                name=user.name,
                email=email,
            )
        await record_about(
            session,
            user,
            Action.USER_EMAIL_RETURNED,
            before={"email": lost},
            after={"email": email},
            actor=as_user(user.id),
        )
    asker.identity.forget(str(user.id))
    return email


async def taken(session: AsyncSession, email: str, *, but_for: User | None = None) -> bool:
    """Whether it is an account's address, or was until lately and may be taken back."""
    own = but_for.id if but_for is not None else None
    owner = await UserDAO(session).by_email(email)
    if owner is not None and owner.id != own:
        return True
    holder = await codes.held_for(session, Purpose.EMAIL_RETURN, email)
    return holder is not None and holder != own


async def _write_to_new(session: AsyncSession, user: User, email: str, token: str) -> None:
    owner = await UserDAO(session).by_email(email)
    if owner is not None:
        await write_to(session, owner, "email_in_use")
        return
    await outbox.write(
        session,
        "email_change",
        to=email,
        locale=user.locale,
        user_id=user.id,
        email=email,
        url=link(CONFIRM_PAGE, token),
        hours=hours(Purpose.EMAIL_CHANGE),
    )


async def _write_to_former(session: AsyncSession, letter: str, user: User, former: str, new: str) -> None:
    issued = await codes.issue(session, Purpose.EMAIL_RETURN, user.id, target=former)
    await outbox.write(
        session,
        letter,
        to=former,
        locale=user.locale,
        user_id=user.id,
        name=user.name,
        email=new,
        url=link(RETURN_PAGE, issued.token),
        days=days(Purpose.EMAIL_RETURN),
    )
