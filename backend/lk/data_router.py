"""`/api/v1/me/export` and `/api/v1/me/deletion`: taking one's data along, and going."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response, StreamingResponse

from backend.audit import trail
from backend.audit.actions import Action
from backend.context import PartsDep, SessionDep
from backend.database import now
from backend.lk import deletion, export
from backend.lk.schemas import Deletion, DeletionAnswer
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.roles.permissions import ME_SECURITY
from backend.users.asker import AskerDep

router = APIRouter(prefix="/api/v1/me", tags=["account"])

ProvedOwner = Annotated[Principal, Depends(require(ME_SECURITY, recent=True))]


@router.get(
    "/export",
    operation_id="me_export",
    summary="Everything that is kept about me",
    response_model=export.Export,
    responses=problems(401, 403),
)
async def me_export(parts: PartsDep, session: SessionDep, principal: ProvedOwner) -> Response:
    """A file to download. Secrets are not in it."""
    await trail.record(
        session,
        Action.USER_EXPORTED,
        object_type="user",
        object_id=principal.user_id,
        object_name=principal.email,
    )
    name = f"gavan-{now():%Y-%m-%d}.json"
    return StreamingResponse(
        export.write(parts.database, principal.user_id),
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


@router.post(
    "/deletion",
    operation_id="me_delete",
    summary="Delete my account",
    responses=problems(401, 403, 409, 422, 429),
)
async def me_delete(
    body: Deletion, parts: PartsDep, asker: AskerDep, principal: ProvedOwner
) -> DeletionAnswer:
    """At once and for good. Refused with a list while a project would be left without an owner."""
    password = body.password.get_secret_value()
    return DeletionAnswer(email=await deletion.delete(parts, asker, principal, password))
