"""An order of a template: all its services, their funds and first deployments, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.catalogue.loading import Templates
from backend.config import Settings
from backend.engines.base import Engine
from backend.exceptions import Conflict, invalid_field
from backend.jobs.models import Job
from backend.services.environment import check_variables
from backend.services.names import check_name
from backend.stacks import making, parameters, quoting, rendering, waiting
from backend.stacks.blueprint import Blueprint
from backend.stacks.dao import StackDAO
from backend.stacks.library import library
from backend.stacks.models import Stack
from backend.stacks.schemas import StackIn
from backend.users.verification import require_verified
from backend.utils.ids import new_id


@dataclass(frozen=True, slots=True)
class Placed:
    stack: Stack
    jobs: list[Job]


async def template(session: AsyncSession, engine: Engine, template_id: str) -> Blueprint:
    """Raises `Invalid` for one that is not there, and `Conflict` for one that cannot run here."""
    row = await Templates(session).get(template_id)
    blueprint = library().newest(template_id)
    if row is None or not row.active or blueprint is None:
        raise invalid_field(["body", "template_id"], "There is no such template.", "template_unknown")
    if missing := sorted(blueprint.abilities - engine.abilities):
        message = f"This installation lacks what the template needs: {', '.join(missing)}."
        raise Conflict(message, code="not_supported_here", parameters={"missing": ", ".join(missing)})
    return blueprint


async def place(
    session: AsyncSession,
    settings: Settings,
    engine: Engine,
    project_id: UUID,
    user_id: UUID,
    wanted: StackIn,
) -> Placed:
    """Raises `Invalid` per field, `Forbidden` while the person's e-mail address has to be verified, and
    `Conflict` for a taken name, a full project, or funds that do not cover all of it.
    """
    await require_verified(session, settings, user_id)
    blueprint = await template(session, engine, wanted.template_id)
    given = parameters.check(blueprint, wanted.parameters)
    stack = Stack(
        id=new_id(),
        project_id=project_id,
        name=wanted.name,
        template_id=blueprint.id,
        version=blueprint.version,
        parameters={},
    )
    values = rendering.values_of(stack, blueprint, given)
    rendering.keep(stack, blueprint, values)
    rendered = rendering.render(settings, blueprint, wanted.name, values)
    for one in rendered.values():
        check_name(one.name)
        check_variables(one.environment)
    plans = await quoting.chosen_plans(session, blueprint, wanted.plans)
    await making.check_room(session, settings, project_id, len(rendered))
    bill = await quoting.bill(session, project_id, user_id, rendered, plans)
    await making.check_funds(session, settings, project_id, bill.currency, bill.needed)
    await StackDAO(session).add(stack)
    made = {
        part: await making.make(session, settings, engine, stack, user_id, part, one, plans[part])
        for part, one in rendered.items()
    }
    jobs = []
    for service, deployment, job in await waiting.deploy(session, stack.id, made, user_id, "order"):
        await making.record_order(session, stack, user_id, service, deployment, job)
        jobs.append(job)
    await record(
        session,
        stack,
        Action.STACK_ORDERED,
        after={
            "template_id": stack.template_id,
            "version": stack.version,
            "services": sorted(one.name for one in rendered.values()),
            "parameters": sorted(wanted.parameters),
        },
    )
    return Placed(stack, jobs)


async def record(
    session: AsyncSession,
    stack: Stack,
    action: Action,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    await trail.record(
        session,
        action,
        object_type="stack",
        object_id=stack.id,
        object_name=stack.name,
        project_id=stack.project_id,
        before=before,
        after=after,
    )
