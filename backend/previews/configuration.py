"""Whether pull requests of a service get previews, and which."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.values import differences
from backend.catalogue.loading import Plans
from backend.exceptions import Conflict, invalid_field
from backend.hooks.dao import PushHookDAO
from backend.previews.dao import PreviewSettingsDAO, PullRequestDAO
from backend.previews.models import DAYS, MOST, PreviewSettings
from backend.previews.schemas import PreviewSettingsPatch
from backend.previews.withdrawing import withdraw
from backend.services.following import refuse_preview
from backend.services.models import Service, SourceKind
from backend.services.trail import record_about

_CHANGEABLE = ("enabled", "variables", "withheld", "plan_id", "most", "days", "drafts", "forks")


async def present(session: AsyncSession, service: Service) -> dict[str, Any]:
    settings = await PreviewSettingsDAO(session).get(service.id) or _fresh(service)
    return {**_changeable(settings), "count": await PullRequestDAO(session).count_previews(service.id)}


async def change(session: AsyncSession, service: Service, wanted: PreviewSettingsPatch) -> None:
    """The service's row is locked. Raises `Conflict` where there can be no previews, `Invalid` for a plan."""
    refuse_preview(service)
    given = wanted.model_dump(exclude_unset=True)
    if given.get("enabled"):
        await _refuse_impossible(session, service)
    if given.get("plan_id") is not None:
        await _check_plan(session, service, given["plan_id"])
    if "withheld" in given:
        given["withheld"] = sorted(set(given["withheld"]))
    dao = PreviewSettingsDAO(session)
    settings = await dao.get(service.id)
    if settings is None:
        settings = _fresh(service)
        await dao.add(settings)
    before = _changeable(settings)
    for name, value in given.items():
        setattr(settings, name, value)
    await dao.flush()
    if changed := differences(before, _changeable(settings)):
        await withdraw(session, service, settings)
        await record_about(
            session, service, Action.SERVICE_PREVIEWS_CHANGED, before=changed[0], after=changed[1]
        )


async def _refuse_impossible(session: AsyncSession, service: Service) -> None:
    if service.source_kind != SourceKind.GIT:
        raise Conflict("Only what comes from a repository has pull requests.", code="source_has_no_commits")
    hook = await PushHookDAO(session).of(service.id)
    if hook is None or hook.secret is None:
        raise Conflict("Make a secret first: without one nobody can tell who calls.", code="secret_missing")


async def _check_plan(session: AsyncSession, service: Service, plan_id: str) -> None:
    plan, own = await Plans(session).get(plan_id), await Plans(session).get(service.plan_id)
    if plan is None or not plan.active:
        raise invalid_field(["body", "plan_id"], "There is no such plan.", "plan_unknown")
    sizes = ("memory_bytes", "disk_bytes", "cpu_millis")
    if own is not None and any(getattr(plan, size) > getattr(own, size) for size in sizes):
        message = "A preview's plan is no larger than the service's."
        raise invalid_field(["body", "plan_id"], message, "plan_too_large")


def _fresh(service: Service) -> PreviewSettings:
    return PreviewSettings(
        service_id=service.id,
        enabled=False,
        variables="unmarked",
        withheld=[],
        most=MOST,
        days=DAYS,
        drafts=False,
        forks="never",
    )


def _changeable(settings: PreviewSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in _CHANGEABLE}
