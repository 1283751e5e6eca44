"""What a forge is told of a service's deployments: how, and what is still to be said."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, Timestamps, now


class Said(StrEnum):
    """What a commit's status says; each forge has words of its own for these."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    CANCELLED = "cancelled"


class Delivery(StrEnum):
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DEAD = "dead"
    """Refused, or tried often enough."""


class StatusSettings(Timestamps, Base):
    __tablename__ = "status_settings"
    __table_args__ = (
        CheckConstraint("forge IN ('github','gitlab','gitea','bitbucket','bitbucket_server')", name="forge"),
        Index("ix_status_settings_enabled", "service_id", postgresql_where=text("enabled")),
    )

    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"), primary_key=True)
    enabled: Mapped[bool] = mapped_column(default=False)
    enabled_at: Mapped[datetime | None]
    """Deployments from then on are told of."""
    forge: Mapped[str] = mapped_column(String(20))
    api_url: Mapped[str | None] = mapped_column(String(300))
    """Where its API is, if not where this forge has it."""
    use_source_token: Mapped[bool] = mapped_column(default=False)
    token_origin: Mapped[str | None] = mapped_column(String(300))
    """Whom the token was given for, and is shown to."""
    token: Mapped[str | None] = mapped_column(Text)
    """Sealed."""
    token_set_at: Mapped[datetime | None]
    username: Mapped[str] = mapped_column(String(200), default="")
    """Beside a token that is a password."""


class CommitStatus(Base):
    """The newest that is to be said of one commit under one name, and how far that got.

    One row, so that what came later can never be overwritten by what came before: it is sent as it is when
    it is sent, by one sender at a time.
    """

    __tablename__ = "commit_statuses"
    __table_args__ = (
        CheckConstraint("said IN ('pending','success','failure','cancelled')", name="said"),
        CheckConstraint("delivery IN ('queued','sending','sent','dead')", name="delivery"),
        UniqueConstraint("service_id", "context", "commit"),
        Index(
            "ix_commit_statuses_open",
            "due_at",
            postgresql_where=text("delivery IN ('queued','sending')"),
        ),
        Index(None, "service_id", "changed_at"),
        Index(None, "changed_at"),
        Index(None, "deployment_id"),
    )

    id: Mapped[Id]
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    """Whose settings it is sent by: of a preview, the service that it is one of."""
    context: Mapped[str] = mapped_column(String(100))
    commit: Mapped[str] = mapped_column(String(64))
    said: Mapped[str] = mapped_column(String(10))
    description: Mapped[str] = mapped_column(String(140))
    target_url: Mapped[str] = mapped_column(String(1000))
    deployment_id: Mapped[UUID | None] = mapped_column(ForeignKey("deployments.id", ondelete="SET NULL"))
    version: Mapped[int] = mapped_column(default=1)
    """Counts what was to be said; a sender that said an older one leaves it queued."""
    delivery: Mapped[str] = mapped_column(String(8), default=Delivery.QUEUED)
    attempts: Mapped[int] = mapped_column(default=0)
    """Of this version. Each claim adds one."""
    claim: Mapped[int] = mapped_column(default=0)
    """The fence: a sender whose number is past writes nothing."""
    due_at: Mapped[datetime] = mapped_column(default=now)
    published_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    error_code: Mapped[str | None] = mapped_column(String(40))
    http_status: Mapped[int | None]
    changed_at: Mapped[datetime] = mapped_column(default=now)
    sent_at: Mapped[datetime | None]
