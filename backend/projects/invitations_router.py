"""Invitations to a project, and the link by which one is accepted."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.exceptions import invalid_field
from backend.oauth.caller import client_address
from backend.oauth.identity import identity_of
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.projects import invitations, reading
from backend.projects.access import commanded, reachable
from backend.projects.schemas import (
    InvitationIn,
    InvitationPreview,
    InvitationView,
    ProjectAnswer,
    TokenIn,
)
from backend.roles.permissions import MEMBERS_READ, MEMBERS_WRITE, PROJECTS_READ, PROJECTS_WRITE
from backend.users.emails import normalise
from backend.utils.http import Cursor, Size, json_answer, json_bytes

router = APIRouter(prefix="/api/v1", tags=["projects"])

Reader = Annotated[Principal, Depends(require(MEMBERS_READ))]
Writer = Annotated[Principal, Depends(require(MEMBERS_WRITE))]


@router.get(
    "/projects/{project_id}/invitations",
    operation_id="invitations_list",
    summary="Open invitations to a project",
    response_model=Page[InvitationView],
    responses=problems(400, 401, 403, 404, 422),
)
async def invitations_list(
    project_id: UUID,
    session: SessionDep,
    parts: PartsDep,
    principal: Reader,
    sort: Literal["created_at", "-created_at"] = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Neither accepted nor revoked; an expired one can be sent again."""
    await reachable(session, principal, MEMBERS_READ, project_id)
    reader = await parts.database.reader()
    return json_bytes(await reading.invitations(reader, project_id, sort=sort, size=size, cursor=cursor))


@router.post(
    "/projects/{project_id}/invitations",
    status_code=201,
    operation_id="invitations_create",
    summary="Invite somebody to a project",
    response_model=InvitationView,
    responses=problems(401, 403, 404, 409, 422, 429),
)
async def invitations_create(
    request: Request,
    project_id: UUID,
    body: InvitationIn,
    session: SessionDep,
    parts: PartsDep,
    principal: Writer,
) -> Response:
    """Sends a letter with a link that is good once and for some days.

    The answer is the same whether or not the address has an account.
    """
    email = normalise(body.email, reserved_domains=parts.settings.environment == "development")
    if email is None:
        raise invalid_field(["body", "email"], "This is not an e-mail address.", "invalid_email")
    await identity_of(request.app).limits.check("invitation", account=str(principal.user_id))
    crew = await commanded(session, principal, MEMBERS_WRITE, project_id)
    made = await invitations.invite(session, parts.settings, crew, principal, email, body.role)
    return json_answer(await reading.invitation(session, made), 201)


@router.post(
    "/projects/{project_id}/invitations/{invitation_id}/resend",
    operation_id="invitations_resend",
    summary="Send an invitation again",
    response_model=InvitationView,
    responses=problems(401, 403, 404, 422, 429),
)
async def invitations_resend(
    request: Request,
    project_id: UUID,
    invitation_id: UUID,
    session: SessionDep,
    parts: PartsDep,
    principal: Writer,
) -> Response:
    """With a new link and its full time; the earlier link stops working."""
    await identity_of(request.app).limits.check("invitation", account=str(principal.user_id))
    crew = await commanded(session, principal, MEMBERS_WRITE, project_id)
    await invitations.resend(session, parts.settings, crew, principal, invitation_id)
    return json_answer(await reading.invitation(session, invitation_id))


@router.delete(
    "/projects/{project_id}/invitations/{invitation_id}",
    status_code=204,
    operation_id="invitations_delete",
    summary="Revoke an invitation",
    responses=problems(401, 403, 404, 422),
)
async def invitations_delete(
    project_id: UUID, invitation_id: UUID, session: SessionDep, principal: Writer
) -> None:
    """Its link is void; who has joined by it stays a member."""
    crew = await commanded(session, principal, MEMBERS_WRITE, project_id)
    await invitations.revoke(session, crew, invitation_id)


@router.post(
    "/invitations/preview",
    operation_id="invitations_preview",
    summary="What an invitation offers",
    responses=problems(401, 403, 404, 409, 422, 429),
)
async def invitations_preview(
    request: Request,
    body: TokenIn,
    session: SessionDep,
    parts: PartsDep,
    principal: Annotated[Principal, Depends(require(PROJECTS_READ))],
) -> InvitationPreview:
    """And which account would accept it: the one that asks, whatever address the letter went to."""
    await _count(request, parts.settings.trusted_proxies)
    return await invitations.preview(session, principal, body.token)


@router.post(
    "/invitations/accept",
    operation_id="invitations_accept",
    summary="Accept an invitation",
    responses=problems(401, 403, 404, 409, 422, 429),
)
async def invitations_accept(
    request: Request,
    body: TokenIn,
    session: SessionDep,
    parts: PartsDep,
    principal: Annotated[Principal, Depends(require(PROJECTS_WRITE))],
) -> ProjectAnswer:
    """Makes you a member. The link is the proof, and good once; for you, again is no error."""
    await _count(request, parts.settings.trusted_proxies)
    project_id = await invitations.accept(session, principal, body.token)
    return await reading.get(session, principal, project_id)


async def _count(request: Request, trusted_proxies: tuple[str, ...]) -> None:
    address = client_address(request, trusted_proxies)
    await identity_of(request.app).limits.check("link", address=address)
