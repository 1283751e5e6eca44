"""What a deployment is made from: what is fetched, what is built of it, and whether that was built before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.engines.base import Access, BuildOptions, BuildSpec, FetchSpec, Limits
from backend.services.dao import DeploymentDAO
from backend.services.models import Deployment, Service, SourceKind
from backend.sources import credentials, registries
from backend.sources.dao import SourceArchiveDAO

SAME = ("source_kind", "repo_url", "root", "commit", "source_digest", "build_options")
"""What makes two builds the same: variables reach a build as secrets only, of which nothing stays."""


async def access_of(
    session: AsyncSession, service: Service, deployment: Deployment
) -> tuple[Access | None, tuple[Access, ...]]:
    """What its source is read with, and logins to registries, as the service has them now."""
    logins = await registries.logins_of(session, service.id)
    if deployment.source_kind == SourceKind.IMAGE:
        return registries.login_to(logins, deployment.image or ""), logins
    return await credentials.access_to(session, service, deployment.repo_url), logins


async def archive_of(session: AsyncSession, deployment: Deployment) -> tuple[str, str]:
    """Name and digest of the deployment's archive."""
    found = await SourceArchiveDAO(session).get(deployment.archive_id) if deployment.archive_id else None
    return (found.name, found.digest) if found else ("archive", deployment.source_digest or "")


def fetch_spec(
    deployment: Deployment, realm: UUID, access: Access | None, archive: tuple[str, str]
) -> FetchSpec:
    kind = SourceKind(deployment.source_kind)
    ids = str(deployment.id), str(deployment.service_id)
    if kind is SourceKind.IMAGE:
        image = deployment.image or ""
        # An interrupted attempt that knew what the tag stood for goes on with that.
        return FetchSpec(
            *ids,
            url=image,
            commit=deployment.source_digest,
            access=access,
            kind="image",
            project_id=str(realm),
        )
    if kind is SourceKind.ARCHIVE:
        name, digest = archive
        return FetchSpec(
            *ids,
            url=name,
            commit=digest,
            root=deployment.root,
            kind="archive",
            archive_id=str(deployment.archive_id or deployment.id),
        )
    return FetchSpec(
        *ids,
        url=deployment.repo_url,
        ref=deployment.ref,
        commit=deployment.commit,
        root=deployment.root,
        access=access,
    )


def build_spec(
    deployment: Deployment,
    realm: UUID,
    limits: Limits,
    logins: Sequence[Access],
    environment: Mapping[str, str],
) -> BuildSpec:
    options = deployment.build_options
    return BuildSpec(
        deployment_id=str(deployment.id),
        service_id=str(deployment.service_id),
        project_id=str(realm),
        limits=limits,
        options=BuildOptions(
            options.get("dockerfile", ""), options.get("target", ""), options.get("arguments", {})
        ),
        logins=tuple(logins),
        secrets=environment,
    )


async def kept_build(
    session: AsyncSession, deployment: Deployment, engine: str, disk_bytes: int
) -> Deployment | None:
    """A kept release of the same service whose build this one would only repeat. The service's row must be
    locked by the caller: under that lock kept builds are let go.
    """
    if deployment.rebuild:
        return None
    same = {name: getattr(deployment, name) for name in SAME}
    return await DeploymentDAO(session).kept_build_like(deployment.service_id, same, engine, disk_bytes)
