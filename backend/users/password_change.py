"""A new password: set by whoever knows the present one, or by whoever reads the account's mailbox.

Either way every other session ends, and a letter tells of it.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.actor import as_user
from backend.config import Settings
from backend.context import Parts
from backend.exceptions import Conflict, invalid_field
from backend.oauth import sessions
from backend.oauth.identity import Principal
from backend.oauth.models import Ending
from backend.users import passwords, verification
from backend.users.asker import Asker
from backend.users.dao import UserDAO
from backend.users.letters import write_to
from backend.users.models import User
from backend.users.reading import present
from backend.users.redeeming import by_link
from backend.users.squatting import clear_out
from backend.users.strength import weakness
from backend.users.trail import record_about
from backend.verificationcodes import codes
from backend.verificationcodes.purposes import Purpose
from backend.verificationcodes.wording import link, link_invalid, minutes

RESET_PAGE = "reset"


async def check(settings: Settings, password: str, email: str, name: str | None) -> None:
    """Raises `Invalid` for a password that would be guessed."""
    own_list = settings.breached_passwords_file
    if weak := await weakness(password, email=email, name=name, own_list=own_list):
        raise invalid_field(["body", "password"], weak, "weak_password")


async def check_current(asker: Asker, user: User, password: str, field: str) -> None:
    """Whether whoever asks knows the account's password. Raises `Invalid` and `TooManyRequests`."""
    await asker.limits.check("proof", account=str(user.id), address=asker.address)
    valid, _ = await passwords.verify(password, user.password_hash)
    if not valid:
        raise invalid_field(["body", field], "This is not the account's password.", "wrong_password")
    await asker.limits.succeeded("proof", account=str(user.id), address=asker.address)


async def change(parts: Parts, asker: Asker, principal: Principal, current: str, new: str) -> None:
    """Ends all other sessions. Raises `Invalid`, `TooManyRequests`, `Conflict`."""
    async with parts.transaction() as session:
        known = await present(session, principal.user_id)
    await check_current(asker, known, current, "current_password")
    if new == current:
        raise invalid_field(["body", "password"], "This is the password that you have.", "password_same")
    await check(parts.settings, new, known.email, known.name)
    hashed = await passwords.hash_password(new)
    async with parts.transaction() as session:
        user = await present(session, principal.user_id, lock=True)
        if user.password_hash != known.password_hash:
            raise Conflict("The password was changed meanwhile.", code="password_changed")
        await _set(
            session, user, hashed, Action.USER_PASSWORD_CHANGED, Ending.PASSWORD_CHANGED, principal.session_id
        )
    # The announcement takes a moment; the other sessions are refused from now on.
    asker.identity.forget(str(user.id))


async def ask_reset(parts: Parts, asker: Asker, email: str) -> None:
    """A letter with a link to whoever has this address; the same answer and the same time for nobody.

    `email` is normalised. Raises `TooManyRequests`.
    """
    await asker.limits.check("message", address=asker.address)
    async with asker.identity.pace.evenly("password reset"):
        fits = await asker.limits.allows("message", account=email)
        async with parts.transaction() as session:
            user = await UserDAO(session).by_email(email)
            if user is not None and user.is_active and fits:
                await _write_reset(session, user)


async def reset(parts: Parts, asker: Asker, token: str, new: str) -> str:
    """Use the link: ends all sessions, and the address has proved itself. Gives it.

    Raises `BadRequest`, and `Invalid` for a weak password, which does not use up the link.
    """
    await asker.limits.check("link", address=asker.address)
    async with parts.transaction() as session:
        found = await codes.look(session, token, Purpose.PASSWORD_RESET)
        known = await UserDAO(session).get(found.subject) if found is not None else None
    if known is None:
        raise link_invalid()
    await check(parts.settings, new, known.email, known.name)
    hashed = await passwords.hash_password(new)
    async with parts.transaction() as session:
        user, used = await by_link(session, token, Purpose.PASSWORD_RESET)
        if used.target != user.email or not user.is_active:
            raise link_invalid()
        await _set(session, user, hashed, Action.USER_PASSWORD_RESET, Ending.PASSWORD_RESET, None)
        if user.email_verified_at is None:
            await clear_out(session, user)
        await verification.mark(session, user)
    asker.identity.forget(str(user.id))
    await asker.limits.succeeded("sign_in", account=user.email, address=asker.address)
    return user.email


async def _write_reset(session: AsyncSession, user: User) -> None:
    issued = await codes.issue(session, Purpose.PASSWORD_RESET, user.id, target=user.email)
    await write_to(
        session,
        user,
        "password_reset",
        url=link(RESET_PAGE, issued.token),
        minutes=minutes(Purpose.PASSWORD_RESET),
    )
    # Nobody proved yet to be the user: the event is about them, not by them.
    await record_about(session, user, Action.USER_PASSWORD_RESET_ASKED)


async def _set(
    session: AsyncSession, user: User, hashed: str, action: Action, reason: Ending, keep: UUID | None
) -> None:
    user.password_hash = hashed
    await UserDAO(session).flush()
    await codes.withdraw(session, user.id, Purpose.PASSWORD_RESET)
    ended = await sessions.revoke_all(session, user.id, reason, keep=keep)
    await write_to(session, user, "password_changed")
    await record_about(
        session,
        user,
        action,
        after={"sessions_ended": ended},
        actor=as_user(user.id),
    )
