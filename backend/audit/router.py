"""`/api/v1/audit`: what was done, by whom, from where; as a list and as a file."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response, StreamingResponse

from backend.audit import export
from backend.audit.actions import Action
from backend.audit.schemas import AuditView, ResultName
from backend.audit.views import EVENTS, OWN_EVENTS
from backend.context import PartsDep
from backend.dao.listing import Listing, Page
from backend.dao.listing import Query as ListQuery
from backend.database import now
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.roles.permissions import ADMIN_AUDIT, AUDIT_READ
from backend.utils.dates import OurTime
from backend.utils.http import Cursor, Size, json_bytes

router = APIRouter(prefix="/api/v1", tags=["audit"])
admin = APIRouter(prefix="/api/v1/admin", tags=["admin"])

Reader = Annotated[Principal, Depends(require(AUDIT_READ))]
Administrator = Annotated[Principal, Depends(require(ADMIN_AUDIT))]
AuditSort = Literal["created_at", "-created_at"]


Asked = dict[str, Any]


async def _asked(
    project_id: UUID | None = None,
    user_id: Annotated[UUID | None, Query(description="Whose account was used.")] = None,
    action: Action | None = None,
    result: ResultName | None = None,
    object_type: Annotated[
        str | None, Query(max_length=40, pattern=r"^[a-z_]+$", examples=["service"])
    ] = None,
    object_id: Annotated[str | None, Query(max_length=64, pattern=r"^[^\x00]+$")] = None,
    address: Annotated[str | None, Query(max_length=64, pattern=r"^[0-9a-zA-Z:.]+$")] = None,
    since: Annotated[OurTime | None, Query(description="From this moment on.")] = None,
    until: Annotated[OurTime | None, Query(description="Before this moment.")] = None,
) -> Asked:
    return {
        "project_id": project_id,
        "user_id": user_id,
        "action": action,
        "result": result,
        "object_type": object_type,
        "object_id": object_id,
        "address": address,
        "since": since,
        "until": until,
    }


async def _own(asked: Annotated[Asked, Depends(_asked)], principal: Reader) -> Asked:
    return {**asked, "readable": principal.project_ids(AUDIT_READ), "own": principal.user_id}


async def _everyones(
    asked: Annotated[Asked, Depends(_asked)],
    _: Administrator,
    acting_id: Annotated[UUID | None, Query(description="The supporter who used the account.")] = None,
) -> Asked:
    return {**asked, "acting_id": acting_id}


Own = Annotated[Asked, Depends(_own)]
Everyones = Annotated[Asked, Depends(_everyones)]
CSV: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "All that fits the filters, newest first. Cells that a spreadsheet would take for a "
        "formula begin with an apostrophe.",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}


@router.get(
    "/audit",
    operation_id="audit_list",
    summary="What was done",
    response_model=Page[AuditView],
    responses=problems(400, 401, 403, 422),
)
async def audit_list(
    parts: PartsDep, asked: Own, sort: AuditSort = "-created_at", cursor: Cursor = None, size: Size = 20
) -> Response:
    """In your projects by anyone, and by you anywhere."""
    page = await OWN_EVENTS.page(await parts.database.reader(), ListQuery(sort, size, cursor, asked))
    return json_bytes(page)


@router.get(
    "/audit.csv",
    operation_id="audit_export",
    summary="What was done, as CSV",
    response_class=StreamingResponse,
    responses={**CSV, **problems(401, 403, 422)},
)
async def audit_export(parts: PartsDep, asked: Own) -> Response:
    """The list of `GET /audit` as a file, whole."""
    return await _file(parts, OWN_EVENTS, asked)


@admin.get(
    "/audit",
    operation_id="admin_audit_list",
    summary="What everyone did",
    response_model=Page[AuditView],
    responses=problems(400, 401, 403, 422),
)
async def admin_audit_list(
    parts: PartsDep, asked: Everyones, sort: AuditSort = "-created_at", cursor: Cursor = None, size: Size = 20
) -> Response:
    """All of it, sign-ins that were refused and the system's own work included."""
    page = await EVENTS.page(await parts.database.reader(), ListQuery(sort, size, cursor, asked))
    return json_bytes(page)


@admin.get(
    "/audit.csv",
    operation_id="admin_audit_export",
    summary="What everyone did, as CSV",
    response_class=StreamingResponse,
    responses={**CSV, **problems(401, 403, 422)},
)
async def admin_audit_export(parts: PartsDep, asked: Everyones) -> Response:
    """The list of `GET /admin/audit` as a file, whole."""
    return await _file(parts, EVENTS, asked)


async def _file(parts: PartsDep, listing: Listing, asked: Asked) -> Response:
    name = f"audit-{now():%Y-%m-%d}.csv"
    return StreamingResponse(
        export.lines(await parts.database.reader(), listing, asked),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )
