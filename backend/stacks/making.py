"""One service of a stack as its template says: made within the transaction of an order or an upgrade."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.billing.ledger import standing
from backend.billing.ledger.funds import InsufficientFunds
from backend.billing.prices import offers, purchase
from backend.catalogue.models import Plan
from backend.config import Settings
from backend.engines.base import Engine
from backend.exceptions import Conflict, NotFound
from backend.jobs.models import Job
from backend.processes.dao import ProcessDAO
from backend.projects.dao import ProjectDAO
from backend.projects.lifecycle import room
from backend.services import lifecycle, ordering
from backend.services.dao import ServiceDAO
from backend.services.models import Deployment, Service
from backend.services.trail import record_about
from backend.sources import choosing
from backend.sources.schemas import AccessibleSourceIn
from backend.stacks import images, rendering
from backend.stacks.blueprint import TemplateService
from backend.stacks.dao import StackServiceDAO
from backend.stacks.models import Stack, StackService
from backend.stacks.rendering import Rendered
from backend.volumes import keeping
from backend.volumes.schemas import VolumeIn


async def check_room(session: AsyncSession, settings: Settings, project_id: UUID, more: int) -> None:
    """Raises `Conflict` for a project that cannot hold so many more services."""
    services = ServiceDAO(session)
    await services.lock(room(project_id))
    if not await ProjectDAO(session).kept(project_id):
        raise NotFound("There is no such project.")
    if await services.count_of(project_id) + more > settings.services_per_project:
        raise Conflict("The project holds as many services as it may.", code="project_full")


async def check_funds(
    session: AsyncSession, settings: Settings, project_id: UUID, currency: str, needed: int
) -> None:
    """Said for all together, before one of them lacks what another took."""
    if settings.billing_enabled and needed:
        present = await standing.locked(session, project_id, currency)
        if present.available < needed:
            raise InsufficientFunds(present, needed)


async def make(
    session: AsyncSession,
    settings: Settings,
    engine: Engine,
    stack: Stack,
    user_id: UUID,
    part: str,
    one: Rendered,
    plan: Plan,
) -> Service:
    """Not yet deployed. Raises `Conflict`: `name_taken`, `insufficient_funds`."""
    said = one.said
    source = _source(settings, said)
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


async def record_order(
    session: AsyncSession, stack: Stack, user_id: UUID, service: Service, deployment: Deployment, job: Job
) -> None:
    offer = await offers.for_plan(session, service, service.plan_id, None)
    assert offer is not None
    order = await ordering.note(session, service, deployment, job, offer, user_id)
    after = {"order_id": order.id, "stack_id": stack.id, "plan_id": order.plan_id, "image": service.image}
    await record_about(session, service, Action.SERVICE_ORDERED, after=after)


def settings_of(said: TemplateService) -> dict[str, str | int | None]:
    """Of a service, as its template has them; the next release takes them."""
    return {
        "health_path": said.health.path,
        "health_kind": said.health.kind,
        "health_command": said.health.command,
        "health_timeout_seconds": said.health.timeout_seconds,
        "run_as": said.user,
    }


def _source(settings: Settings, said: TemplateService) -> AccessibleSourceIn:
    if said.image is not None:
        return AccessibleSourceIn(image=images.taken_from(settings, said.image), port=said.port)
    assert said.example is not None
    return AccessibleSourceIn(repo_url=rendering.example_url(settings, said.example), ref="main")
