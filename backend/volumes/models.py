"""What releases of a service find in their file system: volumes, and secret files."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    cast,
    func,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, Timestamps, now

GIB = 2**30


class Volume(Timestamps, Base):
    """Its row goes only after its data is gone."""

    __tablename__ = "volumes"
    __table_args__ = (
        CheckConstraint("size_bytes > 0", name="size"),
        UniqueConstraint("service_id", "name"),
        UniqueConstraint("service_id", "path"),
        Index(None, "project_id"),
        Index("ix_volumes_removal", "service_id", postgresql_where=text("removal_requested_at IS NOT NULL")),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="RESTRICT"))
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String(40))
    path: Mapped[str] = mapped_column(String(500))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    """What is asked for, and paid for."""
    node: Mapped[str | None] = mapped_column(String(64))
    """Of the engine; None before it was made."""
    bounded: Mapped[bool | None]
    """Whether the kernel refuses what does not fit."""
    made_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    """The size that the engine was last seen to have given it."""
    used_bytes: Mapped[int | None] = mapped_column(BigInteger)
    capacity_bytes: Mapped[int | None] = mapped_column(BigInteger)
    measured_at: Mapped[datetime | None]
    told_full_at: Mapped[datetime | None]
    """When its people were told that it is nearly full; forgotten once it is not."""
    removal_requested_at: Mapped[datetime | None]
    """From then on no new release mounts it; it is deleted once none does."""
    removal_began_at: Mapped[datetime | None]
    """From then on nothing of its data may be counted on."""


class DeploymentVolume(Base):
    """What a release was started with."""

    __tablename__ = "deployment_volumes"
    __table_args__ = (Index(None, "volume_id"),)

    deployment_id: Mapped[UUID] = mapped_column(
        ForeignKey("deployments.id", ondelete="CASCADE"), primary_key=True
    )
    volume_id: Mapped[UUID] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(String(500))


class ServiceFile(Base):
    """A secret file; its content is sealed."""

    __tablename__ = "service_files"
    __table_args__ = (UniqueConstraint("service_id", "path"),)

    id: Mapped[Id]
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(String(500))
    sealed: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(Integer)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class DeploymentFiles(Base):
    """The secret files of a release, all of them as one sealed text; beside its row, for they are large."""

    __tablename__ = "deployment_files"

    deployment_id: Mapped[UUID] = mapped_column(
        ForeignKey("deployments.id", ondelete="CASCADE"), primary_key=True
    )
    sealed: Mapped[str] = mapped_column(Text)


SOLD = select(Volume.service_id, cast(func.sum(func.ceil(Volume.size_bytes / float(GIB))), Integer)).group_by(
    Volume.service_id
)
"""Services and the GiB of their volumes, each rounded up for itself: what the meter `volume` counts."""
