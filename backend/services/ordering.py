"""An order: service, first deployment and job, in one transaction."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.billing.prices import offers, purchase
from backend.billing.prices.offers import Offer
from backend.catalogue.loading import STACK, Plans, Templates
from backend.catalogue.models import Plan, Template
from backend.config import Settings
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.jobs.models import Job
from backend.projects.dao import ProjectDAO
from backend.projects.lifecycle import room
from backend.services import lifecycle
from backend.services.dao import OrderDAO, ServiceDAO
from backend.services.environment import check_variables
from backend.services.models import Deployment, Order, Service
from backend.services.names import check_name
from backend.services.schemas import OrderIn
from backend.services.sources import SOURCE_COLUMNS
from backend.services.trail import record_about
from backend.sources import choosing
from backend.sources.schemas import AccessibleSourceIn
from backend.users.verification import require_verified


async def place(
    session: AsyncSession, settings: Settings, project_id: UUID, user_id: UUID, wanted: OrderIn
) -> tuple[Order, Service, Deployment, Job]:
    """Raises `Invalid` per field, `Forbidden` while the person's e-mail address has to be verified, and
    `Conflict` for a taken name, a full project, or funds that do not cover set-up fee and first period.
    """
    await require_verified(session, settings, user_id)
    check_name(wanted.name)
    check_variables(wanted.variables)
    template, plan = await _from_catalogue(session, wanted)
    source = _source(template, wanted)
    choosing.check(settings, source)
    services = ServiceDAO(session)
    await services.lock(room(project_id))
    if not await ProjectDAO(session).kept(project_id):
        raise NotFound("There is no such project.")
    if await services.count_of(project_id) >= settings.services_per_project:
        raise Conflict("The project holds as many services as it may.", code="project_full")
    offer = await offers.for_order(session, project_id, user_id, plan.id, wanted.coupon, lock=True)
    service = Service(
        project_id=project_id,
        name=wanted.name,
        template_id=template.id,
        plan_id=plan.id,
        **choosing.fields(source),
        health_kind=wanted.health_kind,
        health_path=wanted.health_path,
        health_command=wanted.health_command or None,
        health_timeout_seconds=wanted.health_timeout_seconds,
        deployments_count=0,
    )
    lifecycle.check_health(service)
    try:
        await services.add(service)
    except IntegrityError:
        raise Conflict("This name is taken. Please choose another.", code="name_taken") from None
    await purchase.place(session, service, user_id, offer)
    access = await choosing.equip(session, settings, service, source)
    await lifecycle.set_variables(session, service.id, dict(wanted.variables))
    deployment, job = await lifecycle.accept_deployment(session, service, user_id, "order")
    order = await note(session, service, deployment, job, offer, user_id)
    after = {**_ordered(order, service, wanted, offer), **access}
    await record_about(session, service, Action.SERVICE_ORDERED, after=after)
    return order, service, deployment, job


async def note(
    session: AsyncSession,
    service: Service,
    deployment: Deployment,
    job: Job,
    offer: Offer,
    user_id: UUID | None,
) -> Order:
    """What was asked for, at the price that held then."""
    order = Order(
        project_id=service.project_id,
        user_id=user_id,
        service_id=service.id,
        deployment_id=deployment.id,
        job_id=job.id,
        template_id=service.template_id,
        plan_id=service.plan_id,
        price_minor=offer.month_minor,
        currency=offer.listed.currency,
    )
    await OrderDAO(session).add(order)
    return order


def _ordered(order: Order, service: Service, wanted: OrderIn, offer: Offer) -> dict[str, Any]:
    return {
        "order_id": order.id,
        "template_id": order.template_id,
        "plan_id": order.plan_id,
        "price_minor": order.price_minor,
        "currency": order.currency,
        **({"coupon": offer.coupon.code} if offer.coupon else {}),
        **{name: getattr(service, name) for name in SOURCE_COLUMNS},
        **{name: value for name in lifecycle.HEALTH if (value := getattr(service, name)) is not None},
        "variables": sorted(wanted.variables),
    }


async def _from_catalogue(session: AsyncSession, wanted: OrderIn) -> tuple[Template, Plan]:
    template = await Templates(session).get(wanted.template_id)
    if template is None or not template.active or template.kind == STACK:
        raise invalid_field(["body", "template_id"], "There is no such template.", "template_unknown")
    plan = await Plans(session).get(wanted.plan_id)
    if plan is None or not plan.active:
        raise invalid_field(["body", "plan_id"], "There is no such plan.", "plan_unknown")
    return template, plan


def _source(template: Template, wanted: OrderIn) -> AccessibleSourceIn:
    if wanted.source is not None:
        return wanted.source
    if template.example is not None:
        return AccessibleSourceIn(repo_url=template.example["repo_url"], ref=template.example["ref"])
    raise invalid_field(["body", "source"], "This template needs a repository.", "source_missing")
