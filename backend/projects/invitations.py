"""Invitations: a link by e-mail makes whoever opens it, signed in, a member of the project.

The link is the proof, not the address it went to: people have several, and register with another.
Whoever accepts is told which account it will be, and the owners see that account among the members.
What an inviter sees does not depend on whether the address has an account.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.trail import record
from backend.config import Settings
from backend.database import now
from backend.exceptions import Conflict, NotFound
from backend.mail import outbox
from backend.oauth.identity import Principal
from backend.oauth.tokens import digest
from backend.projects.access import OWNER, Crew
from backend.projects.dao import InvitationDAO, MemberDAO, ProjectDAO
from backend.projects.membership import add_member
from backend.projects.models import Invitation
from backend.projects.schemas import InvitationPreview
from backend.users.dao import UserDAO
from backend.users.models import User
from backend.utils.ids import new_id

LETTER = "project_invitation"
KEPT = timedelta(days=30)
"""So long it is shown that an invitation expired."""


async def invite(
    session: AsyncSession, settings: Settings, crew: Crew, principal: Principal, email: str, role: str
) -> UUID:
    """`email` is normalised. Raises `Conflict`."""
    project = crew.project
    if role == OWNER:
        crew.may_be_owned()
    if await MemberDAO(session).has_address(project.id, email):
        raise Conflict("This person is a member of the project.", code="already_member")
    invitations = InvitationDAO(session)
    if await invitations.count_open(project.id) >= settings.invitations_per_project:
        raise Conflict("Too many invitations are open. Revoke some first.", code="too_many_invitations")
    await invitations.clear(project.id, email)
    invitation_id, token = new_id(), _new_token()
    written = await invitations.open_as(
        id=invitation_id,
        project_id=project.id,
        email=email,
        role=role,
        token_hash=digest(token),
        invited_by=principal.user_id,
        expires_at=now() + timedelta(days=settings.invitation_days),
    )
    if not written:
        raise Conflict("This address has an open invitation. Send that again.", code="already_invited")
    await _write(session, settings, crew, principal.user_id, email, role, token)
    await _record(session, Action.INVITATION_SENT, project.id, invitation_id, email, role)
    return invitation_id


async def resend(
    session: AsyncSession, settings: Settings, crew: Crew, principal: Principal, invitation_id: UUID
) -> None:
    """With a new link and its full time; the earlier link stops working. Raises `NotFound`."""
    invitation = await _open(session, crew, invitation_id)
    token = _new_token()
    invitation.token_hash = digest(token)
    invitation.invited_by = principal.user_id
    invitation.expires_at = now() + timedelta(days=settings.invitation_days)
    await InvitationDAO(session).flush()
    await _write(session, settings, crew, principal.user_id, invitation.email, invitation.role, token)
    await _record(
        session, Action.INVITATION_RESENT, crew.project.id, invitation.id, invitation.email, invitation.role
    )


async def revoke(session: AsyncSession, crew: Crew, invitation_id: UUID) -> None:
    """Raises `NotFound`."""
    invitation = await _open(session, crew, invitation_id)
    invitation.revoked_at = now()
    await InvitationDAO(session).flush()
    await _record(
        session, Action.INVITATION_REVOKED, crew.project.id, invitation.id, invitation.email, invitation.role
    )


async def preview(session: AsyncSession, principal: Principal, token: str) -> InvitationPreview:
    """What the link offers, and to which account. Raises `NotFound` and `Conflict`."""
    invitation = await _by_token(session, token)
    member = await MemberDAO(session).role_of(invitation.project_id, principal.user_id) is not None
    if not (member and invitation.accepted_by == principal.user_id):
        _check(invitation)
    project = await ProjectDAO(session).get(invitation.project_id)
    users = UserDAO(session)
    inviter = await users.get(invitation.invited_by) if invitation.invited_by is not None else None
    account = await users.get(principal.user_id)
    assert project is not None
    assert account is not None
    return InvitationPreview.model_validate(
        {
            "project_id": project.id,
            "project_name": project.name,
            "role": invitation.role,
            "invited_by": inviter.name if inviter is not None else None,
            "expires_at": invitation.expires_at,
            "account_email": account.email,
            "account_name": account.name,
            "member": member,
        }
    )


async def accept(session: AsyncSession, principal: Principal, token: str) -> UUID:
    """Gives the project's id, to who accepts it again too. Raises `NotFound` and `Conflict`."""
    found = await _by_token(session, token)
    # Under the project's lock, as everything that changes who belongs to it.
    await ProjectDAO(session).get_locked(found.project_id)
    invitation = await _by_token(session, token)
    members = await MemberDAO(session).roles(invitation.project_id)
    member = principal.user_id in members
    if member and invitation.accepted_by == principal.user_id:
        return invitation.project_id
    _check(invitation)
    if member:
        raise Conflict("You are a member of this project.", code="already_member")
    invitation.accepted_at, invitation.accepted_by = now(), principal.user_id
    await InvitationDAO(session).flush()
    await add_member(session, invitation.project_id, principal.user_id, invitation.role)
    await _record(
        session,
        Action.INVITATION_ACCEPTED,
        invitation.project_id,
        invitation.id,
        invitation.email,
        invitation.role,
        account=principal.email,
    )
    return invitation.project_id


async def prune(session: AsyncSession) -> int:
    """Forget a batch of what expired long ago; gives how many."""
    return await InvitationDAO(session).delete_expired(now() - KEPT)


def _new_token() -> str:
    return secrets.token_urlsafe(32)


async def _open(session: AsyncSession, crew: Crew, invitation_id: UUID) -> Invitation:
    invitation = await InvitationDAO(session).of(crew.project.id, invitation_id)
    if invitation is None:
        raise NotFound("There is no such invitation.")
    return invitation


async def _by_token(session: AsyncSession, token: str) -> Invitation:
    invitation = await InvitationDAO(session).by_hash(digest(token))
    if invitation is None:
        raise NotFound("There is no such invitation, or a newer one was sent.", code="invitation_unknown")
    return invitation


def _check(invitation: Invitation) -> None:
    if invitation.accepted_at is not None:
        raise Conflict("This invitation was accepted already.", code="invitation_used")
    if invitation.revoked_at is not None:
        raise Conflict("This invitation was taken back.", code="invitation_revoked")
    if invitation.expires_at <= now():
        raise Conflict("This invitation has expired. Ask for a new one.", code="invitation_expired")


async def _write(
    session: AsyncSession, settings: Settings, crew: Crew, inviter_id: UUID, email: str, role: str, token: str
) -> None:
    users = UserDAO(session)
    inviter = await users.get(inviter_id)
    invitee: User | None = await users.by_email(email)
    assert inviter is not None
    await outbox.write(
        session,
        LETTER,
        to=email,
        locale=(invitee or inviter).locale,
        user_id=invitee.id if invitee is not None else None,
        inviter=inviter.name,
        inviter_email=inviter.email,
        project=crew.project.name,
        role=role,
        url=f"{settings.panel_url}/invitation?token={token}",
        days=settings.invitation_days,
    )


async def _record(
    session: AsyncSession,
    action: Action,
    project_id: UUID,
    invitation_id: UUID,
    email: str,
    role: str,
    account: str | None = None,
) -> None:
    after = {"role": role} if account is None else {"role": role, "account": account}
    await record(
        session,
        action,
        object_type="invitation",
        object_id=invitation_id,
        object_name=email,
        project_id=project_id,
        after=after,
    )
