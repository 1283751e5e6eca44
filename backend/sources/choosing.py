"""What a service is made from: a repository, an image, or an uploaded archive, and how it is built."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import Settings
from backend.engines import imagenames
from backend.engines.addresses import Allowed
from backend.engines.base import Engine, EngineError
from backend.engines.imagenames import ImageName
from backend.exceptions import Conflict, Invalid, invalid_field
from backend.services.models import Service, SourceKind, become
from backend.sources import archives, credentials, registries
from backend.sources.addresses import check_source, refused
from backend.sources.schemas import AccessibleSourceIn

IMAGE = ("body", "source", "image")


def require_images(engine: Engine, source: Any) -> None:
    """Raises `Conflict` where the engine has no containers for what `source` asks for."""
    if source is None or "images" in engine.abilities:
        return
    given = source.model_fields_set
    if ("image" in given and source.image) or ("build" in given and source.build.model_fields_set):
        message = "Images and Dockerfiles run only where services run in containers, which they do not here."
        raise Conflict(message, code="not_supported_here")


def check(settings: Settings, wanted: AccessibleSourceIn) -> None:
    """Raises `Invalid` for what will never be fetched."""
    if wanted.repo_url is not None:
        check_source(settings, wanted.repo_url)
    if wanted.image is not None:
        check_image(settings, wanted.image)
    elif wanted.port is not None:
        raise _no_port()


def check_image(settings: Settings, image: str, loc: tuple[str, ...] = IMAGE) -> ImageName:
    try:
        return imagenames.check(image, Allowed.parse(settings.git_allowed_private))
    except EngineError as error:
        raise refused(error, loc) from None


def fields(wanted: AccessibleSourceIn) -> dict[str, Any]:
    """Of a new service."""
    kind = SourceKind.GIT
    if wanted.image is not None:
        kind = SourceKind.IMAGE
    elif wanted.archive_id is not None:
        kind = SourceKind.ARCHIVE
    return {
        "source_kind": kind,
        "repo_url": wanted.repo_url or "",
        "ref": wanted.ref if kind is SourceKind.GIT else None,
        "root": "" if kind is SourceKind.IMAGE else wanted.root,
        "image": wanted.image,
        "port": wanted.port,
        "build_options": _compact(wanted.build.model_dump()),
    }


async def equip(
    session: AsyncSession, settings: Settings, service: Service, wanted: AccessibleSourceIn
) -> dict[str, Any]:
    """Give an ordered service what its source is read with; for the order's own record. Raises `Invalid`."""
    if service.source_kind == SourceKind.ARCHIVE:
        assert wanted.archive_id is not None
        archive = await archives.adopt(session, service, wanted.archive_id)
        return {"archive": archive.digest}
    if service.source_kind == SourceKind.IMAGE:
        if wanted.token is None:
            return {}
        host = check_image(settings, wanted.image or "").host
        await registries.keep(session, service.id, host, wanted.username, wanted.token.get_secret_value())
        return {"login_for": host}
    return await credentials.equip(session, settings, service, wanted)


async def change(session: AsyncSession, settings: Settings, service: Service, given: dict[str, Any]) -> None:
    """What of the source is given; naming a repository or an image makes it the source."""
    before = service.repo_url
    if given.get("repo_url") and given.get("image"):
        raise invalid_field(list(IMAGE), "Give a repository or an image, not both.", "source_twofold")
    if "repo_url" in given:
        check_source(settings, given["repo_url"])
        become(service, SourceKind.GIT)
        service.repo_url = given["repo_url"]
        await credentials.moved(session, service, before)
    if "image" in given:
        check_image(settings, given["image"])
        become(service, SourceKind.IMAGE)
        service.image = given["image"]
        await credentials.left(session, service, before)
    if "ref" in given and service.source_kind == SourceKind.GIT:
        service.ref = given["ref"]
    if "root" in given and service.source_kind != SourceKind.IMAGE:
        service.root = given["root"] or ""
    if "port" in given:
        if given["port"] is not None and service.source_kind != SourceKind.IMAGE:
            raise _no_port()
        service.port = given["port"]
    if "build" in given:
        service.build_options = _compact(given["build"])


def _compact(build: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in build.items() if value}


def _no_port() -> Invalid:
    message = "A port is for images; apps that are built here get theirs in the variable PORT."
    return invalid_field(["body", "source", "port"], message, "port_unfit")
