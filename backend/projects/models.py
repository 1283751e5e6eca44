"""Projects own every customer resource; membership in one is the ownership filter of every dao."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    false,
    func,
    literal_column,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from backend.database import Base, Id, Timestamps, now

WORDS: ColumnElement[str] = literal_column(
    "to_tsvector('simple'::regconfig, translate(name::text, '@.+-_/'::text, '      '::text))"
)
"""The words of a project's name, by whose beginnings administrators find it, as they find people."""


class Project(Timestamps, Base):
    __tablename__ = "projects"
    __table_args__ = (Index("ix_projects_words", WORDS, postgresql_using="gin"),)

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(100))
    personal: Mapped[bool] = mapped_column(default=False, server_default=false())
    deleted_at: Mapped[datetime | None]
    """A deleted project has no members; its orders and jobs refer to it for ever."""

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


class Invitation(Base):
    """A link that makes whoever opens it a member, once. Open until accepted, revoked or expired."""

    __tablename__ = "project_invitations"
    __table_args__ = (
        CheckConstraint("role IN ('owner', 'developer', 'billing', 'viewer')", name="role"),
        Index(
            "uq_project_invitations_open",
            "project_id",
            "email",
            unique=True,
            postgresql_where=text("accepted_at IS NULL AND revoked_at IS NULL"),
        ),
        Index(None, "project_id", "created_at", "id"),
        Index(None, "expires_at"),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    email: Mapped[str] = mapped_column(String(254))
    role: Mapped[str] = mapped_column(String(20))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    invited_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    accepted_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    revoked_at: Mapped[datetime | None]
