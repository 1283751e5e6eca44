"""Statements over status settings, and over what is to be said: claimed under lease and fence, as letters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, String, case, delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from backend.dao.base import BaseDAO
from backend.database import now
from backend.services.models import SERVED, Deployment, DeploymentState, Service
from backend.statuses.models import CommitStatus, Delivery, Said, StatusSettings
from backend.utils.ids import new_id

_parent = aliased(Service)
_said = case(
    (Deployment.state.in_([str(state) for state in SERVED]), literal(Said.SUCCESS, String)),
    (Deployment.state == DeploymentState.FAILED, literal(Said.FAILURE, String)),
    (
        Deployment.state.in_((DeploymentState.CANCELLED, DeploymentState.SUPERSEDED)),
        literal(Said.CANCELLED, String),
    ),
    else_=literal(Said.PENDING, String),
)


class StatusSettingsDAO(BaseDAO[StatusSettings]):
    model = StatusSettings

    async def forget(self, service_id: UUID) -> None:
        """Of a deleted service: its token, and what was still to be said."""
        await self.execute(delete(CommitStatus).where(CommitStatus.service_id == service_id))
        await self.execute(delete(StatusSettings).where(StatusSettings.service_id == service_id))


class CommitStatusDAO(BaseDAO[CommitStatus]):
    model = CommitStatus

    async def untold(self, limit: int) -> Sequence[Row[Any]]:
        """Deployments whose forge was not told what they have come to, oldest first, under lock."""
        statement = (
            select(
                *(Deployment.id, Deployment.commit, Deployment.number),
                _said.label("said"),
                StatusSettings.service_id.label("by"),
                Service.name,
                Service.preview_of,
                _parent.name.label("parent"),
            )
            .join(Service, Service.id == Deployment.service_id)
            .outerjoin(_parent, _parent.id == Service.preview_of)
            .join(StatusSettings, StatusSettings.service_id == func.coalesce(Service.preview_of, Service.id))
            .where(
                StatusSettings.enabled,
                or_(Deployment.status_told.is_(None), Deployment.status_told == Said.PENDING),
                Deployment.created_at >= StatusSettings.enabled_at,
                Deployment.commit.is_not(None),
                Deployment.restores_id.is_(None),
                Deployment.status_told.is_distinct_from(_said),
            )
            .order_by(Deployment.id)
            .limit(limit)
            .with_for_update(of=Deployment, skip_locked=True)
        )
        return await self.rows(statement)

    async def told(self, ids: Sequence[UUID], said: str) -> None:
        await self.execute(update(Deployment).where(Deployment.id.in_(ids)).values(status_told=said))

    async def say(
        self,
        by: UUID,
        context: str,
        commit: str,
        *,
        said: str,
        description: str,
        target_url: str,
        deployment_id: UUID | None,
    ) -> UUID | None:
        """Put it in place of what was to be said before, unless that is of a later deployment."""
        moment, later = now(), CommitStatus.version + 1
        values: dict[str, Any] = {
            "said": said,
            "description": description,
            "target_url": target_url,
            "deployment_id": deployment_id,
            "changed_at": moment,
            "due_at": moment,
            "published_at": None,
            "attempts": 0,
            "error_code": None,
            "http_status": None,
        }
        first = {
            **values,
            **{"id": new_id(), "service_id": by, "context": context, "commit": commit},
            **{"version": 1, "claim": 0, "delivery": Delivery.QUEUED},
        }
        sending = CommitStatus.delivery == Delivery.SENDING
        # Ids are in the order of their making (UUID v7).
        newer = or_(
            CommitStatus.deployment_id.is_(None),
            literal(deployment_id, CommitStatus.deployment_id.type).is_(None),
            CommitStatus.deployment_id <= deployment_id,
        )
        statement = (
            insert(CommitStatus)
            .values(**first)
            .on_conflict_do_update(
                index_elements=["service_id", "context", "commit"],
                set_={
                    **values,
                    "version": later,
                    "delivery": case((sending, Delivery.SENDING), else_=Delivery.QUEUED),
                },
                where=newer,
            )
            .returning(CommitStatus.id)
        )
        found: UUID | None = await self.scalar(statement)
        return found

    async def claim(self, status_id: UUID, lease: timedelta) -> Row[Any] | None:
        """Make it ours to send, unless it is not due or somebody else has it."""
        moment = now()
        due = (
            select(CommitStatus.id)
            .where(
                CommitStatus.id == status_id,
                CommitStatus.delivery == Delivery.QUEUED,
                CommitStatus.due_at <= moment,
            )
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        statement = (
            update(CommitStatus)
            .where(CommitStatus.id == due)
            .values(
                delivery=Delivery.SENDING,
                claim=CommitStatus.claim + 1,
                attempts=CommitStatus.attempts + 1,
                lease_until=moment + lease,
            )
            .returning(
                *(CommitStatus.id, CommitStatus.service_id, CommitStatus.context, CommitStatus.commit),
                *(CommitStatus.said, CommitStatus.description, CommitStatus.target_url),
                *(CommitStatus.version, CommitStatus.claim, CommitStatus.attempts),
            )
        )
        return await self.row(statement)

    async def settle(self, row: Row[Any], **values: Any) -> bool:
        """Write how it went, if it is still ours; what changed meanwhile is said next, without waiting.

        Gives whether something is to be sent at once.
        """
        same = CommitStatus.version == row.version
        moment = now()
        written = {
            name: case((same, value), else_=getattr(CommitStatus, name)) for name, value in values.items()
        }
        written["delivery"] = case((same, values["delivery"]), else_=Delivery.QUEUED)
        written["due_at"] = case((same, values.get("due_at", moment)), else_=moment)
        statement = (
            update(CommitStatus)
            .where(
                CommitStatus.id == row.id,
                CommitStatus.claim == row.claim,
                CommitStatus.delivery == Delivery.SENDING,
            )
            .values(lease_until=None, published_at=None, **written)
            .returning(CommitStatus.version)
        )
        version = await self.scalar(statement)
        return version is not None and version != row.version

    async def unpublished(self, patience: timedelta, limit: int) -> Sequence[UUID]:
        """Queue again what lost its sender; mark and give what is due and with nobody."""
        moment = now()
        await self.execute(
            update(CommitStatus)
            .where(CommitStatus.delivery == Delivery.SENDING, CommitStatus.lease_until < moment)
            .values(delivery=Delivery.QUEUED, lease_until=None, published_at=None)
        )
        due = (
            select(CommitStatus.id)
            .where(
                CommitStatus.delivery == Delivery.QUEUED,
                CommitStatus.due_at <= moment,
                or_(CommitStatus.published_at.is_(None), CommitStatus.published_at < moment - patience),
            )
            .order_by(CommitStatus.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        rows = await self.rows(
            update(CommitStatus)
            .where(CommitStatus.id.in_(due.scalar_subquery()))
            .values(published_at=moment)
            .returning(CommitStatus.id)
        )
        return [row.id for row in rows]

    async def newest(self, service_id: UUID) -> CommitStatus | None:
        statement = (
            select(CommitStatus)
            .where(CommitStatus.service_id == service_id)
            .order_by(CommitStatus.changed_at.desc(), CommitStatus.id.desc())
            .limit(1)
        )
        return await self.one(statement)

    async def prune(self, before: datetime) -> int:
        return await self.delete_some(CommitStatus.changed_at < before)
