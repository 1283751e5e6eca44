"""A source as the API shows it: whether there are secrets, and never which."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.engines.addresses import parse_remote
from backend.engines.knownhosts import published
from backend.exceptions import NotFound
from backend.services.dao import ServiceDAO
from backend.services.models import Service
from backend.services.sources import SOURCE_COLUMNS, shape_source
from backend.sources.credentials import credentials_of
from backend.sources.dao import RegistryLoginDAO, SourceArchiveDAO
from backend.sources.models import DeployKey, SourceArchive


async def source_of(session: AsyncSession, service_id: UUID) -> dict[str, Any]:
    service = await ServiceDAO(session).get(service_id)
    if service is None:
        raise NotFound("There is no such service.")
    held = await credentials_of(session, service_id)
    return {
        **shape_source({name: getattr(service, name) for name in SOURCE_COLUMNS}),
        "archive": await _archive(session, service),
        "registries": [
            {"registry": login.host, "username": login.username, "updated_at": login.updated_at}
            for login in await RegistryLoginDAO(session).of(service_id)
        ],
        "token": held.token
        and {
            "host": urlsplit(held.token.origin).hostname,
            "username": held.token.username,
            "updated_at": held.token.updated_at,
        },
        "deploy_key": held.key and shape_key(held.key),
        "host_key": _host_key(service),
    }


def shape_key(key: DeployKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "public_key": key.public_key,
        "fingerprint": key.fingerprint,
        "created_at": key.created_at,
    }


async def _archive(session: AsyncSession, service: Service) -> dict[str, Any] | None:
    found = await SourceArchiveDAO(session).get(service.archive_id) if service.archive_id else None
    return shape_archive(found) if found is not None else None


def shape_archive(archive: SourceArchive) -> dict[str, Any]:
    return {
        name: getattr(archive, name) for name in ("id", "name", "digest", "size_bytes", "files", "created_at")
    }


def _host_key(service: Service) -> dict[str, Any] | None:
    if not service.repo_url:
        return None
    remote = parse_remote(service.repo_url)
    if remote.scheme != "ssh":
        return None
    known = (service.ssh_host_key or "").partition(" ")[2]
    return {
        "host": remote.host,
        "fingerprint": known or None,
        "published": published(remote.host) is not None,
    }
