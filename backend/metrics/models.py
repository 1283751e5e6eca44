"""Samples of what units take: dense for a day, sparser for longer; see ADR 0037."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import REAL, BigInteger, ForeignKey, Index, Integer, SmallInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base

FINE, MIDDLE, COARSE = 15, 300, 3600
"""Seconds that a sample stands for."""
FROM = {MIDDLE: FINE, COARSE: MIDDLE}
"""Of which samples are those made that stand for longer."""


class MetricSeries(Base):
    """Whose the samples are: a number in their place spares most of what they would take."""

    __tablename__ = "metric_series"
    __table_args__ = (UniqueConstraint("service_id", "process", "replica"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    process: Mapped[str] = mapped_column(String(40))
    replica: Mapped[int] = mapped_column(SmallInteger)


class MetricSample(Base):
    __tablename__ = "metric_samples"
    __table_args__ = (Index(None, "step", "at"),)

    series_id: Mapped[int] = mapped_column(
        ForeignKey("metric_series.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    step: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    """Seconds that it stands for."""
    at: Mapped[datetime] = mapped_column(primary_key=True)
    """When they began."""
    cpu_millis: Mapped[float | None] = mapped_column(REAL)
    """On average, in thousandths of a core; null where there was nothing to compare with."""
    cpu_peak: Mapped[float | None] = mapped_column(REAL)
    memory_bytes: Mapped[int] = mapped_column(BigInteger)
    memory_peak: Mapped[int] = mapped_column(BigInteger)
    memory_limit: Mapped[int | None] = mapped_column(BigInteger)
    received: Mapped[float | None] = mapped_column(REAL)
    """Bytes a second; null also where the engine cannot tell."""
    sent: Mapped[float | None] = mapped_column(REAL)


class MetricCounter(Base):
    """What a unit's counters stood at when it was last looked at."""

    __tablename__ = "metric_counters"

    deployment_id: Mapped[UUID] = mapped_column(primary_key=True)
    process: Mapped[str] = mapped_column(String(40), primary_key=True)
    replica: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    life: Mapped[str] = mapped_column(String(80))
    """Another one has counted from zero."""
    at: Mapped[datetime] = mapped_column(index=True)
    cpu_seconds: Mapped[float]
    received_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sent_bytes: Mapped[int | None] = mapped_column(BigInteger)
