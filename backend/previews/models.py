"""Preview deployments: how a service makes them, and the pull requests that it heard of."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, Timestamps, now

VariablesName = Literal["all", "none", "unmarked"]
ForksName = Literal["never", "without_variables", "with_variables"]
MOST = 5
DAYS = 14


class PullState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class PreviewSettings(Timestamps, Base):
    __tablename__ = "preview_settings"
    __table_args__ = (
        CheckConstraint("variables IN ('all','none','unmarked')", name="variables"),
        CheckConstraint("forks IN ('never','without_variables','with_variables')", name="forks"),
        CheckConstraint("most BETWEEN 1 AND 50", name="most"),
        CheckConstraint("days BETWEEN 1 AND 90", name="days"),
    )

    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"), primary_key=True)
    enabled: Mapped[bool] = mapped_column(default=False)
    variables: Mapped[str] = mapped_column(String(20), default="unmarked")
    """Which of the service's variables a preview is made with; `unmarked`: all but those of `withheld`."""
    withheld: Mapped[list[str]] = mapped_column(ARRAY(String(128)), default=list)
    """Names of variables that are not for previews."""
    plan_id: Mapped[str | None] = mapped_column(ForeignKey("plans.id"))
    """None for the service's own."""
    most: Mapped[int] = mapped_column(default=MOST)
    """Previews at a time."""
    days: Mapped[int] = mapped_column(default=DAYS)
    """After so many without a push a preview is removed."""
    drafts: Mapped[bool] = mapped_column(default=False)
    forks: Mapped[str] = mapped_column(String(20), default="never")


class PullRequest(Base):
    """What is known of one, and its preview, if it has one now."""

    __tablename__ = "pull_requests"
    __table_args__ = (
        CheckConstraint("state IN ('open','closed')", name="state"),
        CheckConstraint("forge IN ('github','gitlab','gitea','bitbucket')", name="forge"),
        UniqueConstraint("service_id", "number"),
        Index("uq_pull_requests_preview", "preview_id", unique=True),
        Index(None, "service_id", "pushed_at", "id"),
        Index("ix_pull_requests_kept", "pushed_at", postgresql_where=text("preview_id IS NOT NULL")),
    )

    id: Mapped[Id]
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    """Whose webhook told of it."""
    number: Mapped[int]
    forge: Mapped[str] = mapped_column(String(10))
    title: Mapped[str] = mapped_column(String(200))
    url: Mapped[str | None] = mapped_column(String(500))
    branch: Mapped[str] = mapped_column(String(200))
    target: Mapped[str] = mapped_column(String(200))
    commit: Mapped[str] = mapped_column(String(64))
    """Of its branch's end; Bitbucket says no more than the first twelve digits."""
    fork: Mapped[bool]
    state: Mapped[str] = mapped_column(String(6), default=PullState.OPEN)
    preview_id: Mapped[UUID | None] = mapped_column(ForeignKey("services.id", ondelete="SET NULL"))
    reason_code: Mapped[str | None] = mapped_column(String(40))
    """Why it has no preview."""
    reason_parameters: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    told_at: Mapped[datetime | None]
    """When the forge last changed it, by the forge's clock: what is older comes too late."""
    pushed_at: Mapped[datetime] = mapped_column(default=now)
    """When we were last told of another commit."""
    closed_at: Mapped[datetime | None]
