"""Prices and their versions, coupons, tax rates, and what orders hold."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, Timestamps, now

LARGEST_MINOR = 10**12
"""No price is beyond it: a thousand of them still are an amount (`backend.billing.money.LARGEST`)."""


class Price(Base):
    """What a plan or an add-on costs in a currency from a moment on; never changed, only followed by the next
    version.

    An `agreed` one is a service's own: a list price lowered by its coupon.
    """

    __tablename__ = "prices"
    __table_args__ = (
        CheckConstraint(f"month_minor BETWEEN 0 AND {LARGEST_MINOR}", name="month"),
        CheckConstraint(f"setup_minor BETWEEN 0 AND {LARGEST_MINOR}", name="setup"),
        CheckConstraint("existing = 'keep' OR existing = 'move' AND moves_at IS NOT NULL", name="existing"),
        CheckConstraint("source IN ('catalogue', 'admin', 'agreed')", name="source"),
        CheckConstraint(
            "source <> 'agreed' OR list_price_id IS NOT NULL AND redemption_id IS NOT NULL", name="agreed"
        ),
        Index(
            "uq_prices_version",
            *("plan_id", "currency", "valid_from"),
            unique=True,
            postgresql_where=text("source <> 'agreed'"),
        ),
        CheckConstraint("num_nonnulls(plan_id, addon_id) = 1", name="item"),
        CheckConstraint("addon_id IS NULL OR source <> 'agreed' AND setup_minor = 0", name="addon"),
        Index(
            "uq_prices_addon_version",
            *("addon_id", "currency", "valid_from"),
            unique=True,
            postgresql_where=text("addon_id IS NOT NULL"),
        ),
        Index(
            "ix_prices_moving",
            "moves_at",
            postgresql_where=text("existing = 'move' AND source <> 'agreed'"),
        ),
        Index("ix_prices_list_price", "list_price_id"),
        UniqueConstraint("redemption_id", "list_price_id"),
    )

    id: Mapped[Id]
    plan_id: Mapped[str | None] = mapped_column(ForeignKey("plans.id"))
    addon_id: Mapped[str | None] = mapped_column(ForeignKey("addons.id"))
    currency: Mapped[str] = mapped_column(String(3))
    month_minor: Mapped[int] = mapped_column(BigInteger)
    """Of an add-on for each unit; of traffic not for a month, but for each unit that went through."""
    setup_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    """Once, when a service of it goes live for the first time."""
    valid_from: Mapped[datetime]
    """Until the next version of the same in this currency."""
    valid_until: Mapped[datetime | None]
    """When it was withdrawn without a next version: it is offered in this currency no more."""
    existing: Mapped[str] = mapped_column(String(4), default="keep")
    """Whether services with an earlier version keep it, or move to this one at `moves_at`."""
    moves_at: Mapped[datetime | None]
    source: Mapped[str] = mapped_column(String(10))
    list_price_id: Mapped[UUID | None] = mapped_column(ForeignKey("prices.id"))
    redemption_id: Mapped[UUID | None] = mapped_column(ForeignKey("coupon_redemptions.id"))
    created_at: Mapped[datetime] = mapped_column(default=now)


class PriceNotice(Base):
    """A service's customers were told that it moves to that version."""

    __tablename__ = "price_notices"
    __table_args__ = (Index(None, "price_id"),)

    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"), primary_key=True)
    price_id: Mapped[UUID] = mapped_column(ForeignKey("prices.id", ondelete="CASCADE"), primary_key=True)
    """One to come may be withdrawn, and this with it."""
    told_at: Mapped[datetime] = mapped_column(default=now)


class Coupon(Timestamps, Base):
    """A code that lowers what a service costs."""

    __tablename__ = "coupons"
    __table_args__ = (
        CheckConstraint(
            "kind = 'percent' AND percent BETWEEN 1 AND 100"
            f" OR kind = 'amount' AND amount_minor BETWEEN 1 AND {LARGEST_MINOR} AND currency IS NOT NULL",
            name="worth",
        ),
        CheckConstraint("months >= 1", name="months"),
        CheckConstraint("uses >= 0 AND (uses_limit IS NULL OR uses <= uses_limit)", name="uses"),
        CheckConstraint("uses_per_project >= 1", name="uses_per_project"),
        Index(None, "created_at", "id"),
    )

    id: Mapped[Id]
    code: Mapped[str] = mapped_column(String(40), unique=True)
    kind: Mapped[str] = mapped_column(String(7))
    percent: Mapped[int | None] = mapped_column(SmallInteger)
    """Off the month's price and the set-up fee."""
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    """Off the month's price, for each month."""
    currency: Mapped[str | None] = mapped_column(String(3))
    months: Mapped[int | None] = mapped_column(SmallInteger)
    """For how long, from the service's first going live; null: as long as it lives."""
    first_order: Mapped[bool] = mapped_column(default=False)
    uses_limit: Mapped[int | None] = mapped_column(Integer)
    uses: Mapped[int] = mapped_column(Integer, default=0)
    uses_per_project: Mapped[int] = mapped_column(Integer, default=1)
    expires_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    """Taken back by an administrator: nobody may use it any more, those who did keep what it gave."""
    note: Mapped[str] = mapped_column(String(200), default="")


class CouponRedemption(Base):
    """A coupon that a service was ordered with."""

    __tablename__ = "coupon_redemptions"
    __table_args__ = (
        Index(None, "coupon_id", "project_id"),
        Index(None, "project_id", "redeemed_at", "id"),
        Index(
            "ix_coupon_redemptions_ends_at",
            "ends_at",
            postgresql_where=text("ends_at IS NOT NULL AND voided_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    coupon_id: Mapped[UUID] = mapped_column(ForeignKey("coupons.id"))
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"), unique=True)
    redeemed_at: Mapped[datetime] = mapped_column(default=now)
    ends_at: Mapped[datetime | None]
    """Known once the service went live."""
    voided_at: Mapped[datetime | None]
    """The service was deleted before it ever went live: the coupon counts as unused."""


class TaxRate(Base):
    """A country's standard rate from a day on."""

    __tablename__ = "tax_rates"
    __table_args__ = (
        CheckConstraint("rate_millionths BETWEEN 0 AND 1000000", name="rate"),
        UniqueConstraint("country", "valid_from"),
    )

    id: Mapped[Id]
    country: Mapped[str] = mapped_column(String(2))
    rate_millionths: Mapped[int] = mapped_column(Integer)
    valid_from: Mapped[datetime]
    source: Mapped[str] = mapped_column(String(300))
    """Where the rate is from, for whoever checks it."""
    created_at: Mapped[datetime] = mapped_column(default=now)


class OrderHold(Timestamps, Base):
    """What a service keeps aside of its project's balance: set-up fee and first period.

    Charges take from it first; what is left is released when the service ends, or never came to be.
    """

    __tablename__ = "order_holds"
    __table_args__ = (
        CheckConstraint("remaining_minor >= 0 AND setup_minor >= 0 AND covers_minor >= 0", name="amounts"),
        CheckConstraint("released_at IS NULL OR remaining_minor = 0", name="released"),
        Index("uq_order_holds_open", "service_id", unique=True, postgresql_where=text("released_at IS NULL")),
        Index(None, "project_id"),
    )

    id: Mapped[Id]
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id"))
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    currency: Mapped[str] = mapped_column(String(3))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    """All that was ever put in."""
    remaining_minor: Mapped[int] = mapped_column(BigInteger)
    covers_minor: Mapped[int] = mapped_column(BigInteger)
    """The month with tax that a period was held of; a dearer plan needs the difference."""
    setup_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    """What of it is for the set-up fee, until that is charged."""
    steps: Mapped[int] = mapped_column(Integer, default=0)
    """Counts its postings, for their keys."""
    released_at: Mapped[datetime | None]
