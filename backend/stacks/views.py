"""Templates and stacks as the API shows them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import any_, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import Settings
from backend.dao.listing import Listing, Sort, moment
from backend.engines.base import Engine
from backend.services.models import ServiceStatus
from backend.services.views import MASK
from backend.stacks import rendering
from backend.stacks.blueprint import Blueprint, Parameter, TemplateService
from backend.stacks.dao import HAS_SERVICES, StackServiceDAO
from backend.stacks.images import taken_from
from backend.stacks.library import library
from backend.stacks.membership import dropped
from backend.stacks.models import Stack
from backend.stacks.waiting import behind, is_waiting

STACKS = Listing(
    select(Stack.id, Stack.project_id, Stack.name, Stack.template_id, Stack.version, Stack.created_at).where(
        HAS_SERVICES
    ),
    id_column=Stack.id,
    filters={
        "project_ids": lambda values: Stack.project_id == any_(values),
        "project_id": lambda value: Stack.project_id == value,
    },
    sorts={"created_at": Sort(Stack.created_at, moment)},
)


def shape_parameter(name: str, parameter: Parameter) -> dict[str, Any]:
    return {"name": name, **parameter.model_dump()}


def shape_template(settings: Settings, engine: Engine, blueprint: Blueprint) -> dict[str, Any]:
    missing = sorted(blueprint.abilities - engine.abilities)
    return {
        **blueprint.model_dump(include={"id", "version", "title", "description", "icon"}),
        "available": not missing,
        "missing_abilities": missing,
        "parameters": [shape_parameter(name, one) for name, one in blueprint.parameters.items()],
        "secrets": [
            {"name": name, "title": secret.title.model_dump()} for name, secret in blueprint.secrets.items()
        ],
        "services": [
            {
                "part": part,
                "title": service.title.model_dump(),
                "name_suffix": "" if service.main else f"-{part}",
                "image": _image(settings, service),
                "example": service.example,
                "public": service.public,
                "plan_id": service.plan,
                "needs": list(service.needs),
                "port": service.port,
                "volumes": [volume.model_dump() for volume in service.volumes.values()],
            }
            for part, service in blueprint.services.items()
        ],
    }


async def shape_stack(session: AsyncSession, settings: Settings, stack: Stack) -> dict[str, Any]:
    rows = await StackServiceDAO(session).standings(stack.id)
    blueprint = library().get(stack.template_id, stack.version)
    # The file of a version may have been taken away since it was ordered.
    plain = {"en": stack.template_id, "ru": stack.template_id}
    parts = blueprint.services if blueprint else {}
    secrets = blueprint.secrets if blueprint else {}
    hidden = set() if stack.sealed is None else set(secrets)
    gone = dropped(stack, rows)
    return {
        "id": stack.id,
        "project_id": stack.project_id,
        "name": stack.name,
        "template_id": stack.template_id,
        "version": stack.version,
        "title": blueprint.title.model_dump() if blueprint else plain,
        "icon": blueprint.icon if blueprint else "box",
        "deleting": stack.deleted_at is not None,
        "parameters": stack.parameters,
        "secrets": [
            {"name": name, "title": secrets[name].title.model_dump(), "masked": MASK}
            for name in secrets
            if name in hidden
        ],
        "services": [
            {
                "part": row.part,
                "title": parts[row.part].title.model_dump() if row.part in parts else plain,
                "id": row.Service.id,
                "name": row.Service.name,
                "status": row.Service.status,
                "status_reason": row.Service.status_reason,
                "status_reason_code": row.Service.status_reason_code,
                "status_reason_parameters": row.Service.status_reason_parameters,
                "url": settings.app_url(row.Service.name) if row.Service.public else None,
                "host": row.Service.name,
                "port": row.Service.port,
                "plan_id": row.Service.plan_id,
                "image": row.Service.image,
                "needs": row.needs,
                "waiting": is_waiting(row),
                "deployment_id": row.deployment_id,
                "deployment_state": row.state,
                "deployment_reason": row.reason,
                "deployment_reason_code": row.reason_code,
                "deployment_reason_parameters": row.reason_parameters,
                "behind": row.Service.status != ServiceStatus.DELETING
                and row.part not in gone
                and behind(row),
                "dropped": row.part in gone,
            }
            for row in rows
        ],
        "upgrade": None if stack.deleted_at is not None else _upgrade(settings, stack, blueprint, rows),
        "created_at": stack.created_at,
    }


def _upgrade(
    settings: Settings, stack: Stack, blueprint: Blueprint | None, rows: Any
) -> dict[str, Any] | None:
    newest = library().newest(stack.template_id)
    if blueprint is None or newest is None or newest.version <= blueprint.version:
        return None
    names = {row.part: row.Service.name for row in rows}
    before, after = blueprint.services, newest.services
    return {
        "version": newest.version,
        "changes": newest.changes.model_dump() if newest.changes else None,
        "images": [
            {
                "part": part,
                "name": names[part],
                "before": _image(settings, before[part]),
                "after": _image(settings, service),
            }
            for part, service in after.items()
            if part in before and part in names and before[part].image != service.image
        ],
        "added": [
            {
                "part": part,
                "name": rendering.service_name(newest, stack.name, part),
                "title": service.title.model_dump(),
                "image": _image(settings, service),
                "plan_id": service.plan,
            }
            for part, service in after.items()
            if part not in before
        ],
        "dropped": [
            {"part": part, "name": name}
            for part, name in names.items()
            if part in before and part not in after
        ],
        "parameters": [
            shape_parameter(name, one)
            for name, one in newest.parameters.items()
            if name not in blueprint.parameters
        ],
    }


def _image(settings: Settings, service: TemplateService) -> str | None:
    return taken_from(settings, service.image) if service.image else None
