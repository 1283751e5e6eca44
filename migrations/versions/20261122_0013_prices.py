"""Price versions, coupons, taxes and what an order holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "coupons",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=7), nullable=False),
        sa.Column("percent", sa.SmallInteger(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("months", sa.SmallInteger(), nullable=True),
        sa.Column("first_order", sa.Boolean(), nullable=False),
        sa.Column("uses_limit", sa.Integer(), nullable=True),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("uses_per_project", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind = 'percent' AND percent BETWEEN 1 AND 100 OR kind = 'amount' AND amount_minor BETWEEN 1 AND 1000000000000 AND currency IS NOT NULL",
            name=op.f("ck_coupons_worth"),
        ),
        sa.CheckConstraint("months >= 1", name=op.f("ck_coupons_months")),
        sa.CheckConstraint(
            "uses >= 0 AND (uses_limit IS NULL OR uses <= uses_limit)", name=op.f("ck_coupons_uses")
        ),
        sa.CheckConstraint("uses_per_project >= 1", name=op.f("ck_coupons_uses_per_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupons")),
        sa.UniqueConstraint("code", name=op.f("uq_coupons_code")),
    )
    op.create_index(op.f("ix_coupons_created_at_id"), "coupons", ["created_at", "id"], unique=False)
    op.create_table(
        "coupon_redemptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("coupon_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("redeemed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("voided_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["coupon_id"], ["coupons.id"], name=op.f("fk_coupon_redemptions_coupon_id_coupons")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_coupon_redemptions_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_coupon_redemptions_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_coupon_redemptions_user_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupon_redemptions")),
        sa.UniqueConstraint("service_id", name=op.f("uq_coupon_redemptions_service_id")),
    )
    op.create_index(
        op.f("ix_coupon_redemptions_coupon_id_project_id"),
        "coupon_redemptions",
        ["coupon_id", "project_id"],
        unique=False,
    )
    op.create_index(
        "ix_coupon_redemptions_ends_at",
        "coupon_redemptions",
        ["ends_at"],
        unique=False,
        postgresql_where=sa.text("ends_at IS NOT NULL AND voided_at IS NULL"),
    )
    op.create_index(
        op.f("ix_coupon_redemptions_project_id_redeemed_at_id"),
        "coupon_redemptions",
        ["project_id", "redeemed_at", "id"],
        unique=False,
    )
    op.create_table(
        "prices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.String(length=40), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("month_minor", sa.BigInteger(), nullable=False),
        sa.Column("setup_minor", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("existing", sa.String(length=4), nullable=False),
        sa.Column("moves_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("list_price_id", sa.Uuid(), nullable=True),
        sa.Column("redemption_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "existing = 'keep' OR existing = 'move' AND moves_at IS NOT NULL", name=op.f("ck_prices_existing")
        ),
        sa.CheckConstraint(
            "source <> 'agreed' OR list_price_id IS NOT NULL AND redemption_id IS NOT NULL",
            name=op.f("ck_prices_agreed"),
        ),
        sa.CheckConstraint("source IN ('catalogue', 'admin', 'agreed')", name=op.f("ck_prices_source")),
        sa.CheckConstraint("month_minor BETWEEN 0 AND 1000000000000", name=op.f("ck_prices_month")),
        sa.CheckConstraint("setup_minor BETWEEN 0 AND 1000000000000", name=op.f("ck_prices_setup")),
        sa.ForeignKeyConstraint(
            ["list_price_id"], ["prices.id"], name=op.f("fk_prices_list_price_id_prices")
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_prices_plan_id_plans")),
        sa.ForeignKeyConstraint(
            ["redemption_id"],
            ["coupon_redemptions.id"],
            name=op.f("fk_prices_redemption_id_coupon_redemptions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prices")),
        sa.UniqueConstraint(
            "redemption_id", "list_price_id", name=op.f("uq_prices_redemption_id_list_price_id")
        ),
    )
    op.create_index("ix_prices_list_price", "prices", ["list_price_id"], unique=False)
    op.create_index(
        "ix_prices_moving",
        "prices",
        ["moves_at"],
        unique=False,
        postgresql_where=sa.text("existing = 'move' AND source <> 'agreed'"),
    )
    op.create_index(
        "uq_prices_version",
        "prices",
        ["plan_id", "currency", "valid_from"],
        unique=True,
        postgresql_where=sa.text("source <> 'agreed'"),
    )
    op.create_table(
        "tax_rates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("rate_millionths", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.String(length=300), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("rate_millionths BETWEEN 0 AND 1000000", name=op.f("ck_tax_rates_rate")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_rates")),
        sa.UniqueConstraint("country", "valid_from", name=op.f("uq_tax_rates_country_valid_from")),
    )
    op.create_table(
        "order_holds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("remaining_minor", sa.BigInteger(), nullable=False),
        sa.Column("covers_minor", sa.BigInteger(), nullable=False),
        sa.Column("setup_minor", sa.BigInteger(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "released_at IS NULL OR remaining_minor = 0", name=op.f("ck_order_holds_released")
        ),
        sa.CheckConstraint(
            "remaining_minor >= 0 AND setup_minor >= 0 AND covers_minor >= 0",
            name=op.f("ck_order_holds_amounts"),
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_order_holds_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f("fk_order_holds_service_id_services")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_holds")),
    )
    op.create_index(op.f("ix_order_holds_project_id"), "order_holds", ["project_id"], unique=False)
    op.create_index(
        "uq_order_holds_open",
        "order_holds",
        ["service_id"],
        unique=True,
        postgresql_where=sa.text("released_at IS NULL"),
    )
    # So far a plan had one price, and every service paid it.
    op.execute(
        """
        INSERT INTO prices (id, plan_id, currency, month_minor, setup_minor, valid_from, existing, source, created_at)
        SELECT gen_random_uuid(), id, currency, price_minor, 0, created_at, 'keep', 'catalogue', now() FROM plans
        """
    )
    op.add_column("services", sa.Column("price_id", sa.Uuid(), nullable=True))
    op.execute("UPDATE services SET price_id = prices.id FROM prices WHERE prices.plan_id = services.plan_id")
    op.create_index("ix_services_price_id", "services", ["price_id"])
    op.create_foreign_key(op.f("fk_services_price_id_prices"), "services", "prices", ["price_id"], ["id"])
    op.drop_constraint(op.f("ck_plans_amounts"), "plans", type_="check")
    op.create_check_constraint(op.f("ck_plans_amounts"), "plans", "memory_bytes > 0 AND disk_bytes > 0")
    op.drop_column("plans", "price_minor")
    op.drop_column("plans", "currency")


def downgrade() -> None:
    op.add_column("plans", sa.Column("price_minor", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("plans", sa.Column("currency", sa.String(length=3), server_default="EUR", nullable=False))
    op.execute(
        """
        UPDATE plans SET price_minor = newest.month_minor, currency = newest.currency
        FROM (
            SELECT DISTINCT ON (plan_id) plan_id, month_minor, currency FROM prices
            WHERE source <> 'agreed' AND valid_from <= now() ORDER BY plan_id, valid_from DESC
        ) AS newest WHERE newest.plan_id = plans.id
        """
    )
    op.alter_column("plans", "price_minor", server_default=None)
    op.alter_column("plans", "currency", server_default=None)
    op.drop_constraint(op.f("ck_plans_amounts"), "plans", type_="check")
    amounts = "price_minor >= 0 AND memory_bytes > 0 AND disk_bytes > 0"
    op.create_check_constraint(op.f("ck_plans_amounts"), "plans", amounts)
    op.drop_constraint(op.f("fk_services_price_id_prices"), "services", type_="foreignkey")
    op.drop_index("ix_services_price_id", "services")
    op.drop_column("services", "price_id")
    for table in ("order_holds", "prices", "coupon_redemptions", "coupons", "tax_rates"):
        op.drop_table(table)
