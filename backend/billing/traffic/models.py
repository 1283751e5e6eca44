"""How far the edge's logs are counted, and what was counted."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, now


class TrafficLog(Base):
    """A log file and up to where it is counted, written with the counts themselves.

    What tells files apart is their first line, which holds a random id of a request: so a file is known by
    whatever name, and one that was emptied is another.
    """

    __tablename__ = "traffic_logs"
    __table_args__ = (CheckConstraint("counted >= 0", name="counted"), Index(None, "seen_at"))

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    counted: Mapped[int] = mapped_column(BigInteger)
    """Bytes of it that are counted: whole lines."""
    seen_at: Mapped[datetime] = mapped_column(default=now)


class TrafficDay(Base):
    """What came in and went out for a service on a day, in the time zone of billing."""

    __tablename__ = "traffic_days"
    __table_args__ = (CheckConstraint("requests > 0 AND received >= 0 AND sent >= 0", name="amounts"),)

    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="RESTRICT"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    requests: Mapped[int] = mapped_column(BigInteger)
    received: Mapped[int] = mapped_column(BigInteger)
    sent: Mapped[int] = mapped_column(BigInteger)


class TrafficMonth(Base):
    """A service's traffic in a month, and what of it is charged."""

    __tablename__ = "traffic_months"
    __table_args__ = (
        CheckConstraint("bytes >= 0 AND charged_units >= 0", name="amounts"),
        # What a run looks for.
        Index(
            "ix_traffic_months_unrated",
            "month",
            postgresql_where=text("rated_bytes IS DISTINCT FROM bytes"),
        ),
    )

    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="RESTRICT"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    """Both ways."""
    rated_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """What `bytes` was when it was charged; none before the month is over."""
    included_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """What the plan included, when it was charged."""
    price_id: Mapped[UUID | None] = mapped_column(ForeignKey("prices.id", ondelete="RESTRICT"))
    """By which it is charged, later finds too."""
    charged_units: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
