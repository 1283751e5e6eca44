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
from backend.sources.credentials import credentials_of
from backend.sources.models import DeployKey


async def source_of(session: AsyncSession, service_id: UUID) -> dict[str, Any]:
    service = await ServiceDAO(session).get(service_id)
    if service is None:
        raise NotFound("There is no such service.")
    held = await credentials_of(session, service_id)
    return {
        "repo_url": service.repo_url,
        "ref": service.ref,
        "root": service.root,
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


def _host_key(service: Service) -> dict[str, Any] | None:
    remote = parse_remote(service.repo_url)
    if remote.scheme != "ssh":
        return None
    known = (service.ssh_host_key or "").partition(" ")[2]
    return {
        "host": remote.host,
        "fingerprint": known or None,
        "published": published(remote.host) is not None,
    }
