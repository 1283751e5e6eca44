"""A preview: a service of its own, ordered by a pull request and paid like any other."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.billing.prices import offers, purchase
from backend.catalogue.loading import Plans
from backend.config import get_settings
from backend.engines.scale import WEB
from backend.exceptions import Conflict, Invalid
from backend.hooks.pulls import Pull
from backend.jobs.models import Job
from backend.previews.models import PreviewSettings
from backend.processes.dao import ProcessDAO
from backend.processes.wanted import own_commands
from backend.projects.lifecycle import room
from backend.services import lifecycle, ordering
from backend.services.dao import ServiceDAO
from backend.services.models import Deployment, Service
from backend.services.names import MAX
from backend.services.trail import record_about

TRIGGER = "preview"
CARRIED = (
    *("template_id", "repo_url", "root", "build_options", "release_command", "restart_policy"),
    *("health_path", "health_kind", "health_command", "health_timeout_seconds"),
)
"""What a preview takes over as it is. It runs `web` once, whatever the service is scaled to."""
TRIES = 20


async def make(
    session: AsyncSession, service: Service, settings: PreviewSettings, pull: Pull
) -> tuple[Service, Deployment, Job]:
    """Raises `Conflict`: a full project, or funds that do not cover set-up fee and first period."""
    services = ServiceDAO(session)
    await services.lock(room(service.project_id))
    if await services.count_of(service.project_id) >= get_settings().services_per_project:
        raise Conflict("The project holds as many services as it may.", code="project_full")
    plan_id = await _plan(session, service, settings)
    try:
        offer = await offers.for_order(session, service.project_id, None, plan_id, None)
    except Invalid:
        message = "This plan is not sold in your currency."
        raise Conflict(message, code="plan_not_in_currency") from None
    preview = await _added(session, service, plan_id, pull)
    await purchase.place(session, preview, None, offer)
    await _carry_commands(session, service, preview)
    variables = await _variables(session, service, settings, pull)
    await lifecycle.set_variables(session, preview.id, dict(variables))
    deployment, job = await lifecycle.accept_deployment(
        session, preview, None, TRIGGER, commit=pull.whole_commit
    )
    order = await ordering.note(session, preview, deployment, job, offer, None)
    after = {
        "preview_of": service.id,
        "pull_request": pull.number,
        "order_id": order.id,
        "plan_id": plan_id,
        "price_minor": order.price_minor,
        "currency": order.currency,
        "ref": preview.ref,
        "commit": pull.commit,
        "variables": sorted(variables),
    }
    await record_about(session, preview, Action.SERVICE_PREVIEW_MADE, after=after)
    return preview, deployment, job


async def update(session: AsyncSession, preview: Service, pull: Pull) -> tuple[Deployment, Job]:
    """Deploy what was pushed; what waits is superseded. Raises `Conflict` as any deployment does."""
    preview.ref = _ref(pull)
    return await lifecycle.deploy(session, preview, None, TRIGGER, commit=pull.whole_commit)


def name_of(service_name: str, number: int, again: int = 0) -> str:
    """`hello-pr-12`, cut so that it is still a host name."""
    end = f"-pr-{number}" + (f"-{again}" if again else "")
    return service_name[: MAX - len(end)].rstrip("-") + end


async def _added(session: AsyncSession, service: Service, plan_id: str, pull: Pull) -> Service:
    services = ServiceDAO(session)
    for again in (0, *range(2, TRIES)):
        name = name_of(service.name, pull.number, again)
        # One that was closed and reopened may still be on its way out.
        if await services.name_taken(name):
            continue
        preview = Service(
            **{column: getattr(service, column) for column in CARRIED},
            project_id=service.project_id,
            name=name,
            plan_id=plan_id,
            ref=_ref(pull),
            preview_of=service.id,
            preview_number=pull.number,
            apart=pull.fork,
            deployments_count=0,
        )
        try:
            async with session.begin_nested():
                await services.add(preview)
        except IntegrityError:
            continue
        return preview
    raise Conflict("The names for this preview are taken.", code="name_taken")


def _ref(pull: Pull) -> str:
    """A fork's branch is not in the repository, its commit is."""
    return pull.commit if pull.fork else f"refs/heads/{pull.branch}"


async def _carry_commands(session: AsyncSession, service: Service, preview: Service) -> None:
    """What the owner has run in place of the source's; only `web` is run, and once."""
    commands = await own_commands(session, service.id)
    rows = {name: (int(name == WEB), command) for name, command in commands.items()}
    await ProcessDAO(session).replace(preview.id, rows)


async def _plan(session: AsyncSession, service: Service, settings: PreviewSettings) -> str:
    """The chosen one, as long as it is sold."""
    chosen = await Plans(session).get(settings.plan_id) if settings.plan_id else None
    return chosen.id if chosen is not None and chosen.active else service.plan_id


async def _variables(
    session: AsyncSession, service: Service, settings: PreviewSettings, pull: Pull
) -> dict[str, str]:
    held = await lifecycle.variables_of(session, service.id)
    return {name: held[name] for name in given(settings, held, fork=pull.fork)}


def given(settings: PreviewSettings, names: Collection[str], *, fork: bool) -> set[str]:
    """Which of the service's variables a preview has.

    Whoever opens a request from a fork writes code that can print them.
    """
    if settings.variables == "none" or (fork and settings.forks != "with_variables"):
        return set()
    return set(names) - (set(settings.withheld) if settings.variables == "unmarked" else set())


async def remove(session: AsyncSession, preview: Service, user_id: UUID | None = None) -> Job:
    return await lifecycle.delete(session, preview, user_id)
