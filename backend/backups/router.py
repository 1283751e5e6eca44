"""Backups of a service's volumes, their schedule, and their way back."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from backend.backups import asking, planning, reading
from backend.backups import schemas as s
from backend.backups.targets import target_of
from backend.backups.views import ADMIN_BACKUPS, BACKUPS
from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.jobs.idempotency import Answer, OnceDep
from backend.oauth.principal import Principal, require
from backend.openapi import WORK, problems
from backend.roles.permissions import ADMIN_SERVICES, SERVICES_READ, SERVICES_WRITE
from backend.services import lifecycle
from backend.services.access import Reader, Writer
from backend.utils.http import Cursor, Size, job_location, json_answer, json_bytes

router = APIRouter(prefix="/api/v1", tags=["services"])
admin = APIRouter(prefix="/api/v1/admin", tags=["admin"])

Administrator = Annotated[Principal, Depends(require(ADMIN_SERVICES))]
Newest = Literal["created_at", "-created_at"]
NamePart = Annotated[
    str | None, Query(max_length=40, pattern=r"^[^\x00]*$", description="Part of the service's name.")
]


@router.get(
    "/backups",
    operation_id="backups_list",
    summary="Backups",
    response_model=Page[s.BackupView],
    responses=problems(400, 401, 403, 422),
)
async def backups_list(
    parts: PartsDep,
    principal: Reader,
    project_id: UUID | None = None,
    service_id: UUID | None = None,
    state: s.BackupStateName | None = None,
    sort: Newest = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """In your projects, newest first; those of deleted services too, until they expire."""
    mine = principal.project_ids(SERVICES_READ)
    filters = {"project_ids": mine, "project_id": project_id, "service_id": service_id, "state": state}
    query = ListQuery(sort, size, cursor, filters)
    return json_bytes(await BACKUPS.page(await parts.database.reader(), query))


@router.post(
    "/services/{service_id}/backups",
    operation_id="backups_create",
    summary="Make a backup",
    status_code=202,
    response_model=s.AcceptedBackup,
    responses=WORK | problems(401, 403, 404, 409, 422),
)
async def backups_create(
    service_id: UUID,
    wanted: s.BackupIn,
    session: SessionDep,
    parts: PartsDep,
    principal: Writer,
    once: OnceDep,
) -> Response:
    """Of one volume, as it is now. When it is stored, another job proves that it can be brought back."""

    async def work() -> Answer:
        service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
        target = target_of(parts.settings)
        backup, job = await asking.make_now(
            session, parts.settings, target, service, wanted.volume_id, principal.user_id
        )
        return Answer({"job_id": job.id, "backup_id": backup.id}, job_location(job.id))

    return await once(session, principal.user_id, work)


@router.delete(
    "/backups/{backup_id}",
    operation_id="backups_delete",
    summary="Remove a backup",
    status_code=204,
    responses=problems(401, 403, 404, 409, 422),
)
async def backups_delete(backup_id: UUID, session: SessionDep, principal: Writer) -> None:
    """What is stored is deleted soon after."""
    await reading.remove(session, principal, backup_id)


@router.get(
    "/services/{service_id}/backup-plan",
    operation_id="backup_plan_get",
    summary="How a service is backed up",
    response_model=s.BackupPlanView,
    responses=problems(401, 403, 404, 422),
)
async def backup_plan_get(
    service_id: UUID, session: SessionDep, parts: PartsDep, principal: Reader
) -> Response:
    """When, how, and what stays."""
    await reading.service(session, principal, service_id)
    return json_answer(await reading.plan(session, parts.settings, service_id))


@router.put(
    "/services/{service_id}/backup-plan",
    operation_id="backup_plan_put",
    summary="Set how a service is backed up",
    response_model=s.BackupPlanView,
    responses=problems(401, 403, 404, 409, 422),
)
async def backup_plan_put(
    service_id: UUID, wanted: s.BackupPlanIn, session: SessionDep, parts: PartsDep, principal: Writer
) -> Response:
    """Counts from the next one on; what is too old then goes."""
    service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
    await planning.put(session, parts.settings, service, wanted)
    return json_answer(await reading.plan(session, parts.settings, service_id))


@router.get(
    "/services/{service_id}/restores",
    operation_id="restores_list",
    summary="Backups brought back into a service",
    response_model=s.Restores,
    responses=problems(401, 403, 404, 422),
)
async def restores_list(service_id: UUID, session: SessionDep, principal: Reader) -> Response:
    """And what became of it."""
    await reading.service(session, principal, service_id)
    return json_answer(await reading.restores(session, service_id))


@router.post(
    "/services/{service_id}/restores",
    operation_id="restores_create",
    summary="Bring a backup back",
    status_code=202,
    response_model=s.AcceptedRestore,
    responses=WORK | problems(401, 403, 404, 409, 422),
)
async def restores_create(
    service_id: UUID, wanted: s.RestoreIn, session: SessionDep, principal: Writer, once: OnceDep
) -> Response:
    """In place of all that is in the volume. The app stops for it; what fails puts back what was there."""

    async def work() -> Answer:
        service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
        backup = await reading.backup(session, principal, wanted.backup_id)
        restore, job = await asking.restore(
            session, service, backup, wanted.volume_id, wanted.name, principal.user_id
        )
        return Answer({"job_id": job.id, "restore_id": restore.id}, job_location(job.id))

    return await once(session, principal.user_id, work)


@admin.get(
    "/backups",
    operation_id="admin_backups_list",
    summary="Backups of everyone",
    response_model=Page[s.AdminBackupView],
    responses=problems(400, 401, 403, 422),
)
async def admin_backups_list(
    parts: PartsDep,
    _: Administrator,
    project_id: UUID | None = None,
    service_id: UUID | None = None,
    state: s.BackupStateName | None = None,
    q: NamePart = None,
    sort: Newest = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Of all projects, with why they failed; those of deleted services too, until they expire."""
    filters = {"project_id": project_id, "service_id": service_id, "state": state, "q": q}
    query = ListQuery(sort, size, cursor, filters)
    return json_bytes(await ADMIN_BACKUPS.page(await parts.database.reader(), query))


@admin.get(
    "/backups/overview",
    operation_id="admin_backups_overview",
    summary="Backups of everyone, in numbers",
    response_model=s.BackupsOverview,
    responses=problems(401, 403),
)
async def admin_backups_overview(parts: PartsDep, _: Administrator) -> Response:
    """Where they go, whether that can be written to now, what lies there, and what opens it."""
    return json_answer(await reading.overview(parts.settings, parts.database))
