"""What a customer asks of a stack: try again, upgrade, show a secret, delete."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.config import Settings
from backend.database import now
from backend.engines.base import Engine
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.jobs.models import Job
from backend.oauth.identity import Principal
from backend.processes.dao import ProcessDAO
from backend.projects.access import not_enough
from backend.services import lifecycle
from backend.services.environment import check_variables
from backend.services.models import ENDED_BADLY, Service, ServiceStatus
from backend.services.trail import record_about
from backend.stacks import ordering, parameters, rendering, waiting
from backend.stacks.blueprint import Blueprint, TemplateService
from backend.stacks.dao import StackDAO, StackServiceDAO
from backend.stacks.library import library
from backend.stacks.models import Stack
from backend.stacks.rendering import Rendered
from backend.stacks.schemas import UpgradeIn


async def locked(session: AsyncSession, stack_id: UUID, principal: Principal, permission: str) -> Stack:
    """The stack and its services under lock: 404 for what is not theirs, 403 for too weak a role."""
    stack = await StackDAO(session).readable(stack_id, tuple(principal.projects), lock=True)
    if stack is None:
        raise NotFound("There is no such stack.")
    if not principal.may(permission, stack.project_id):
        raise not_enough()
    if stack.deleted_at is not None:
        raise Conflict("The stack is being deleted.", code="stack_deleting")
    for service in await StackServiceDAO(session).services(stack.id, lock=True):
        if service.status == ServiceStatus.DELETING:
            raise Conflict("A service of the stack is being deleted.", code="service_deleting")
    return stack


def behind(row: Any) -> bool:
    """Whether its newest deployment did not go live, and nothing is on its way."""
    return row.job_id is None and (row.Service.live_deployment_id is None or row.state in ENDED_BADLY)


async def deploy(session: AsyncSession, stack: Stack, user_id: UUID) -> list[Job]:
    """Try again what did not go live. Raises `Conflict` if there is no such thing."""
    rows = await StackServiceDAO(session).standings(stack.id)
    parts = {row.part for row in rows if behind(row)}
    if not parts:
        raise Conflict("All services of the stack are deployed, or on their way.", code="nothing_to_deploy")
    await ordering.record(session, stack, Action.STACK_DEPLOYED, after={"parts": sorted(parts)})
    return [job for _, _, job in await waiting.deploy(session, stack.id, parts, user_id, "manual")]


async def upgrade(
    session: AsyncSession,
    settings: Settings,
    engine: Engine,
    stack: Stack,
    user_id: UUID,
    wanted: UpgradeIn,
) -> list[Job]:
    """To a newer version of its template: other images, the same volumes, secrets and parameters."""
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
    changed = set()
    for row in await StackServiceDAO(session).standings(stack.id):
        member = await StackServiceDAO(session).get(row.Service.id)
        assert member is not None
        member.needs = list(after.services[row.part].needs)
        if await _carry(session, row.Service, old[row.part], new[row.part]) or behind(row):
            changed.add(row.part)
    await StackDAO(session).flush()
    await ordering.record(
        session,
        stack,
        Action.STACK_UPGRADED,
        before={"version": from_version},
        after={"version": stack.version, "parts": sorted(changed)},
    )
    return [job for _, _, job in await waiting.deploy(session, stack.id, changed, user_id, "upgrade")]


async def reveal(session: AsyncSession, stack: Stack, name: str) -> str:
    value = rendering.opened(stack).get(f"secret.{name}")
    if value is None:
        raise NotFound("The stack has no such secret.")
    await ordering.record(session, stack, Action.STACK_SECRET_REVEALED, after={"name": name})
    return value


async def delete(session: AsyncSession, stack: Stack, user_id: UUID, name: str) -> list[Job]:
    """With all services, their volumes and secrets. `name` proves that it is meant."""
    if name != stack.name:
        message = "Type the stack's name to delete it and all its data."
        raise invalid_field(["body", "name"], message, "name_differs")
    services = await StackServiceDAO(session).services(stack.id)
    stack.deleted_at, stack.sealed = now(), None
    await ordering.record(session, stack, Action.STACK_DELETED)
    # What needs others goes first.
    return [await lifecycle.delete(session, service, user_id) for service in reversed(services)]


def _values(stack: Stack, blueprint: Blueprint) -> dict[str, str]:
    """Those that it was rendered with last."""
    known = {f"parameter.{name}": value for name, value in stack.parameters.items()}
    empty = {f"parameter.{name}": "" for name in blueprint.parameters}
    return {**empty, **known, **rendering.opened(stack)}


async def _carry(session: AsyncSession, service: Service, old: Rendered, new: Rendered) -> bool:
    """Take over what the new version says otherwise, but for what its owner set otherwise. Whether anything
    of a release changed.
    """
    changed = False
    for name, was, will in _settings(old.said, new.said):
        if was != will and getattr(service, name) == was:
            setattr(service, name, will)
            changed = True
    held = await lifecycle.variables_of(session, service.id)
    after = {**held}
    for name in old.environment.keys() | new.environment.keys():
        if name in held and held[name] != old.environment.get(name):
            continue
        if name in new.environment:
            after[name] = new.environment[name]
        else:
            after.pop(name, None)
    if after != held:
        check_variables(after)
        await lifecycle.replace_variables(session, service, dict(after))
        changed = True
    if await _carry_commands(session, service, old, new) or changed:
        await record_about(session, service, Action.SERVICE_UPDATED, after={"image": service.image})
        return True
    return False


def _settings(old: TemplateService, new: TemplateService) -> list[tuple[str, object, object]]:
    before = {"image": old.image, "port": old.port, **ordering.settings_of(old)}
    after = {"image": new.image, "port": new.port, **ordering.settings_of(new)}
    return [(name, before[name], after[name]) for name in before]


async def _carry_commands(session: AsyncSession, service: Service, old: Rendered, new: Rendered) -> bool:
    rows = {row.name: (row.replicas, row.command) for row in await ProcessDAO(session).of(service.id)}
    wanted = dict(rows)
    for name, (replicas, command) in new.processes.items():
        was = old.processes.get(name)
        if name not in rows:
            wanted[name] = (replicas, command)
        elif was is not None and rows[name][1] == was[1]:
            wanted[name] = (rows[name][0], command)
    if wanted == rows:
        return False
    await ProcessDAO(session).replace(service.id, wanted)
    return True
