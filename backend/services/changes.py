"""What differs between two releases of a service: their settings by value, their variables by name only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.exceptions import NotFound
from backend.oauth.identity import Principal
from backend.roles.permissions import VARIABLES_READ
from backend.services.dao import DeploymentDAO
from backend.services.environment import open_snapshot
from backend.services.lifecycle import variables_of
from backend.services.models import Deployment
from backend.volumes import files

SETTINGS = (
    *("commit", "repo_url", "ref", "root", "image", "source_digest", "port", "command", "plan_id"),
    *("health_kind", "health_path", "health_command", "health_timeout_seconds", "restart_policy"),
)


async def changes_between(
    session: AsyncSession, principal: Principal, deployment_id: UUID, against_id: UUID | None
) -> dict[str, Any]:
    """What changes from the live release, or from `against_id`, to this one; 404 for what is not theirs."""
    deployments = DeploymentDAO(session)
    found = await deployments.readable(deployment_id, tuple(principal.projects))
    if found is None or not principal.may(VARIABLES_READ, found.Service.project_id):
        raise NotFound("There is no such deployment.")
    release, service = found.Deployment, found.Service
    against = None
    if base_id := against_id or service.live_deployment_id:
        against = await deployments.get(base_id)
        if against is None or against.service_id != service.id:
            raise NotFound("The service has no such deployment to compare with.")
    environment = _environment(release)
    before_files = await files.contents_of(session, against.id) if against else {}
    present = await variables_of(session, service.id)
    return {
        "deployment_id": release.id,
        "against": against and {"id": against.id, "number": against.number},
        "settings": _settings(against, release) if against else [],
        "variables": _names(_environment(against) if against else {}, environment),
        "unlike_service": _names(environment, present),
        "files": _names(before_files, await files.contents_of(session, release.id)),
    }


def _environment(release: Deployment) -> dict[str, str]:
    return open_snapshot(release.id, release.environment)


def _settings(before: Deployment, after: Deployment) -> list[dict[str, Any]]:
    pairs = ((name, getattr(before, name), getattr(after, name)) for name in SETTINGS)
    return [
        {"name": name, "before": _said(old), "after": _said(new)} for name, old, new in pairs if old != new
    ]


def _said(value: Any) -> str | None:
    return None if value in (None, "") else str(value)


def _names(before: Mapping[str, str], after: Mapping[str, str]) -> list[dict[str, str]]:
    """Never the values: who may read names need not know secrets."""
    found = []
    for name in sorted({*before, *after}):
        if name not in before:
            found.append({"name": name, "change": "added"})
        elif name not in after:
            found.append({"name": name, "change": "removed"})
        elif before[name] != after[name]:
            found.append({"name": name, "change": "changed"})
    return found
