"""How a node is emptied: the swarm moves what is there, and this says how far it is."""

from __future__ import annotations

import enum
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, now


class DrainState(enum.StrEnum):
    MOVING = "moving"
    DRAINED = "drained"
    ENDED = "ended"
    """The node takes units again, or is gone."""


class NodeDrain(Base):
    __tablename__ = "node_drains"
    __table_args__ = (
        CheckConstraint("state IN ('moving','drained','ended')", name="state"),
        Index("uq_node_drains_moving", "node_id", unique=True, postgresql_where=text("state = 'moving'")),
        Index("ix_node_drains_node", "node_id", "started_at"),
    )

    id: Mapped[Id]
    node_id: Mapped[str] = mapped_column(String(64))
    node_name: Mapped[str] = mapped_column(String(255))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    state: Mapped[str] = mapped_column(String(10), default=DrainState.MOVING)
    units: Mapped[list[list[str]]] = mapped_column(JSONB)
    """What was there at the beginning: deployment, service and name of each unit."""
    moved: Mapped[int] = mapped_column(default=0)
    applied_at: Mapped[datetime | None]
    """Since when the swarm is known to know it: from then on, a node that takes units was told to."""
    started_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]
