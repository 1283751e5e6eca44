"""What can be ordered: plans (how much), templates (what), add-ons. Prices are `backend.billing.prices`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Integer, SmallInteger, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Timestamps


class Plan(Timestamps, Base):
    __tablename__ = "plans"
    __table_args__ = (CheckConstraint("memory_bytes > 0 AND disk_bytes > 0", name="amounts"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger)
    active: Mapped[bool]
    title: Mapped[dict[str, str]] = mapped_column(JSONB)
    memory_bytes: Mapped[int] = mapped_column(BigInteger)
    disk_bytes: Mapped[int] = mapped_column(BigInteger)
    cpu_millis: Mapped[int] = mapped_column(Integer)
    pids: Mapped[int] = mapped_column(Integer)
    traffic_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """Included in a month, of each unit; null: as much as there is."""


class Addon(Timestamps, Base):
    """What a service may have beside its plan. Its id is the meter that counts it (`billing.metering`)."""

    __tablename__ = "addons"
    __table_args__ = (CheckConstraint("id IN ('volume','address','backup','traffic')", name="id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger)
    active: Mapped[bool]
    unit: Mapped[str] = mapped_column(String(20))
    """What its price is for one of: `GiB` or `piece`."""
    title: Mapped[dict[str, str]] = mapped_column(JSONB)


class Template(Timestamps, Base):
    __tablename__ = "templates"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger)
    active: Mapped[bool]
    version: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(20))
    title: Mapped[dict[str, str]] = mapped_column(JSONB)
    description: Mapped[dict[str, str]] = mapped_column(JSONB)
    icon: Mapped[str] = mapped_column(String(40))
    example: Mapped[dict[str, str] | None] = mapped_column(JSONB)
    parameters: Mapped[list[Any]] = mapped_column(JSONB)
