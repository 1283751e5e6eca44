"""The rules of the installation, and what an administrator decided for one project."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.trail import record
from backend.audit.values import differences
from backend.billing.dunning.dao import OverrideDAO, PaidServiceDAO, RulesDAO, StateDAO
from backend.billing.dunning.judging import Rules
from backend.billing.dunning.models import DunningOverride, DunningRules
from backend.database import now
from backend.exceptions import NotFound
from backend.projects.models import Project

DEFAULT = Rules()
_FIELDS = ("warn_days", "grace_days", "terminate_days", "notice_days")
_OVERRIDDEN = ("never_suspend", "never_terminate", "grace_days", "terminate_days", "until", "reason")


async def general(session: AsyncSession) -> Rules:
    """Of the installation."""
    row = await RulesDAO(session).get(1)
    if row is None:
        return DEFAULT
    return Rules(tuple(row.warn_days), row.grace_days, row.terminate_days, tuple(row.notice_days))


async def of_project(session: AsyncSession, project_id: UUID, at: datetime) -> Rules:
    """As they hold for the project at that moment."""
    rules = await general(session)
    override = await OverrideDAO(session).get(project_id)
    if override is not None and (override.until is None or override.until > at):
        rules = _overridden(rules, override)
    if rules.terminate_days is None:
        return rules
    # A notice from before the suspension would come with it.
    return replace(rules, notice_days=tuple(day for day in rules.notice_days if day < rules.terminate_days))


def _overridden(rules: Rules, override: DunningOverride) -> Rules:
    changed: dict[str, Any] = {"never_suspend": override.never_suspend}
    if override.grace_days is not None:
        changed["grace_days"] = override.grace_days
    if override.terminate_days is not None:
        changed["terminate_days"] = override.terminate_days
    if override.never_terminate:
        changed["terminate_days"] = None
    return replace(rules, **changed)


async def change(session: AsyncSession, rules: Rules) -> None:
    """They hold from the next look at each project on."""
    before = await general(session)
    values = {
        "warn_days": sorted(set(rules.warn_days), reverse=True),
        "grace_days": rules.grace_days,
        "terminate_days": rules.terminate_days,
        "notice_days": sorted(set(rules.notice_days), reverse=True),
    }
    dao = RulesDAO(session)
    row = await dao.get_locked(1)
    if row is None:
        await dao.add(DunningRules(id=1, **values))
    else:
        for name, value in values.items():
            setattr(row, name, value)
        await dao.flush()
    known = {name: getattr(before, name) for name in _FIELDS}
    known |= {name: list(known[name]) for name in ("warn_days", "notice_days")}
    if changed := differences(known, values):
        await record(
            session,
            Action.DUNNING_RULES_CHANGED,
            object_type="dunning_rules",
            before=changed[0],
            after=changed[1],
        )


async def override(session: AsyncSession, project_id: UUID, values: dict[str, Any], user_id: UUID) -> None:
    """Decide otherwise for one project. Raises `NotFound`."""
    project = await _project(session, project_id)
    # Services come before all else, for whoever moves the project on in the same transaction.
    await PaidServiceDAO(session).locked_of(project_id)
    dao = OverrideDAO(session)
    earlier = await dao.get(project_id)
    before = {name: getattr(earlier, name) for name in _OVERRIDDEN} if earlier is not None else {}
    # So that the project is in the list of all about whom something is known.
    await StateDAO(session).make(project_id, now())
    await dao.put_in_place(project_id, {**values, "set_by": user_id})
    after = {name: values[name] for name in _OVERRIDDEN}
    changed = differences(before, after) if before else ({}, after)
    if changed:
        await _record(session, Action.DUNNING_OVERRIDE_SET, project, *changed)


async def lift(session: AsyncSession, project_id: UUID) -> None:
    """The rules hold again. Raises `NotFound`."""
    project = await _project(session, project_id)
    dao = OverrideDAO(session)
    earlier = await dao.get(project_id)
    if earlier is None:
        raise NotFound("Nothing else was decided for this project.")
    before = {name: getattr(earlier, name) for name in _OVERRIDDEN}
    await dao.delete(project_id)
    await _record(session, Action.DUNNING_OVERRIDE_LIFTED, project, before, {})


async def _project(session: AsyncSession, project_id: UUID) -> Project:
    project = await session.get(Project, project_id)
    if project is None:
        raise NotFound("There is no such project.")
    return project


async def _record(
    session: AsyncSession,
    action: Action,
    project: Project,
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    await record(
        session,
        action,
        object_type="project",
        object_id=project.id,
        object_name=project.name,
        project_id=project.id,
        before=before or None,
        after=after or None,
    )
