"""Add-ons and quantities, and the traffic of services."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

QUANTIFIED = ("usage_meters", "usage_events", "usage_records", "usage_totals", "usage_charges")
OPEN_CHARGE = ("service_id", "meter", "price_id", "quantity", "day")


def upgrade() -> None:
    op.create_table(
        "addons",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("unit", sa.String(length=20), nullable=False),
        sa.Column("title", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("id IN ('volume','address','backup','traffic')", name=op.f("ck_addons_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_addons")),
    )
    op.add_column("plans", sa.Column("traffic_bytes", sa.BigInteger(), nullable=True))
    _prices()
    _quantities()
    _traffic()


def _prices() -> None:
    op.add_column("prices", sa.Column("addon_id", sa.String(length=40), nullable=True))
    op.create_foreign_key(op.f("fk_prices_addon_id_addons"), "prices", "addons", ["addon_id"], ["id"])
    op.alter_column("prices", "plan_id", nullable=True)
    op.create_check_constraint(op.f("ck_prices_item"), "prices", "num_nonnulls(plan_id, addon_id) = 1")
    op.create_check_constraint(
        op.f("ck_prices_addon"), "prices", "addon_id IS NULL OR source <> 'agreed' AND setup_minor = 0"
    )
    op.create_index(
        "uq_prices_addon_version",
        "prices",
        ["addon_id", "currency", "valid_from"],
        unique=True,
        postgresql_where=sa.text("addon_id IS NOT NULL"),
    )


def _quantities() -> None:
    for table in QUANTIFIED:
        op.add_column(table, sa.Column("quantity", sa.Integer(), server_default="1", nullable=False))
    op.add_column("usage_meters", sa.Column("kept_price_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_usage_meters_kept_price_id_prices"),
        *("usage_meters", "prices", ["kept_price_id"], ["id"]),
        ondelete="RESTRICT",
    )
    op.create_check_constraint(
        op.f("ck_usage_events_quantity"), "usage_events", "price_id IS NULL OR quantity > 0"
    )
    _key_of_totals("service_id", "meter", "month", "price_id", "quantity")
    _key_of_open_charges(*OPEN_CHARGE)


def _traffic() -> None:
    op.create_table(
        "traffic_logs",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("counted", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("counted >= 0", name=op.f("ck_traffic_logs_counted")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_traffic_logs")),
    )
    op.create_index(op.f("ix_traffic_logs_seen_at"), "traffic_logs", ["seen_at"], unique=False)
    op.create_table(
        "traffic_days",
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("sent", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "requests > 0 AND received >= 0 AND sent >= 0", name=op.f("ck_traffic_days_amounts")
        ),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_traffic_days_service_id_services"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("service_id", "day", name=op.f("pk_traffic_days")),
    )
    op.create_table(
        "traffic_months",
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("rated_bytes", sa.BigInteger(), nullable=True),
        sa.Column("included_bytes", sa.BigInteger(), nullable=True),
        sa.Column("price_id", sa.Uuid(), nullable=True),
        sa.Column("charged_units", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("bytes >= 0 AND charged_units >= 0", name=op.f("ck_traffic_months_amounts")),
        sa.ForeignKeyConstraint(
            ["price_id"], ["prices.id"], name=op.f("fk_traffic_months_price_id_prices"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_traffic_months_service_id_services"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("service_id", "month", name=op.f("pk_traffic_months")),
    )
    op.create_index(
        "ix_traffic_months_unrated",
        "traffic_months",
        ["month"],
        unique=False,
        postgresql_where=sa.text("rated_bytes IS DISTINCT FROM bytes"),
    )


def _key_of_totals(*columns: str) -> None:
    op.drop_constraint(op.f("pk_usage_totals"), "usage_totals", type_="primary")
    op.create_primary_key(op.f("pk_usage_totals"), "usage_totals", list(columns))


def _key_of_open_charges(*columns: str) -> None:
    op.drop_index("uq_usage_charges_open", table_name="usage_charges")
    op.create_index(
        "uq_usage_charges_open",
        "usage_charges",
        list(columns),
        unique=True,
        postgresql_where=sa.text("posted_at IS NULL"),
    )


def downgrade() -> None:
    for table in ("traffic_months", "traffic_days", "traffic_logs"):
        op.drop_table(table)
    _key_of_open_charges(*(column for column in OPEN_CHARGE if column != "quantity"))
    _key_of_totals("service_id", "meter", "month", "price_id")
    op.drop_constraint(op.f("ck_usage_events_quantity"), "usage_events", type_="check")
    op.drop_constraint(op.f("fk_usage_meters_kept_price_id_prices"), "usage_meters", type_="foreignkey")
    op.drop_column("usage_meters", "kept_price_id")
    for table in QUANTIFIED:
        op.drop_column(table, "quantity")
    op.drop_index("uq_prices_addon_version", table_name="prices")
    for check in ("addon", "item"):
        op.drop_constraint(op.f(f"ck_prices_{check}"), "prices", type_="check")
    # What was charged by one refers to it, and then there is no way back.
    op.execute("DELETE FROM prices WHERE addon_id IS NOT NULL")
    op.alter_column("prices", "plan_id", nullable=False)
    op.drop_constraint(op.f("fk_prices_addon_id_addons"), "prices", type_="foreignkey")
    op.drop_column("prices", "addon_id")
    op.drop_column("plans", "traffic_bytes")
    op.drop_table("addons")
