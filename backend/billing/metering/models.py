"""From a service's changes to a charge: events → records → totals and charges."""

from __future__ import annotations

import enum
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, now

PLAN = "plan"
"""The meter of the plan; each add-on of a service has one of its own, with the add-on's name."""
UNITS = "units"
"""The meter of units beyond the first: each is one more plan, at the list price."""
TRAFFIC = "traffic"
"""The add-on that is counted, not timed (`backend.billing.traffic`)."""


class UsageKind(enum.StrEnum):
    STARTED = "started"
    RESIZED = "resized"
    """To another plan, or to more or less of an add-on."""
    REPRICED = "repriced"
    """The same at another price."""
    STOPPED = "stopped"
    DELETED = "deleted"


class UsageMeter(Base):
    """What is measured of a service now, and up to when it has been: the place where changes queue up.

    Whoever changes or reads out a meter holds its row, so that one comes after the other.
    """

    __tablename__ = "usage_meters"
    __table_args__ = (
        Index("ix_usage_meters_active", "metered_through", postgresql_where=text("price_id IS NOT NULL")),
        Index("ix_usage_meters_dirty", "dirty_from", postgresql_where=text("dirty_from IS NOT NULL")),
        Index(None, "project_id"),
    )

    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="RESTRICT"), primary_key=True)
    meter: Mapped[str] = mapped_column(String(60), primary_key=True)
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="RESTRICT"))
    price_id: Mapped[UUID | None] = mapped_column(ForeignKey("prices.id", ondelete="RESTRICT"))
    """None while nothing is charged."""
    quantity: Mapped[int] = mapped_column(Integer, default=0, server_default="1")
    """How many times the price."""
    kept_price_id: Mapped[UUID | None] = mapped_column(ForeignKey("prices.id", ondelete="RESTRICT"))
    """Of an add-on, which version the service pays as long as it has any of it, suspended or not."""
    events: Mapped[int] = mapped_column(Integer, default=0)
    changed_at: Mapped[datetime]
    """When its latest event occurred."""
    metered_through: Mapped[datetime]
    dirty_from: Mapped[datetime | None]
    """From when on events are not yet in the records."""


class UsageEvent(Base):
    """From `occurred_at` until the next event of its meter, `price_id` applies so many times as `quantity`
    says; None is nothing.
    """

    __tablename__ = "usage_events"
    __table_args__ = (
        CheckConstraint("kind IN ('started','resized','repriced','stopped','deleted')", name="kind"),
        CheckConstraint("(price_id IS NULL) = (kind IN ('stopped','deleted'))", name="price"),
        CheckConstraint("metered_seconds >= 0", name="metered_seconds"),
        CheckConstraint("price_id IS NULL OR quantity > 0", name="quantity"),
        UniqueConstraint("service_id", "meter", "number"),
        Index(None, "service_id", "meter", "occurred_at", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="RESTRICT"))
    meter: Mapped[str] = mapped_column(String(60))
    number: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(10))
    price_id: Mapped[UUID | None] = mapped_column(ForeignKey("prices.id", ondelete="RESTRICT"))
    quantity: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
    occurred_at: Mapped[datetime]
    """To the second: amounts are exact only if times are whole."""
    recorded_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    deployment_id: Mapped[UUID | None]
    job_id: Mapped[UUID | None]
    """What brought it about, if it was a job."""
    metered_seconds: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """How much of its span is in the records: the sum of theirs."""


class UsageRecord(Base):
    """A piece of one event's span within one day. Append-only: a late event takes time back by a record with
    less than zero seconds.
    """

    __tablename__ = "usage_records"
    __table_args__ = (
        CheckConstraint(
            "seconds <> 0 AND abs(seconds) = extract(epoch FROM to_at - from_at)", name="seconds"
        ),
        Index(None, "service_id", "day"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    service_id: Mapped[UUID]
    meter: Mapped[str] = mapped_column(String(60))
    price_id: Mapped[UUID]
    quantity: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
    event_id: Mapped[int] = mapped_column(BigInteger)
    day: Mapped[date]
    """In the time zone of billing."""
    from_at: Mapped[datetime]
    to_at: Mapped[datetime]
    seconds: Mapped[int] = mapped_column(Integer)


class UsageTotal(Base):
    """What is rated of a meter in a month, by price and quantity: all that the next charge comes from."""

    __tablename__ = "usage_totals"
    __table_args__ = (CheckConstraint("seconds >= 0", name="seconds"),)

    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="RESTRICT"), primary_key=True)
    meter: Mapped[str] = mapped_column(String(60), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    price_id: Mapped[UUID] = mapped_column(ForeignKey("prices.id", ondelete="RESTRICT"), primary_key=True)
    quantity: Mapped[int] = mapped_column(Integer, primary_key=True, default=1, server_default="1")
    seconds: Mapped[int] = mapped_column(BigInteger)


class UsageCharge(Base):
    """What a meter costs on one day at one price and quantity. Open until it is posted to the ledger, final
    afterwards; usage that comes in later makes another one.
    """

    __tablename__ = "usage_charges"
    __table_args__ = (
        CheckConstraint("(posted_at IS NULL) = (net IS NULL)", name="posted"),
        CheckConstraint("(net IS NULL) = (tax IS NULL)", name="tax"),
        Index(
            "uq_usage_charges_open",
            *("service_id", "meter", "price_id", "quantity", "day"),
            unique=True,
            postgresql_where=text("posted_at IS NULL"),
        ),
        Index("ix_usage_charges_due", "project_id", "day", postgresql_where=text("posted_at IS NULL")),
        Index(None, "project_id", "day", "id"),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID]
    """The service's. Neither it nor the price is checked for each of the rows that a run writes at once."""
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="RESTRICT"))
    meter: Mapped[str] = mapped_column(String(60))
    price_id: Mapped[UUID]
    quantity: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
    """How many times the price; of traffic, the units that it is for, below zero for those given back."""
    day: Mapped[date]
    currency: Mapped[str] = mapped_column(String(3))
    seconds: Mapped[int] = mapped_column(Integer)
    amount: Mapped[int] = mapped_column(BigInteger)
    """By the price, with or without tax in it as the price is."""
    net: Mapped[int | None] = mapped_column(BigInteger)
    tax: Mapped[int | None] = mapped_column(BigInteger)
    tax_key: Mapped[str | None] = mapped_column(String(60))
    """Which treatment the tax is by; the tax of all charges with the same is rounded as one sum."""
    transaction_id: Mapped[UUID | None]
    """In the ledger; none if it came to nothing."""
    posted_at: Mapped[datetime | None]


class UsagePosition(Base):
    """Up to which record rating has come."""

    __tablename__ = "usage_positions"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    record_id: Mapped[int] = mapped_column(BigInteger)
