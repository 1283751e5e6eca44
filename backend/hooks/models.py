"""How a service is deployed from outside: its webhook and deploy hook, and what came in through them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, Timestamps, now


class Outcome(StrEnum):
    DEPLOYED = "deployed"
    REMOVED = "removed"
    """A preview whose pull request was closed."""
    PING = "ping"
    """A forge tried whether anybody answers."""
    IGNORED = "ignored"
    """It was the forge, but there is nothing to deploy."""
    REFUSED = "refused"
    """Nobody knows who it was."""


class PushHook(Timestamps, Base):
    """The push settings of a service; the id is what a webhook's address names."""

    __tablename__ = "push_hooks"

    id: Mapped[Id]
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"), unique=True)
    enabled: Mapped[bool] = mapped_column(default=False)
    """Whether pushes deploy. The deploy hook works as long as there is one."""
    watch_paths: Mapped[list[str]] = mapped_column(ARRAY(String(200)), default=list)
    secret: Mapped[str | None] = mapped_column(Text)
    """Sealed: what forges sign with has to be read back."""
    secret_set_at: Mapped[datetime | None]
    token_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)
    token_set_at: Mapped[datetime | None]
    token_used_at: Mapped[datetime | None]


class HookDelivery(Base):
    """One call from outside, and what came of it."""

    __tablename__ = "hook_deliveries"
    __table_args__ = (
        CheckConstraint("forge IN ('github','gitlab','gitea','bitbucket')", name="forge"),
        CheckConstraint("outcome IN ('deployed','removed','ping','ignored','refused')", name="outcome"),
        # Whoever could not prove who they are leaves no id here, so that they take nobody's place.
        UniqueConstraint("service_id", "delivery_id"),
        Index(None, "service_id", "received_at", "id"),
        Index(None, "received_at"),
        Index(None, "deployment_id"),
    )

    id: Mapped[Id]
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    received_at: Mapped[datetime] = mapped_column(default=now)
    forge: Mapped[str | None] = mapped_column(String(10))
    """None for the deploy hook, and for what was not recognised."""
    event: Mapped[str] = mapped_column(String(60))
    delivery_id: Mapped[str | None] = mapped_column(String(100))
    branch: Mapped[str | None] = mapped_column(String(200))
    commit: Mapped[str | None] = mapped_column(String(64))
    previous: Mapped[str | None] = mapped_column(String(64))
    """Where the branch was before the push."""
    subject: Mapped[str | None] = mapped_column(String(200))
    outcome: Mapped[str] = mapped_column(String(10))
    reason_code: Mapped[str | None] = mapped_column(String(40))
    reason_parameters: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    deployment_id: Mapped[UUID | None] = mapped_column(ForeignKey("deployments.id", ondelete="SET NULL"))
