"""Cron jobs and runs that somebody may see. 404 for what is not theirs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.cronjobs.dao import CronJobDAO, CronRunDAO, RunLines
from backend.cronjobs.models import RunState
from backend.cronjobs.views import cron_job_of, shape_cron_job
from backend.dao.read import shaped
from backend.exceptions import NotFound
from backend.oauth.identity import Principal
from backend.roles.permissions import DEPLOYMENTS_READ


async def check_readable(session: AsyncSession, principal: Principal, cron_job_id: UUID) -> None:
    if await CronJobDAO(session).readable(cron_job_id, principal.project_ids(DEPLOYMENTS_READ)) is None:
        raise NotFound("There is no such cron job.")


async def state_of_run(session: AsyncSession, principal: Principal, run_id: UUID) -> RunState:
    run = await CronRunDAO(session).readable(run_id, principal.project_ids(DEPLOYMENTS_READ))
    if run is None:
        raise NotFound("There is no such run.")
    return RunState(run.state)


async def present(session: AsyncSession, cron_job_id: UUID) -> dict[str, Any] | None:
    return await shaped(session, cron_job_of(cron_job_id), shape_cron_job)


async def log(session: AsyncSession, run_id: UUID, state: RunState, after: int, size: int) -> dict[str, Any]:
    lines = await RunLines(session).after(run_id, after, size)
    following = lines[-1]["seq"] if lines else after
    return {"lines": lines, "next": following, "finished": state.final and len(lines) < size}
