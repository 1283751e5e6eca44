"""With what a forge is spoken to about a service: its own token, or the source's where it stays at home."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import get_settings
from backend.engines.addresses import parse_remote
from backend.services.dao import ServiceDAO
from backend.services.models import Service
from backend.sources import credentials
from backend.statuses.dao import StatusSettingsDAO
from backend.statuses.forges import api_of, same_forge
from backend.statuses.models import StatusSettings
from backend.utils.crypto import Vault


@dataclass(frozen=True, slots=True)
class Access:
    forge: str
    api_url: str
    repo_url: str
    token: str = field(repr=False)
    username: str = ""


@dataclass(frozen=True, slots=True)
class Untold:
    """Why nobody can be told: a stable code."""

    code: str


def _vault() -> Vault:
    return Vault(get_settings().master_key, "commit statuses")


def seal(service_id: UUID, origin: str, token: str) -> str:
    return _vault().seal(token, f"status-token:{service_id}:{origin}")


def api_url_of(settings: StatusSettings, service: Service) -> str:
    return settings.api_url or api_of(settings.forge, service.repo_url)


async def access_of(session: AsyncSession, service_id: UUID) -> Access | Untold:
    settings = await StatusSettingsDAO(session).get(service_id)
    service = await ServiceDAO(session).get(service_id)
    if settings is None or not settings.enabled or service is None or not service.repo_url:
        return Untold("off")
    return await access_with(session, settings, service)


async def access_with(session: AsyncSession, settings: StatusSettings, service: Service) -> Access | Untold:
    api_url = api_url_of(settings, service)
    if settings.token is not None and settings.token_origin is not None:
        # Whoever moves the source, or the API's address, to another host takes the token away by that.
        if settings.token_origin != parse_remote(api_url).origin:
            return Untold("token_elsewhere")
        sealed_for = f"status-token:{service.id}:{settings.token_origin}"
        token = _vault().open(settings.token, sealed_for)
        return Access(settings.forge, api_url, service.repo_url, token, settings.username)
    if not settings.use_source_token:
        return Untold("token_missing")
    if not same_forge(settings.forge, service.repo_url, api_url):
        return Untold("token_elsewhere")
    shown = await credentials.access_to(session, service, service.repo_url)
    if shown is None or not shown.token:
        return Untold("token_missing")
    return Access(settings.forge, api_url, service.repo_url, shown.token)
