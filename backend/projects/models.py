"""Projects own every customer resource; membership in one is the ownership filter of every dao."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, false, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from backend.database import Base, Id, Timestamps, now


class Project(Timestamps, Base):
    __tablename__ = "projects"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(100))
    personal: Mapped[bool] = mapped_column(default=False, server_default=false())

    members: Mapped[list[ProjectMember]] = relationship(back_populates="project", lazy="raise")


class ProjectMember(Base):
    __tablename__ = "project_members"
    __table_args__ = (
        CheckConstraint("role IN ('owner', 'developer', 'billing', 'viewer')", name="role"),
        Index(None, "user_id", "project_id"),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())

    project: Mapped[Project] = relationship(back_populates="members", lazy="raise")
