"""What private repositories are read with: a token over https, a key pair over ssh."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, now


class SourceToken(Base):
    __tablename__ = "source_tokens"

    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"), primary_key=True)
    origin: Mapped[str] = mapped_column(String(300))
    """`https://git.example.com:443`: whom it was given for, and is shown to."""
    username: Mapped[str] = mapped_column(String(200))
    sealed: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class DeployKey(Base):
    """Made for an order that is to come, or a service's own; the first kind is forgotten after a while."""

    __tablename__ = "deploy_keys"
    __table_args__ = (
        Index(
            "uq_deploy_keys_service",
            "service_id",
            unique=True,
            postgresql_where=text("service_id IS NOT NULL"),
        ),
        Index("ix_deploy_keys_waiting", "created_at", postgresql_where=text("service_id IS NULL")),
        Index("ix_deploy_keys_project", "project_id"),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    service_id: Mapped[UUID | None] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    sealed: Mapped[str] = mapped_column(Text)
    public_key: Mapped[str] = mapped_column(String(300))
    """As `authorized_keys` and the forges take it."""
    fingerprint: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[datetime] = mapped_column(default=now)
