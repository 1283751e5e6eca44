"""A stack: the services that one order of a template made, and what belongs to all of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, Timestamps


class Stack(Timestamps, Base):
    __tablename__ = "stacks"
    __table_args__ = (Index(None, "project_id", "created_at", "id"),)

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String(40))
    """Of its main service; the others' names are made of it."""
    template_id: Mapped[str] = mapped_column(ForeignKey("templates.id"))
    version: Mapped[int]
    """Of the template, as it was ordered or upgraded to last."""
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """Those that are no secrets."""
    sealed: Mapped[str | None] = mapped_column(Text)
    """Parameters that are secrets and generated ones, as sealed JSON; gone when the stack is deleted."""
    deleted_at: Mapped[datetime | None]
    """When its deletion was asked for."""


class StackService(Base):
    """Which of the template's services a service is."""

    __tablename__ = "stack_services"
    __table_args__ = (Index("uq_stack_services_part", "stack_id", "part", unique=True),)

    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"), primary_key=True)
    stack_id: Mapped[UUID] = mapped_column(ForeignKey("stacks.id", ondelete="CASCADE"))
    part: Mapped[str] = mapped_column(String(20))
    needs: Mapped[list[str]] = mapped_column(JSONB)
    """Parts that have to be live before it is deployed."""
