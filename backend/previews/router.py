"""Previews of pull requests, for the people of a service."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.hooks.configuration import readable
from backend.openapi import problems
from backend.previews import configuration
from backend.previews import schemas as s
from backend.previews.views import PULL_REQUESTS
from backend.roles.permissions import SERVICES_WRITE
from backend.services import lifecycle
from backend.services.access import DeploymentReader, Writer
from backend.utils.http import Cursor, Size, json_answer, json_bytes

router = APIRouter(prefix="/api/v1", tags=["services"])
State = Annotated[Literal["open", "closed"] | None, Query(description="Only these.")]


@router.get(
    "/services/{service_id}/previews/settings",
    operation_id="previews_settings_get",
    summary="Settings of previews",
    response_model=s.PreviewSettingsView,
    responses=problems(401, 403, 404, 422),
)
async def previews_settings_get(
    service_id: UUID, session: SessionDep, principal: DeploymentReader
) -> Response:
    """Whether pull requests get previews, and which."""
    service = await readable(session, principal, service_id)
    return json_answer(await configuration.present(session, service))


@router.patch(
    "/services/{service_id}/previews/settings",
    operation_id="previews_settings_update",
    summary="Change the settings of previews",
    response_model=s.PreviewSettingsView,
    responses=problems(401, 403, 404, 409, 422),
)
async def previews_settings_update(
    service_id: UUID, wanted: s.PreviewSettingsPatch, session: SessionDep, principal: Writer
) -> Response:
    """For what is pushed from now on. Switched off, those that there are stay until their request is closed
    or they expire.
    """
    service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
    await configuration.change(session, service, wanted)
    return json_answer(await configuration.present(session, service))


@router.get(
    "/services/{service_id}/previews",
    operation_id="previews_list",
    summary="Pull requests and their previews",
    response_model=Page[s.PullRequestView],
    responses=problems(400, 401, 403, 404, 422),
)
async def previews_list(
    service_id: UUID,
    parts: PartsDep,
    principal: DeploymentReader,
    state: State = None,
    sort: Literal["pushed_at", "-pushed_at"] = "-pushed_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Of which the service's webhook told, the one last pushed to first."""
    async with parts.database.transaction() as session:
        await readable(session, principal, service_id)
    filters = {"service_id": str(service_id), "state": state}
    pool = await parts.database.reader()
    return json_bytes(await PULL_REQUESTS.page(pool, ListQuery(sort, size, cursor, filters)))
