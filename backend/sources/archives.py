"""Uploaded archives: taken to disk piece by piece, looked through, and kept while something needs them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.config import Settings
from backend.database import Database, now
from backend.engines import fetching
from backend.engines.base import EngineError
from backend.engines.layout import Layout
from backend.engines.text import human_size
from backend.exceptions import Conflict, Invalid, invalid_field
from backend.services.models import Service, SourceKind, become
from backend.services.trail import record_about
from backend.sources import credentials
from backend.sources.dao import SourceArchiveDAO
from backend.sources.models import SourceArchive
from backend.utils.ids import new_id

WAITING = timedelta(days=1)
"""How long one waits for the order that it was uploaded for."""
MOST_WAITING = 20
"""Of one project, and of one service that were never deployed."""
LOOK_SECONDS = 60.0
STALE_SECONDS = 6 * 3600
"""A file that no row names is an upload's that broke off, or is being taken."""
ARCHIVE = ("body",)


class Upload:
    """One archive on disk, which nothing in the database knows yet; `drop` forgets it again."""

    def __init__(self, settings: Settings) -> None:
        self.id = new_id()
        self._settings = settings
        self._path = Layout(settings.engine_home.resolve()).archive(str(self.id))
        self.digest, self.size, self.files = "", 0, 0

    async def take(self, pieces: AsyncIterator[bytes]) -> None:
        """Raises `Invalid`, in words, for what will never be deployed; nothing of it is left then."""
        try:
            await self._receive(pieces)
            found = await fetching.look_at_archive(
                self._path, max_bytes=self._settings.fetch_max_bytes, timeout=LOOK_SECONDS
            )
        except EngineError as error:
            self.drop()
            wrong = {"loc": list(ARCHIVE), "message": error.message, "code": error.code}
            detail = error.parameters.get("detail", error.code)
            raise Invalid(
                error.message,
                code=error.code,
                errors=[{**wrong, "code": str(detail), "parameters": _said(error.parameters)}],
            ) from None
        except BaseException:
            self.drop()
            raise
        self.files = found.files

    async def _receive(self, pieces: AsyncIterator[bytes]) -> None:
        limit, hashed = self._settings.archive_max_bytes, hashlib.sha256()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._check_space(limit)
        with await asyncio.to_thread(_new, self._path) as file:
            async for piece in pieces:
                self.size += len(piece)
                if self.size > limit:
                    message = f"The archive is larger than the {human_size(limit)} allowed."
                    raise EngineError(
                        "source_too_large", message, detail="archive_upload_large", limit_bytes=limit
                    )
                hashed.update(piece)
                await asyncio.to_thread(file.write, piece)
        if not self.size:
            raise EngineError("source_empty", "The archive is empty.", detail="archive_empty")
        self.digest = f"sha256:{hashed.hexdigest()}"

    def _check_space(self, wanted: int) -> None:
        """Refused uploads are better than a machine on which nothing can be written."""
        free = shutil.disk_usage(self._path.parent).free
        if free - wanted < self._settings.build_reserve_bytes:
            message = "The server's disk is nearly full; its operator has to make room."
            raise EngineError("source_too_large", message, detail="disk_full")

    def drop(self) -> None:
        self._path.unlink(missing_ok=True)


def _said(parameters: Mapping[str, str | int]) -> dict[str, str]:
    """For the words of a field's error: sizes as people write them."""
    return {
        name: human_size(int(value)) if name.endswith("_bytes") else str(value)
        for name, value in parameters.items()
    }


def _new(path: Path) -> BinaryIO:
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def shown_name(name: str) -> str:
    """As it is listed: the last part of a path, and nothing that could not be printed."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(sign for sign in last if sign.isprintable()).strip()[:200] or "archive"


async def keep(session: AsyncSession, project_id: UUID, name: str, upload: Upload) -> SourceArchive:
    """For an order that is to come."""
    dao = SourceArchiveDAO(session)
    await dao.lock(f"archives:{project_id}")
    if await dao.count_waiting(project_id) >= MOST_WAITING:
        raise Conflict("Too many archives of this project wait for an order.", code="archives_full")
    archive = await _add(session, project_id, None, name, upload)
    await trail.record(
        session,
        Action.ARCHIVE_UPLOADED,
        object_type="archive",
        object_id=archive.id,
        object_name=archive.name,
        project_id=project_id,
        after={"digest": archive.digest, "size_bytes": archive.size_bytes},
    )
    return archive


async def give(session: AsyncSession, service: Service, name: str, upload: Upload) -> SourceArchive:
    """To a service, whose row is locked: its source from now on."""
    before = service.repo_url
    archive = await _add(session, service.project_id, service.id, name, upload)
    become(service, SourceKind.ARCHIVE)
    service.archive_id = archive.id
    await credentials.left(session, service, before)
    after = {"digest": archive.digest, "name": archive.name, "size_bytes": archive.size_bytes}
    await record_about(session, service, Action.SERVICE_ARCHIVE_UPLOADED, after=after)
    return archive


async def adopt(session: AsyncSession, service: Service, archive_id: UUID) -> SourceArchive:
    """One that waited for this order. Raises `Invalid`."""
    archive = await SourceArchiveDAO(session).waiting(archive_id, service.project_id)
    if archive is None:
        message = "There is no such archive, or a service has it already: upload it again."
        raise invalid_field(["body", "source", "archive_id"], message, "archive_unknown")
    archive.service_id = service.id
    service.archive_id = archive.id
    await SourceArchiveDAO(session).flush()
    return archive


async def _add(
    session: AsyncSession, project_id: UUID, service_id: UUID | None, name: str, upload: Upload
) -> SourceArchive:
    archive = SourceArchive(
        id=upload.id,
        project_id=project_id,
        service_id=service_id,
        name=shown_name(name),
        digest=upload.digest,
        size_bytes=upload.size,
        files=upload.files,
    )
    await SourceArchiveDAO(session).add(archive)
    return archive


async def sweep(settings: Settings, database: Database) -> None:
    """Forget what no service, no waiting deployment and no kept release is of; then files without a row."""
    async with database.transaction() as session:
        await SourceArchiveDAO(session).delete_unneeded(now() - WAITING)
    folder = Layout(settings.engine_home.resolve()).archives
    found = [path for path in folder.glob("*") if _is_stale(path)]
    async with database.transaction() as session:
        kept = await SourceArchiveDAO(session).known([path.name for path in found])
    for path in found:
        if path.name not in kept:
            logger.info("removing the archive {}", path.name)
            path.unlink(missing_ok=True)


def _is_stale(path: Path) -> bool:
    try:
        return path.stat().st_mtime < time.time() - STALE_SECONDS
    except FileNotFoundError:
        return False
