"""To a newer version of its template: other images, the same volumes, secrets and parameters.

Services that the new version adds are made as an order makes them. Those that it drops are nobody's to delete
but their owner's, for they hold data: they run on, told apart, and can be deleted by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.billing.metering import events as usage
from backend.billing.metering.models import UNITS
from backend.billing.prices import purchase
from backend.config import Settings
from backend.engines.base import Engine
from backend.engines.scale import WEB
from backend.exceptions import Conflict, invalid_field
from backend.jobs.models import Job
from backend.processes.dao import ProcessDAO
from backend.services import lifecycle
from backend.services.environment import check_variables
from backend.services.models import Service
from backend.services.names import check_name
from backend.services.trail import record_about
from backend.stacks import images, making, ordering, parameters, quoting, rendering, waiting
from backend.stacks.blueprint import Blueprint, TemplateService
from backend.stacks.dao import StackDAO, StackServiceDAO
from backend.stacks.library import library
from backend.stacks.models import Stack
from backend.stacks.rendering import Rendered
from backend.stacks.schemas import UpgradeIn

Processes = dict[str, tuple[int, str | None]]


@dataclass(frozen=True, slots=True)
class Change:
    """What one service of the stack becomes."""

    row: Row[Any]
    old: Rendered
    new: Rendered
    present: Processes
    wanted: Processes

    @property
    def service(self) -> Service:
        return self.row.Service

    @property
    def more(self) -> int:
        return _units(self.wanted) - _units(self.present)


async def upgrade(
    session: AsyncSession,
    settings: Settings,
    engine: Engine,
    stack: Stack,
    user_id: UUID,
    wanted: UpgradeIn,
) -> list[Job]:
    """Raises `Invalid` and `Conflict` as an order does; then nothing is changed."""
    before = library().get(stack.template_id, stack.version)
    after = library().get(stack.template_id, wanted.version)
    if before is None or after is None or after.version <= before.version:
        raise invalid_field(["body", "version"], "There is no such newer version.", "version_unknown")
    if missing := sorted(after.abilities - engine.abilities):
        message = f"This installation lacks what the template needs: {', '.join(missing)}."
        raise Conflict(message, code="not_supported_here", parameters={"missing": ", ".join(missing)})
    old = rendering.render(settings, before, stack.name, _values(stack, before))
    given = {**rendering.given_before(stack, after), **wanted.parameters}
    values = rendering.values_of(stack, after, parameters.check(after, given))
    new = rendering.render(settings, after, stack.name, values)
    from_version, stack.version = stack.version, after.version
    rendering.keep(stack, after, values)
    rows = await StackServiceDAO(session).standings(stack.id)
    for row in rows:
        if row.part not in new:
            await _let_go(session, row)
    changes = [await _change(session, row, old[row.part], new[row.part]) for row in rows if row.part in new]
    added = {part: new[part] for part in new if part not in old}
    plans = await quoting.chosen_plans(session, after, {}, added)
    if added:
        await making.check_room(session, settings, stack.project_id, len(added))
    bill = await quoting.bill(session, stack.project_id, user_id, added, plans)
    more = await _missing_funds(session, changes)
    await making.check_funds(session, settings, stack.project_id, bill.currency, bill.needed + more)
    for part, one in added.items():
        check_name(one.name)
        check_variables(one.environment)
        await making.make(session, settings, engine, stack, user_id, part, one, plans[part])
    parts = set(added)
    for change in changes:
        member = await StackServiceDAO(session).get(change.service.id)
        assert member is not None
        member.needs = list(change.new.said.needs)
        if await _carry(session, settings, change) or waiting.behind(change.row):
            parts.add(member.part)
    await StackDAO(session).flush()
    await ordering.record(
        session,
        stack,
        Action.STACK_UPGRADED,
        before={"version": from_version},
        after={"version": stack.version, "parts": sorted(parts), **_coming_and_going(rows, added, new)},
    )
    jobs = []
    for service, deployment, job in await waiting.deploy(session, stack.id, parts, user_id, "upgrade"):
        if service.name in {one.name for one in added.values()}:
            await making.record_order(session, stack, user_id, service, deployment, job)
        jobs.append(job)
    return jobs


def _coming_and_going(
    rows: Sequence[Row[Any]], added: Mapping[str, Rendered], new: Mapping[str, Rendered]
) -> dict[str, list[str]]:
    dropped = sorted(row.Service.name for row in rows if row.part not in new)
    found = {"added": sorted(one.name for one in added.values()), "dropped": dropped}
    return {name: names for name, names in found.items() if names}


async def _let_go(session: AsyncSession, row: Row[Any]) -> None:
    """It needs nobody any more, and nobody needs it."""
    member = await StackServiceDAO(session).get(row.Service.id)
    assert member is not None
    member.needs = []
    if waiting.is_waiting(row):
        await waiting.call_off(session, row.Service, waiting.DROPPED)


async def _change(session: AsyncSession, row: Row[Any], old: Rendered, new: Rendered) -> Change:
    present = {one.name: (one.replicas, one.command) for one in await ProcessDAO(session).of(row.Service.id)}
    return Change(row, old, new, present, _processes(present, old.processes, new.processes))


def _processes(present: Processes, old: Processes, new: Processes) -> Processes:
    """Commands and counts that its owner set otherwise stay."""
    wanted = dict(present)
    for name, (replicas, command) in new.items():
        was = old.get(name)
        if name not in present:
            wanted[name] = (replicas, command)
        elif was is not None:
            mine = present[name]
            wanted[name] = (
                replicas if mine[0] == was[0] else mine[0],
                command if mine[1] == was[1] else mine[1],
            )
    for name in old.keys() - new.keys():
        if name in present and present[name][1] == old[name][1]:
            del wanted[name]
    return wanted


def _units(processes: Processes) -> int:
    return sum(replicas for replicas, _ in ({WEB: (1, None)} | processes).values())


async def _missing_funds(session: AsyncSession, changes: Sequence[Change]) -> int:
    return sum(
        [
            (await purchase.addition(session, one.service, UNITS, one.more))[1]
            for one in changes
            if one.more > 0
        ]
    )


def _values(stack: Stack, blueprint: Blueprint) -> dict[str, str]:
    """Those that it was rendered with last."""
    known = {f"parameter.{name}": value for name, value in stack.parameters.items()}
    empty = {f"parameter.{name}": "" for name in blueprint.parameters}
    return {**empty, **known, **rendering.opened(stack)}


async def _carry(session: AsyncSession, settings: Settings, change: Change) -> bool:
    """Take over what the new version says otherwise, but for what its owner set otherwise. Whether anything
    of a release changed.
    """
    service = change.service
    changed = _carry_source(settings, service, change.old.said, change.new.said)
    before, after = _settings(change.old.said), _settings(change.new.said)
    for name, was in before.items():
        if was != after[name] and getattr(service, name) == was:
            setattr(service, name, after[name])
            changed = True
    changed = await _carry_variables(session, change) or changed
    if change.wanted != change.present:
        await _scale(session, change)
        changed = True
    if changed:
        await record_about(session, service, Action.SERVICE_UPDATED, after={"image": service.image})
    return changed


def _settings(said: TemplateService) -> dict[str, str | int | None]:
    return {"port": said.port, **making.settings_of(said)}


def _carry_source(settings: Settings, service: Service, old: TemplateService, new: TemplateService) -> bool:
    if new.image is None or old.image == new.image or not images.is_that(service.image, old.image):
        return False
    service.image = images.taken_from(settings, new.image)
    return True


async def _carry_variables(session: AsyncSession, change: Change) -> bool:
    old, new = change.old.environment, change.new.environment
    held = await lifecycle.variables_of(session, change.service.id)
    after = {**held}
    for name in old.keys() | new.keys():
        if name in held and held[name] != old.get(name):
            continue
        if name in new:
            after[name] = new[name]
        else:
            after.pop(name, None)
    if after == held:
        return False
    check_variables(after)
    await lifecycle.replace_variables(session, change.service, dict(after))
    return True


async def _scale(session: AsyncSession, change: Change) -> None:
    if change.more > 0:
        await purchase.add(session, change.service, UNITS, change.more)
    await ProcessDAO(session).replace(change.service.id, change.wanted)
    await usage.follow(session, change.service)
    if change.more < 0:
        await purchase.settle(session, change.service)
