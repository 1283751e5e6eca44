"""Logins to registries of images: of a service's own image, and of the images that its builds begin from."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.config import Settings
from backend.engines import imagenames
from backend.engines.addresses import Allowed, check_url
from backend.engines.base import Access, EngineError
from backend.exceptions import Conflict
from backend.services.following import refuse_preview
from backend.services.models import Service
from backend.services.trail import record_about
from backend.sources.addresses import refused
from backend.sources.dao import RegistryLoginDAO
from backend.sources.models import RegistryLogin
from backend.sources.sealing import open_registry, seal_registry

MOST = 10
"""Of one service."""


def check(settings: Settings, host: str) -> str:
    """The registry as it is compared. Raises `Invalid`."""
    try:
        host = imagenames.check_host(host)
        check_url(imagenames.registry_at(host).url, Allowed.parse(settings.git_allowed_private))
    except EngineError as error:
        raise refused(error, ("path", "registry")) from None
    return host


async def set_login(
    session: AsyncSession, settings: Settings, service: Service, host: str, username: str, password: str
) -> None:
    refuse_preview(service)
    host = check(settings, host)
    held = await RegistryLoginDAO(session).of(service.id)
    replaced = any(login.host == host for login in held)
    if not replaced and len(held) >= MOST:
        raise Conflict(f"A service has {MOST} logins to registries at most.", code="registries_full")
    await keep(session, service.id, host, username, password)
    after = {"registry": host, "username": username, "replaced": replaced}
    await record_about(session, service, Action.SERVICE_REGISTRY_LOGIN_SET, after=after)


async def keep(session: AsyncSession, service_id: UUID, host: str, username: str, password: str) -> None:
    logins = RegistryLoginDAO(session)
    await logins.remove(service_id, host)
    sealed = seal_registry(service_id, host, password)
    await logins.add(RegistryLogin(service_id=service_id, host=host, username=username, sealed=sealed))


async def remove_login(session: AsyncSession, settings: Settings, service: Service, host: str) -> None:
    """Nothing happens where there is none."""
    refuse_preview(service)
    host, logins = check(settings, host), RegistryLoginDAO(session)
    for login in await logins.of(service.id):
        if login.host == host:
            await logins.remove(service.id, host)
            before = {"registry": host, "username": login.username}
            await record_about(session, service, Action.SERVICE_REGISTRY_LOGIN_REMOVED, before=before)


async def logins_of(session: AsyncSession, service_id: UUID) -> tuple[Access, ...]:
    """Opened, for a fetch or a build; `origin` is the registry's host."""
    return tuple(_opened(login) for login in await RegistryLoginDAO(session).of(service_id))


def login_to(logins: Sequence[Access], image: str) -> Access | None:
    host = imagenames.parse(image).host
    return next((login for login in logins if login.origin == host), None)


def _opened(login: RegistryLogin) -> Access:
    password = open_registry(login.service_id, login.host, login.sealed)
    return Access(login.host, username=login.username, token=password)
