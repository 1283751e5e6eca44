"""Ports at which apps are open to the outside past HTTP."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Integer, UniqueConstraint, cast, func, select
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, now


class PublicPort(Base):
    """One of the installation's ports, as long as a service has it."""

    __tablename__ = "public_ports"
    __table_args__ = (
        CheckConstraint("port BETWEEN 1024 AND 65535", name="port"),
        UniqueConstraint("service_id"),
    )

    port: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(default=now)


SOLD = select(PublicPort.service_id, cast(func.count(), Integer)).group_by(PublicPort.service_id)
"""Services and how many public ports they have: what the meter `address` counts."""
