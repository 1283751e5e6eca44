"""Moving one project on: judged, written down, told and carried out in one transaction.

Locks are taken in one order: the project's services, what they hold, its money, its stage. Whoever pays
takes the first two before money moves (`resume.before_payment`), so a top-up and a suspension never wait for
each other in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.trail import record
from backend.billing.dunning import facts as facts_of
from backend.billing.dunning import letters, rules
from backend.billing.dunning.dao import PaidServiceDAO, StateDAO
from backend.billing.dunning.judging import DAY, Facts, Position, judged
from backend.billing.dunning.models import DunningState, Stage
from backend.config import Settings
from backend.projects.models import Project
from backend.services import lifecycle, suspension
from backend.services.models import Service

STANDING_STILL = (Stage.SUSPENDED, Stage.TERMINATED)


async def is_due(session: AsyncSession, project_id: UUID, at: datetime) -> bool:
    """A look without locks: whether there is anything to do about the project now."""
    row = await StateDAO(session).get(project_id)
    present = _position(row) if row is not None else Position(Stage.OK, at)
    found = await facts_of.read(session, project_id, at)
    wanted = judged(present, found, await rules.of_project(session, project_id, at), at)
    return wanted != present or await _out_of_step(session, project_id, wanted.stage)


async def advance(session: AsyncSession, settings: Settings, project_id: UUID, at: datetime) -> Stage | None:
    """Where the project came to; None if it stays where it was."""
    services = await PaidServiceDAO(session).locked_of(project_id)
    found = await facts_of.hold(session, project_id, at)
    row = await StateDAO(session).locked(project_id, at)
    before = _position(row)
    after = judged(before, found, await rules.of_project(session, project_id, at), at)
    if after != before:
        await _write(session, row, before, after)
        # Before anything is deleted: the letter names it.
        names = letters.due_for(before, after)
        if names:
            await letters.write(session, settings, project_id, names, _until(after, found, at))
    await _carry_out(session, after.stage, services, at)
    return after.stage if after.stage is not before.stage else None


def _until(position: Position, found: Facts, at: datetime) -> datetime | None:
    """When the next step comes: by itself, or because the money runs out."""
    if position.stage is Stage.WARNED and found.days_left is not None:
        return at + found.days_left * DAY
    return position.next_at


async def _carry_out(session: AsyncSession, stage: Stage, services: Sequence[Service], at: datetime) -> None:
    for service in services:
        if stage is Stage.TERMINATED:
            await lifecycle.delete(session, service, None, at=at)
        elif stage is Stage.SUSPENDED:
            await suspension.suspend(session, service, at)
        else:
            await suspension.resume(session, service, at)


async def _out_of_step(session: AsyncSession, project_id: UUID, stage: Stage) -> bool:
    """Whether a service is otherwise than the stage says: one that was priced meanwhile, or made free."""
    return await PaidServiceDAO(session).differing(project_id, suspended=stage in STANDING_STILL)


async def _write(session: AsyncSession, row: DunningState, before: Position, after: Position) -> None:
    row.stage, row.since = after.stage, after.since
    row.warned_days, row.next_at = after.warned_days, after.next_at
    row.noticed_days, row.noticed_at = after.noticed_days, after.noticed_at
    await StateDAO(session).flush()
    if after.stage is before.stage:
        return
    project = await session.get(Project, row.project_id)
    assert project is not None
    await record(
        session,
        Action.DUNNING_STAGE_CHANGED,
        object_type="project",
        object_id=project.id,
        object_name=project.name,
        project_id=project.id,
        before={"stage": before.stage},
        after={"stage": after.stage},
    )


def _position(row: DunningState) -> Position:
    return Position(
        Stage(row.stage), row.since, row.warned_days, row.noticed_days, row.noticed_at, row.next_at
    )
