"""Statements over preview settings and pull requests."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Row, delete, func, select, update

from backend.dao.base import BaseDAO
from backend.previews.models import DAYS, PreviewSettings, PullRequest, PullState
from backend.services.models import Service, ServiceStatus

ALIVE = (Service.deleted_at.is_(None), Service.status != ServiceStatus.DELETING)

_lapsed = (
    select(PullRequest.service_id, PullRequest.id)
    .join(Service, Service.id == PullRequest.preview_id)
    .outerjoin(PreviewSettings, PreviewSettings.service_id == PullRequest.service_id)
    .where(
        *ALIVE,
        PullRequest.pushed_at
        < func.now() - func.make_interval(0, 0, 0, func.coalesce(PreviewSettings.days, DAYS)),
    )
)


class PreviewSettingsDAO(BaseDAO[PreviewSettings]):
    model = PreviewSettings

    async def forget(self, service_id: UUID) -> None:
        """Of a deleted service, and that it was a preview itself."""
        await self.execute(delete(PullRequest).where(PullRequest.service_id == service_id))
        await self.execute(
            update(PullRequest).where(PullRequest.preview_id == service_id).values(preview_id=None)
        )
        await self.execute(delete(PreviewSettings).where(PreviewSettings.service_id == service_id))


class PullRequestDAO(BaseDAO[PullRequest]):
    model = PullRequest

    async def of(self, service_id: UUID, number: int) -> PullRequest | None:
        statement = select(PullRequest).where(
            PullRequest.service_id == service_id, PullRequest.number == number
        )
        return await self.one(statement)

    async def preview_of(self, pull: PullRequest) -> Service | None:
        """Its preview under lock, unless that is deleted or about to be."""
        if pull.preview_id is None:
            return None
        statement = (
            select(Service).where(Service.id == pull.preview_id, *ALIVE).with_for_update(key_share=True)
        )
        found: Service | None = await self.scalar(statement.execution_options(populate_existing=True))
        return found

    async def with_preview(self, service_id: UUID) -> Sequence[PullRequest]:
        statement = select(PullRequest).where(
            PullRequest.service_id == service_id, PullRequest.preview_id.is_not(None)
        )
        return await self.all(statement.order_by(PullRequest.id))

    async def count_previews(self, service_id: UUID) -> int:
        counted: int = await self.scalar(select(func.count()).where(Service.preview_of == service_id, *ALIVE))
        return counted

    async def lapsed(self, limit: int) -> Sequence[Row[tuple[UUID, UUID]]]:
        """Service and request of previews that nobody pushed to for as long as their service keeps them."""
        return await self.rows(_lapsed.limit(limit))

    async def has_lapsed(self, pull_id: UUID) -> bool:
        return bool(await self.rows(_lapsed.where(PullRequest.id == pull_id)))

    async def trim(self, service_id: UUID, kept: int) -> None:
        """Leave the newest of those that are closed and have no preview."""
        over = (PullRequest.service_id == service_id, PullRequest.state == PullState.CLOSED)
        newest = (
            select(PullRequest.id)
            .where(*over)
            .order_by(PullRequest.pushed_at.desc(), PullRequest.id.desc())
            .limit(kept)
            .scalar_subquery()
        )
        await self.execute(
            delete(PullRequest).where(*over, PullRequest.preview_id.is_(None), PullRequest.id.not_in(newest))
        )
