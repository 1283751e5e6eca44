"""Accepted work and its progress."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.dao.read import shaped
from backend.exceptions import NotFound
from backend.jobs.cancelling import cancel
from backend.jobs.models import JobState
from backend.jobs.views import JOBS, JobStateName, JobView, job_of, shape_job
from backend.oauth.principal import Principal, StandingDep, require
from backend.openapi import WORK, events, problems
from backend.roles.permissions import ADMIN_JOBS, JOBS_READ, JOBS_WRITE
from backend.utils.http import Cursor, Size, job_location, json_answer, json_bytes
from backend.utils.json import to_json
from backend.utils.streams import changes

router = APIRouter(prefix="/api/v1", tags=["jobs"])
admin = APIRouter(prefix="/api/v1/admin", tags=["admin"])

Reader = Annotated[Principal, Depends(require(JOBS_READ))]
Writer = Annotated[Principal, Depends(require(JOBS_WRITE))]
Administrator = Annotated[Principal, Depends(require(ADMIN_JOBS))]
JobSort = Literal["created_at", "-created_at"]
Kind = Annotated[str | None, Query(max_length=40, pattern=r"^[a-z]+\.[a-z_]+$", examples=["service.deploy"])]


@router.get(
    "/jobs",
    operation_id="jobs_list",
    summary="Jobs",
    response_model=Page[JobView],
    responses=problems(400, 401, 403, 422),
)
async def jobs_list(
    parts: PartsDep,
    principal: Reader,
    state: JobStateName | None = None,
    kind: Kind = None,
    service_id: UUID | None = None,
    project_id: UUID | None = None,
    sort: JobSort = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """What was accepted in your projects, newest first."""
    filters: dict[str, Any] = {
        "project_ids": principal.project_ids(JOBS_READ),
        "project_id": project_id,
        "state": state,
        "kind": kind,
        "service_id": service_id,
    }
    return json_bytes(await JOBS.page(await parts.database.reader(), ListQuery(sort, size, cursor, filters)))


@admin.get(
    "/jobs",
    operation_id="admin_jobs_list",
    summary="Jobs of everyone",
    response_model=Page[JobView],
    responses=problems(400, 401, 403, 422),
)
async def admin_jobs_list(
    parts: PartsDep,
    _: Administrator,
    state: JobStateName | None = None,
    kind: Kind = None,
    service_id: UUID | None = None,
    sort: JobSort = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """What was accepted in all projects, newest first."""
    filters = {"state": state, "kind": kind, "service_id": service_id}
    return json_bytes(await JOBS.page(await parts.database.reader(), ListQuery(sort, size, cursor, filters)))


def readable(principal: Principal, row: dict[str, Any] | None) -> dict[str, Any]:
    """404 for what is not theirs; an administrator of jobs sees all."""
    if row is None or not (principal.may(JOBS_READ, row["project_id"]) or principal.may(ADMIN_JOBS)):
        raise NotFound("There is no such job.")
    return row


@router.get(
    "/jobs/{job_id}",
    operation_id="jobs_get",
    summary="A job",
    response_model=JobView,
    responses=problems(401, 403, 404, 422),
)
async def jobs_get(job_id: UUID, session: SessionDep, principal: Reader) -> Response:
    """How far it is, and how it ended."""
    return json_answer(readable(principal, await shaped(session, job_of(job_id), shape_job)))


@router.post(
    "/jobs/{job_id}/cancel",
    operation_id="jobs_cancel",
    summary="Cancel a job",
    status_code=202,
    response_model=JobView,
    responses=WORK | problems(401, 403, 404, 409, 422),
)
async def jobs_cancel(job_id: UUID, session: SessionDep, principal: Writer) -> Response:
    """One that waits ends at once; one that runs ends as soon as it can, or not if it was done first."""
    await cancel(session, principal, job_id)
    answer = json_answer(await shaped(session, job_of(job_id), shape_job), 202)
    answer.headers["Location"] = job_location(job_id)
    return answer


async def _watched(job_id: UUID, parts: PartsDep, principal: Reader) -> UUID:
    async with parts.database.transaction() as session:
        readable(principal, await shaped(session, job_of(job_id), shape_job))
    return job_id


@router.get(
    "/jobs/{job_id}/events",
    operation_id="jobs_events",
    summary="A job, live",
    response_class=EventSourceResponse,
    responses=problems(401, 403, 404, 422) | events("The job at each change", job=JobView, end=None),
)
async def jobs_events(
    job_id: Annotated[UUID, Depends(_watched)], parts: PartsDep, standing: StandingDep
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `job` with the job at each change, and `end` after the last."""
    last = None
    async for _ in changes(parts.notices, "job", str(job_id)):
        if not await standing.holds():
            return
        async with parts.database.transaction() as session:
            row = await shaped(session, job_of(job_id), shape_job)
        if row is None:
            break
        if row != last:
            yield ServerSentEvent(event="job", raw_data=to_json(row).decode())
            last = row
        if JobState(row["state"]).final:
            break
    yield ServerSentEvent(event="end", data={})
