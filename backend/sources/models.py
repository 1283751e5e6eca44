"""What private repositories are read with: a token over https, a key pair over ssh."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, text
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


class RegistryLogin(Base):
    """What one registry of images is shown, and no other: of a service's own image, or of its base images."""

    __tablename__ = "registry_logins"

    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"), primary_key=True)
    host: Mapped[str] = mapped_column(String(300), primary_key=True)
    """`ghcr.io`, or `registry.example.com:5000`."""
    username: Mapped[str] = mapped_column(String(200))
    sealed: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class SourceArchive(Base):
    """An uploaded source, whose file bears its id; without a service it waits for an order."""

    __tablename__ = "source_archives"
    __table_args__ = (
        Index("ix_source_archives_service", "service_id"),
        Index("ix_source_archives_project", "project_id"),
        Index("ix_source_archives_created", "created_at"),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    service_id: Mapped[UUID | None] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(200))
    """Of the file, as its owner calls it."""
    digest: Mapped[str] = mapped_column(String(80))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    files: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=now)
