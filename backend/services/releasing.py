"""The release command: once for each deployment, after its build and before anything of it runs.

That it began and that it succeeded is written on the deployment, and the engine knows the task by the
deployment's id; so a worker that takes the deployment up again goes on watching, or goes on without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.database import now
from backend.engines.base import Engine, EngineError, ReleaseSpec, TaskSpec
from backend.engines.errors import Reason
from backend.engines.scale import RELEASE
from backend.jobs.runner import Claimed
from backend.services.dao import DeploymentDAO
from backend.services.deploylog import AGAIN, DeployLog
from backend.services.log_dao import LogLines
from backend.services.models import Deployment


def chosen(deployment: Deployment, processes: Mapping[str, str]) -> str | None:
    """The service's own command comes before the one that its Procfile names."""
    return deployment.release_command or processes.get(RELEASE)


async def run(
    job: Claimed, engine: Engine, release: ReleaseSpec, log: DeployLog, *, deployment_id: UUID, timeout: float
) -> None:
    """Raises `release_command_failed`; does nothing where there is none, or it has succeeded before."""
    command, seen = await _begin(job, log, deployment_id)
    if command is None:
        return
    spec = TaskSpec(
        task_id=str(deployment_id), release=release, command=command, timeout=timeout, seen_lines=seen
    )
    result = await engine.run_task(spec, log.write)
    if result.reason is not None:
        raise failed(result.reason)
    await log.flush()
    async with job.transaction() as session:
        row = await _locked(session, deployment_id)
        row.released_at = now()
    await engine.stop_task(spec.task_id)


def failed(reason: Reason) -> EngineError:
    message = f"The release command did not succeed. {reason.message}"
    return EngineError("release_command_failed", message, detail=reason.code).about(reason.parameters)


async def _begin(job: Claimed, log: DeployLog, deployment_id: UUID) -> tuple[str | None, int]:
    """The command, and how many lines of its output the log has already."""
    async with job.transaction() as session:
        row = await _locked(session, deployment_id)
        command = row.release_command
        if command is None or row.released_at is not None:
            return None, 0
        if row.release_began_seq is not None:
            return command, await LogLines(session).count_after(deployment_id, row.release_began_seq, AGAIN)
        await log.write(f"Running the release command: {command}")
        await log.flush(session)
        row.release_began_at = now()
        row.release_began_seq = await LogLines(session).last_seq(deployment_id)
    return command, 0


async def _locked(session: AsyncSession, deployment_id: UUID) -> Deployment:
    row = await DeploymentDAO(session).get_locked(deployment_id)
    assert row is not None
    return row
