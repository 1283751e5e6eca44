"""The catalogue file, loaded into the database so that orders can refer to it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.audit.values import differences
from backend.billing.prices.loading import load_prices, load_tax_rates
from backend.catalogue.models import Addon, Plan, Template
from backend.config import Settings
from backend.dao.base import BaseDAO
from backend.stacks.blueprint import Blueprint
from backend.stacks.library import library

FILE = Path(__file__).with_name("catalogue.toml")
STACK = "stack"
"""The kind of templates that make several services: `POST /api/v1/stacks` orders them."""
_UNTOLD = ("position", "created_at", "updated_at")
_UNITS = {"MiB": 2**20, "GiB": 2**30}


class Plans(BaseDAO[Plan]):
    model = Plan

    async def offered(self) -> list[dict[str, Any]]:
        return [dict(row._mapping) for row in await self.rows(_offered(Plan))]


class Templates(BaseDAO[Template]):
    model = Template

    async def offered(self) -> list[dict[str, Any]]:
        return [dict(row._mapping) for row in await self.rows(_offered(Template))]


class Addons(BaseDAO[Addon]):
    model = Addon

    async def offered(self) -> list[dict[str, Any]]:
        return [dict(row._mapping) for row in await self.rows(_offered(Addon))]


def _offered(model: type[Plan] | type[Template] | type[Addon]) -> Select[Any]:
    hidden = {"position", "active", "created_at", "updated_at"}
    columns = [column for column in model.__table__.columns if column.name not in hidden]
    return select(*columns).where(model.active.is_(True)).order_by(model.position)


async def load(session: AsyncSession, settings: Settings) -> str:
    """Make the tables say what the file says; returns the file's version."""
    content = tomllib.loads(FILE.read_text())
    plans = [_plan(position, plan) for position, plan in enumerate(content["plans"])]
    addons = [_addon(position, addon) for position, addon in enumerate(content["addons"])]
    templates = [
        _template(position, template, settings) for position, template in enumerate(content["templates"])
    ]
    templates += [_stack(len(templates) + position, one) for position, one in enumerate(library())]
    version: str = content["version"]
    before = await _state(session)
    await _upsert(Plans(session), Plan, plans)
    await _upsert(Templates(session), Template, templates)
    await _upsert(Addons(session), Addon, addons)
    await load_prices(session, content["plans"])
    await load_prices(session, content["addons"], addons=True)
    await load_tax_rates(session, ZoneInfo(settings.billing_time_zone))
    if changed := differences(before, await _state(session)):
        await trail.record(
            session,
            Action.CATALOGUE_CHANGED,
            object_type="catalogue",
            object_name=version,
            before=changed[0],
            after=changed[1],
        )
    return version


async def _state(session: AsyncSession) -> dict[str, Any]:
    """`plan.dinghy.pids` → what it is, and so on for all. Prices have versions, and their own events."""
    found: dict[str, Any] = {}
    kinds: tuple[tuple[str, BaseDAO[Any], Any], ...] = (
        ("plan", Plans(session), Plan),
        ("addon", Addons(session), Addon),
        ("template", Templates(session), Template),
    )
    for kind, dao, model in kinds:
        columns = [column for column in model.__table__.columns if column.name not in _UNTOLD]
        for row in await dao.rows(select(*columns)):
            values = dict(row._mapping)
            name = f"{kind}.{values.pop('id')}"
            found |= {f"{name}.{field}": value for field, value in values.items()}
    return found


async def _upsert(dao: Plans | Templates | Addons, model: Any, rows: list[dict[str, Any]]) -> None:
    statement = insert(model).values(rows)
    changed = {name: statement.excluded[name] for name in rows[0] if name != "id"}
    await dao.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed))
    kept = [row["id"] for row in rows]
    await dao.execute(update(model).where(model.id.not_in(kept)).values(active=False))


def _plan(position: int, plan: dict[str, Any]) -> dict[str, Any]:
    plan = {name: value for name, value in plan.items() if name not in ("prices", "setup")}
    memory, disk, traffic = _bytes(plan.pop("memory")), _bytes(plan.pop("disk")), plan.pop("traffic", None)
    return {
        **plan,
        "memory_bytes": memory,
        "disk_bytes": disk,
        "traffic_bytes": traffic and _bytes(traffic),
        "position": position,
        "active": True,
    }


def _addon(position: int, addon: dict[str, Any]) -> dict[str, Any]:
    kept = {name: addon[name] for name in ("id", "unit", "title")}
    return {**kept, "position": position, "active": True}


def _template(position: int, template: dict[str, Any], settings: Settings) -> dict[str, Any]:
    example = template.get("example")
    in_containers = template.get("description_in_containers")
    told = template["description"] if settings.engine != "docker" or not in_containers else in_containers
    repository = f"{settings.panel_url}/examples/{example}.git"
    return {
        **{name: value for name, value in template.items() if name != "description_in_containers"},
        "description": told,
        "example": {"repo_url": repository, "ref": "main"} if example else None,
        "parameters": template.get("parameters", []),
        "position": position,
        "active": True,
    }


def _stack(position: int, blueprint: Blueprint) -> dict[str, Any]:
    return {
        **blueprint.model_dump(include={"id", "icon", "title", "description"}),
        "version": str(blueprint.version),
        "kind": STACK,
        "example": None,
        "parameters": [
            {"name": name, "type": parameter.type} for name, parameter in blueprint.parameters.items()
        ],
        "position": position,
        "active": True,
    }


def _bytes(text: str) -> int:
    number, unit = text.split()
    return int(number) * _UNITS[unit]
