"""Secret files of a service: sealed at rest, taken over into each release, shown again only on purpose."""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.config import get_settings
from backend.database import now
from backend.engines.base import SecretFile
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.services.models import Service
from backend.services.trail import record_about
from backend.utils.crypto import Vault
from backend.utils.ids import new_id
from backend.volumes.dao import FileDAO, SnapshotDAO, VolumeDAO
from backend.volumes.models import DeploymentFiles, ServiceFile
from backend.volumes.paths import check_path, refuse_overlap
from backend.volumes.schemas import FileIn

MOST = 10
MOST_BYTES = 256 * 1024
MOST_TOGETHER = 2**20


async def put(session: AsyncSession, service: Service, wanted: FileIn) -> ServiceFile:
    """Write a file, new or anew; the next deployment takes it. The caller holds the service's row."""
    check_path(wanted.path, "path")
    content = _decoded(wanted.content)
    dao = FileDAO(session)
    present = {file.path: file for file in await dao.of(service.id)}
    others = [file for path, file in present.items() if path != wanted.path]
    if wanted.path not in present:
        if len(present) >= MOST:
            message = "The service has as many secret files as it may."
            raise Conflict(message, code="files_full", parameters={"most": MOST})
        volumes = await VolumeDAO(session).of(service.id)
        refuse_overlap(wanted.path, [*(file.path for file in others), *(volume.path for volume in volumes)])
    if sum(file.size_bytes for file in others) + len(content) > MOST_TOGETHER:
        raise invalid_field(
            ["body", "content"], "All secret files of a service may take 1 MiB together.", "files_too_large"
        )
    row = present.get(wanted.path) or ServiceFile(id=new_id(), service_id=service.id, path=wanted.path)
    row.sealed, row.size_bytes, row.updated_at = _seal(service.id, wanted.path, content), len(content), now()
    if wanted.path in present:
        await dao.flush()
    else:
        await dao.add(row)
    after = {"path": row.path, "size_bytes": row.size_bytes}
    await record_about(session, service, Action.SERVICE_FILE_SET, after=after)
    return row


async def reveal(session: AsyncSession, service: Service, file_id: UUID) -> tuple[str, bytes]:
    """Path and content, on record."""
    row = await _of(session, service, file_id)
    await record_about(session, service, Action.SERVICE_FILE_REVEALED, after={"path": row.path})
    return row.path, base64.b64decode(_vault().open(row.sealed, _identity(service.id, row.path)))


async def remove(session: AsyncSession, service: Service, file_id: UUID) -> None:
    row = await _of(session, service, file_id)
    await record_about(session, service, Action.SERVICE_FILE_REMOVED, before={"path": row.path})
    await FileDAO(session).delete(row.id)


async def take_over(session: AsyncSession, service_id: UUID, deployment_id: UUID) -> None:
    """The service's files as they are now become the release's."""
    found = {
        file.path: _vault().open(file.sealed, _identity(service_id, file.path))
        for file in await FileDAO(session).of(service_id)
    }
    await _keep(session, deployment_id, found)


async def restore(session: AsyncSession, kept_id: UUID, deployment_id: UUID) -> None:
    """A rollback has the files of the release that it brings back."""
    await _keep(session, deployment_id, await contents_of(session, kept_id))


async def forget(session: AsyncSession, service_id: UUID) -> None:
    """Of a service that is deleted."""
    await FileDAO(session).forget(service_id)
    await SnapshotDAO(session).forget(service_id)


async def of_release(session: AsyncSession, deployment_id: UUID) -> tuple[SecretFile, ...]:
    found = await contents_of(session, deployment_id)
    return tuple(SecretFile(path, base64.b64decode(content)) for path, content in sorted(found.items()))


async def contents_of(session: AsyncSession, deployment_id: UUID) -> dict[str, str]:
    """Base64 by path."""
    row = await SnapshotDAO(session).get(deployment_id)
    if row is None:
        return {}
    found: dict[str, str] = orjson.loads(_vault().open(row.sealed, f"deployment:{deployment_id}"))
    return found


async def _keep(session: AsyncSession, deployment_id: UUID, contents: dict[str, str]) -> None:
    if contents:
        sealed = _vault().seal(orjson.dumps(contents).decode(), f"deployment:{deployment_id}")
        await SnapshotDAO(session).add(DeploymentFiles(deployment_id=deployment_id, sealed=sealed))


async def _of(session: AsyncSession, service: Service, file_id: UUID) -> ServiceFile:
    row = await FileDAO(session).get(file_id)
    if row is None or row.service_id != service.id:
        raise NotFound("The service has no such file.")
    return row


def _decoded(content: str) -> bytes:
    where: list[str | int] = ["body", "content"]
    try:
        decoded = base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise invalid_field(where, "The content must be base64.", "not_base64") from None
    if len(decoded) > MOST_BYTES:
        raise invalid_field(where, "A secret file may have at most 256 KiB.", "file_too_large")
    return decoded


def _seal(service_id: UUID, path: str, content: bytes) -> str:
    return _vault().seal(base64.b64encode(content).decode(), _identity(service_id, path))


def _identity(service_id: UUID, path: str) -> str:
    return f"file:{service_id}:{path}"


def _vault() -> Vault:
    return Vault(get_settings().master_key, "service-files")
