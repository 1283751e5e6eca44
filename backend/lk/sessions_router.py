"""`/api/v1/me/sessions`, `…/sign-ins`, `…/proof`: where somebody is or was signed in, and the proof."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.factors.schemas import CeremonyOptions, Proof, Proved
from backend.lk import proof, sessions
from backend.lk.sessions import SessionsEnded, SessionView
from backend.lk.signins import SIGN_INS, SignInResult, SignInView
from backend.oauth.caller import client_address
from backend.oauth.identity import identity_of
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.roles.permissions import ME_SECURITY
from backend.utils.http import Cursor, Size, json_bytes

router = APIRouter(prefix="/api/v1/me", tags=["account"])

Person = Annotated[Principal, Depends(require(ME_SECURITY))]


@router.get(
    "/sessions",
    operation_id="me_sessions_list",
    summary="Where I am signed in",
    response_model=Page[SessionView],
    responses=problems(400, 401, 403, 422),
)
async def me_sessions_list(
    parts: PartsDep,
    principal: Person,
    sort: Literal["last_used_at", "-last_used_at"] = "-last_used_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Sessions of the panel and of scripts; what applications were granted is listed elsewhere."""
    query = ListQuery(sort, size, cursor, {"user_id": principal.user_id})
    return json_bytes(await sessions.page(await parts.database.reader(), query, principal.session_id))


@router.delete(
    "/sessions/{session_id}",
    status_code=204,
    operation_id="me_sessions_end",
    summary="Sign out there",
    responses=problems(401, 403, 404, 422),
)
async def me_sessions_end(session_id: UUID, session: SessionDep, principal: Person) -> None:
    """The tokens of that session are refused from the next request on."""
    await sessions.end(session, principal.user_id, session_id)


@router.post(
    "/sessions/end-others",
    operation_id="me_sessions_end_others",
    summary="Sign out everywhere but here",
    responses=problems(401, 403),
)
async def me_sessions_end_others(session: SessionDep, principal: Person) -> SessionsEnded:
    """Their tokens are refused from the next request on. Answers how many ended."""
    ended = await sessions.end_others(session, principal.user_id, principal.session_id)
    return SessionsEnded(ended=ended)


@router.get(
    "/sign-ins",
    operation_id="me_sign_ins_list",
    summary="My sign-ins, and tries that failed",
    response_model=Page[SignInView],
    responses=problems(400, 401, 403, 422),
)
async def me_sign_ins_list(
    parts: PartsDep,
    principal: Person,
    result: SignInResult | None = None,
    sort: Literal["created_at", "-created_at"] = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """From where, with what, and how it ended, newest first."""
    filters: dict[str, Any] = {"user_id": principal.user_id, "result": result}
    query = ListQuery(sort, size, cursor, filters)
    return json_bytes(await SIGN_INS.page(await parts.database.reader(), query))


@router.post(
    "/proof/options",
    operation_id="me_proof_options",
    summary="What to ask the browser to confirm with a passkey",
    responses=problems(401, 403),
)
async def me_proof_options(session: SessionDep, principal: Person) -> CeremonyOptions:
    """For `navigator.credentials.get()`; its answer goes to `me_proof`."""
    return CeremonyOptions(public_key=await proof.options(session, principal.user_id))


@router.post(
    "/proof",
    operation_id="me_proof",
    summary="Confirm that it is me",
    responses=problems(401, 403, 422, 429),
)
async def me_proof(request: Request, body: Proof, parts: PartsDep, principal: Person) -> Proved:
    """For a while nothing answers `proof_required` to this session."""
    settings = parts.settings
    address = client_address(request, settings.trusted_proxies)
    at = await proof.prove(identity_of(request.app), principal, *body.shown(), address)
    return Proved(proved_at=at, until=at + timedelta(minutes=settings.proof_minutes))
