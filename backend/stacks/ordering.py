"""An order of a template: all its services, their funds and first deployments, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.billing.ledger import standing
from backend.billing.ledger.funds import InsufficientFunds
from backend.billing.prices import offers, purchase
from backend.catalogue.loading import Templates
from backend.catalogue.models import Plan
from backend.config import Settings
from backend.engines.base import Engine
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.jobs.models import Job
from backend.processes.dao import ProcessDAO
from backend.projects.dao import ProjectDAO
from backend.projects.lifecycle import room
from backend.services import lifecycle
from backend.services.dao import OrderDAO, ServiceDAO
from backend.services.environment import check_variables
from backend.services.models import Order, Service
from backend.services.names import check_name
from backend.services.trail import record_about
from backend.sources import choosing
from backend.sources.schemas import AccessibleSourceIn
from backend.stacks import parameters, quoting, rendering, waiting
from backend.stacks.blueprint import Blueprint, TemplateService
from backend.stacks.dao import StackDAO, StackServiceDAO
from backend.stacks.library import library
from backend.stacks.models import Stack, StackService
from backend.stacks.rendering import Rendered
from backend.stacks.schemas import StackIn
from backend.users.verification import require_verified
from backend.utils.ids import new_id
from backend.volumes import keeping
from backend.volumes.schemas import VolumeIn


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
    await _room(session, settings, project_id, len(rendered))
    await _funds(
        session, settings, project_id, await quoting.bill(session, project_id, user_id, rendered, plans)
    )
    await StackDAO(session).add(stack)
    made = {
        part: await _make(session, settings, engine, stack, user_id, part, one, plans[part])
        for part, one in rendered.items()
    }
    jobs = []
    for service, deployment, job in await waiting.deploy(session, stack.id, made, user_id, "order"):
        offer = await offers.for_plan(session, service, service.plan_id, None)
        assert offer is not None
        order = Order(
            project_id=project_id,
            user_id=user_id,
            service_id=service.id,
            deployment_id=deployment.id,
            job_id=job.id,
            template_id=stack.template_id,
            plan_id=service.plan_id,
            price_minor=offer.month_minor,
            currency=offer.listed.currency,
        )
        await OrderDAO(session).add(order)
        after = {"order_id": order.id, "stack_id": stack.id, "plan_id": order.plan_id, "image": service.image}
        await record_about(session, service, Action.SERVICE_ORDERED, after=after)
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


async def _room(session: AsyncSession, settings: Settings, project_id: UUID, more: int) -> None:
    services = ServiceDAO(session)
    await services.lock(room(project_id))
    if not await ProjectDAO(session).kept(project_id):
        raise NotFound("There is no such project.")
    if await services.count_of(project_id) + more > settings.services_per_project:
        raise Conflict("The project holds as many services as it may.", code="project_full")


async def _funds(session: AsyncSession, settings: Settings, project_id: UUID, bill: quoting.Bill) -> None:
    """Said for all services together, before one of them lacks what another took."""
    if settings.billing_enabled and bill.needed:
        present = await standing.locked(session, project_id, bill.currency)
        if present.available < bill.needed:
            raise InsufficientFunds(present, bill.needed)


async def _make(
    session: AsyncSession,
    settings: Settings,
    engine: Engine,
    stack: Stack,
    user_id: UUID,
    part: str,
    one: Rendered,
    plan: Plan,
) -> Service:
    said = one.said
    source = source_of(settings, said)
    if said.example is None:
        choosing.check(settings, source)
    service = Service(
        project_id=stack.project_id,
        name=one.name,
        template_id=stack.template_id,
        plan_id=plan.id,
        **choosing.fields(source),
        **settings_of(said),
        public=said.public,
        deployments_count=0,
    )
    try:
        await ServiceDAO(session).add(service)
    except IntegrityError:
        message = f"The name {one.name} is taken. Please choose another."
        raise Conflict(message, code="name_taken", parameters={"name": one.name}) from None
    needs = list(said.needs)
    await StackServiceDAO(session).add(
        StackService(service_id=service.id, stack_id=stack.id, part=part, needs=needs)
    )
    offer = await offers.for_order(session, stack.project_id, user_id, plan.id, None, lock=True)
    await purchase.place(session, service, user_id, offer)
    if one.processes:
        await ProcessDAO(session).replace(service.id, one.processes)
    for name, volume in said.volumes.items():
        wanted = VolumeIn(name=name, path=volume.path, size_gib=volume.size_gib)
        await keeping.add(session, settings, engine, service, wanted)
    await lifecycle.set_variables(session, service.id, dict(one.environment))
    return service


def source_of(settings: Settings, said: TemplateService) -> AccessibleSourceIn:
    if said.image is not None:
        return AccessibleSourceIn(image=said.image, port=said.port)
    assert said.example is not None
    return AccessibleSourceIn(repo_url=rendering.example_url(settings, said.example), ref="main")


def settings_of(said: TemplateService) -> dict[str, str | int | None]:
    """Of a service, as its template has them; the next release takes them."""
    return {
        "health_path": said.health.path,
        "health_kind": said.health.kind,
        "health_command": said.health.command,
        "health_timeout_seconds": said.health.timeout_seconds,
        "run_as": said.user,
    }
