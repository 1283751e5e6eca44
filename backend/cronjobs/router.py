"""Cron jobs of a service, their runs, and what those printed."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.cronjobs import editing, reading
from backend.cronjobs import schemas as s
from backend.cronjobs.views import CRON_JOBS, CRON_RUNS, cron_run_of, shape_cron_run
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.dao.read import shaped
from backend.hooks.configuration import readable
from backend.jobs.idempotency import Answer, OnceDep
from backend.openapi import problems
from backend.roles.permissions import DEPLOYMENTS_WRITE
from backend.services import lifecycle
from backend.services.access import Deployer, DeploymentReader
from backend.utils.http import Cursor, Size, json_answer, json_bytes

router = APIRouter(prefix="/api/v1", tags=["services"])

Newest = Literal["created_at", "-created_at"]


@router.get(
    "/services/{service_id}/cron-jobs",
    operation_id="cron_jobs_list",
    summary="Cron jobs of a service",
    response_model=Page[s.CronJobView],
    responses=problems(400, 401, 403, 404, 422),
)
async def cron_jobs_list(
    service_id: UUID,
    parts: PartsDep,
    principal: DeploymentReader,
    sort: Newest = "created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """With their next time and their last run."""
    async with parts.database.transaction() as session:
        await readable(session, principal, service_id)
    pool = await parts.database.reader()
    filters = {"service_id": str(service_id)}
    return json_bytes(await CRON_JOBS.page(pool, ListQuery(sort, size, cursor, filters)))


@router.post(
    "/services/{service_id}/cron-jobs",
    operation_id="cron_jobs_create",
    summary="Add a cron job",
    status_code=201,
    response_model=s.CronJobView,
    responses=problems(401, 403, 404, 409, 422),
)
async def cron_jobs_create(
    service_id: UUID, wanted: s.CronJobIn, session: SessionDep, parts: PartsDep, principal: Deployer
) -> Response:
    """It runs while the service does, in the release that is live then."""
    service = await lifecycle.locked(session, service_id, principal, DEPLOYMENTS_WRITE)
    cron_job = await editing.create(session, parts.settings, service, wanted)
    return json_answer(await reading.present(session, cron_job.id), 201)


@router.get(
    "/cron-schedules",
    operation_id="cron_schedules_preview",
    summary="Next times of a schedule",
    response_model=s.CronTimes,
    responses=problems(401, 403, 422),
)
async def cron_schedules_preview(
    parts: PartsDep,
    principal: DeploymentReader,
    schedule: Annotated[s.Expression, Query()],
    time_zone: Annotated[s.ZoneName, Query()] = "UTC",
) -> Response:
    """As a cron job would have them; refused as it would be."""
    return json_answer({"times": editing.times(parts.settings, schedule, time_zone)})


@router.get(
    "/cron-jobs/{cron_job_id}",
    operation_id="cron_jobs_get",
    summary="A cron job",
    response_model=s.CronJobView,
    responses=problems(401, 403, 404, 422),
)
async def cron_jobs_get(cron_job_id: UUID, session: SessionDep, principal: DeploymentReader) -> Response:
    """Its schedule, command and last run."""
    await reading.check_readable(session, principal, cron_job_id)
    return json_answer(await reading.present(session, cron_job_id))


@router.patch(
    "/cron-jobs/{cron_job_id}",
    operation_id="cron_jobs_update",
    summary="Change a cron job",
    response_model=s.CronJobView,
    responses=problems(401, 403, 404, 409, 422),
)
async def cron_jobs_update(
    cron_job_id: UUID, change: s.CronJobPatch, session: SessionDep, parts: PartsDep, principal: Deployer
) -> Response:
    """Runs that are open already go on as they were asked for."""
    cron_job, _ = await editing.locked(session, principal, cron_job_id)
    await editing.change(session, parts.settings, cron_job, change)
    return json_answer(await reading.present(session, cron_job_id))


@router.delete(
    "/cron-jobs/{cron_job_id}",
    operation_id="cron_jobs_delete",
    summary="Delete a cron job",
    status_code=204,
    responses=problems(401, 403, 404, 409, 422),
)
async def cron_jobs_delete(cron_job_id: UUID, session: SessionDep, principal: Deployer) -> None:
    """With its history; not while a run of it is open."""
    cron_job, _ = await editing.locked(session, principal, cron_job_id)
    await editing.delete(session, cron_job)


@router.get(
    "/cron-jobs/{cron_job_id}/runs",
    operation_id="cron_runs_list",
    summary="Runs of a cron job",
    response_model=Page[s.CronRunView],
    responses=problems(400, 401, 403, 404, 422),
)
async def cron_runs_list(
    cron_job_id: UUID,
    parts: PartsDep,
    principal: DeploymentReader,
    sort: Newest = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Those of late, newest first; older ones are deleted with what they printed."""
    async with parts.database.transaction() as session:
        await reading.check_readable(session, principal, cron_job_id)
    pool = await parts.database.reader()
    filters = {"cron_job_id": str(cron_job_id)}
    return json_bytes(await CRON_RUNS.page(pool, ListQuery(sort, size, cursor, filters)))


@router.post(
    "/cron-jobs/{cron_job_id}/runs",
    operation_id="cron_runs_create",
    summary="Run a cron job now",
    status_code=201,
    response_model=s.CronRunView,
    responses=problems(401, 403, 404, 409, 422),
)
async def cron_runs_create(
    cron_job_id: UUID, session: SessionDep, parts: PartsDep, principal: Deployer, once: OnceDep
) -> Response:
    """Whether it is enabled or not. It waits for its turn like any other run of the project."""

    async def work() -> Answer:
        cron_job, service = await editing.locked(session, principal, cron_job_id)
        run_id = await editing.run_now(session, parts.settings, cron_job, service, principal.user_id)
        run = await shaped(session, cron_run_of(run_id), shape_cron_run)
        assert run is not None
        return Answer(run, f"/api/v1/cron-runs/{run_id}", 201)

    return await once(session, principal.user_id, work)


@router.get(
    "/cron-runs/{run_id}",
    operation_id="cron_runs_get",
    summary="A run of a cron job",
    response_model=s.CronRunView,
    responses=problems(401, 403, 404, 422),
)
async def cron_runs_get(run_id: UUID, session: SessionDep, principal: DeploymentReader) -> Response:
    """How it went, or goes."""
    await reading.state_of_run(session, principal, run_id)
    return json_answer(await shaped(session, cron_run_of(run_id), shape_cron_run))


@router.post(
    "/cron-runs/{run_id}/cancel",
    operation_id="cron_runs_cancel",
    summary="Cancel a run",
    response_model=s.CronRunView,
    responses=problems(401, 403, 404, 409, 422),
)
async def cron_runs_cancel(run_id: UUID, session: SessionDep, principal: Deployer) -> Response:
    """What waits is over at once; what runs is asked to end, and is soon."""
    await editing.cancel_run(session, principal, run_id)
    return json_answer(await shaped(session, cron_run_of(run_id), shape_cron_run))


@router.get(
    "/cron-runs/{run_id}/log",
    operation_id="cron_runs_log",
    summary="What a run printed",
    response_model=s.CronRunLog,
    responses=problems(401, 403, 404, 422),
)
async def cron_runs_log(
    run_id: UUID,
    session: SessionDep,
    principal: DeploymentReader,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="`next` of an earlier answer.")] = 0,
    size: Annotated[int, Query(ge=1, le=1000, description="Lines at most.")] = 500,
) -> Response:
    """Line by line, without the values of variables."""
    state = await reading.state_of_run(session, principal, run_id)
    return json_answer(await reading.log(session, run_id, state, after, size))
