"""Which processes a release has, and how many units of each there shall be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import Settings
from backend.engines.base import ProcessSpec
from backend.engines.scale import ONE_WEB, RELEASE, WEB
from backend.processes.dao import ProcessDAO
from backend.services.models import Deployment, ServiceProcess
from backend.volumes.dao import VolumeDAO


@dataclass(frozen=True, slots=True)
class Bounds:
    per_process: int
    per_service: int
    web: int
    """Less where two units of `web` would harm each other's data."""


async def scale_bounds(session: AsyncSession, settings: Settings, service_id: UUID) -> Bounds:
    """How far a service may be scaled. Whatever forbids replicas says so here."""
    most = settings.replicas_per_process
    has_volumes = bool(await VolumeDAO(session).of(service_id))
    return Bounds(most, settings.replicas_per_service, 1 if has_volumes else most)


def commands_of(deployment: Deployment) -> dict[str, str]:
    """Command by name of what a release can run; `web` only where its owner gave it another one."""
    found = {**deployment.processes, **deployment.commands}
    return {name: command for name, command in found.items() if name != RELEASE}


async def own_commands(session: AsyncSession, service_id: UUID) -> dict[str, str]:
    return {row.name: row.command for row in await ProcessDAO(session).of(service_id) if row.command}


async def chosen(session: AsyncSession, deployment: Deployment) -> tuple[ProcessSpec, ...]:
    """What a deployment shall run as its service is scaled now. A process that its owner added since then is
    run as well; another command for one that it has is the next deployment's.
    """
    rows = await ProcessDAO(session).of(deployment.service_id)
    wanted = {WEB: 1, **{row.name: row.replicas for row in rows}}
    added = {row.name: row.command for row in rows if row.command and row.name != WEB}
    return specs({**added, **commands_of(deployment)}, wanted)


def specs(commands: Mapping[str, str], wanted: Mapping[str, int]) -> tuple[ProcessSpec, ...]:
    """`web` first. What was scaled so that this release would run nothing is scaled to one `web`."""
    names = [WEB, *sorted(name for name in commands if name != WEB)]
    found = tuple(
        ProcessSpec(name, commands.get(name, ""), wanted[name]) for name in names if wanted.get(name)
    )
    return found or ONE_WEB


def scale_of(processes: tuple[ProcessSpec, ...]) -> dict[str, int]:
    return {process.name: process.replicas for process in processes}


async def forget_unknown(session: AsyncSession, deployment: Deployment) -> None:
    """Of what the release that went live does not have, nothing runs, so nothing is to be paid."""
    known = {WEB, *commands_of(deployment)}
    rows = await ProcessDAO(session).of(deployment.service_id)
    unknown = [row.name for row in rows if row.replicas and not row.command and row.name not in known]
    if unknown:
        await ProcessDAO(session).rest(deployment.service_id, unknown)


async def note_scale(session: AsyncSession, service_id: UUID, scale: Mapping[str, int]) -> None:
    """That the service shall run what it does, after it could not be given more."""
    rows: dict[str, ServiceProcess] = {row.name: row for row in await ProcessDAO(session).of(service_id)}
    names = {WEB} | rows.keys() | scale.keys()
    kept = {name: (scale.get(name, 0), rows[name].command if name in rows else None) for name in names}
    await ProcessDAO(session).replace(service_id, kept)
