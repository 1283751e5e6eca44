"""What a gateway took, when it was something else than was asked for; prices that were told of; what VIES said."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0032"
down_revision: str | None = "0031"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


VIES = {
    "vat_asked_at": sa.DateTime(timezone=True),
    "vat_result": sa.String(length=12),
    "vat_answered_at": sa.DateTime(timezone=True),
    "vat_consultation": sa.String(length=100),
    "vat_owner": sa.String(length=300),
}


def upgrade() -> None:
    op.add_column("payments", sa.Column("taken_amount", sa.BigInteger(), nullable=True))
    op.add_column("payments", sa.Column("taken_currency", sa.String(length=3), nullable=True))
    op.create_table(
        "price_notices",
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("price_id", sa.Uuid(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_price_notices_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["price_id"], ["prices.id"], name=op.f("fk_price_notices_price_id_prices"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("service_id", "price_id", name=op.f("pk_price_notices")),
    )
    op.create_index(op.f("ix_price_notices_price_id"), "price_notices", ["price_id"])
    for name, kind in VIES.items():
        op.add_column("billing_profiles", sa.Column(name, kind, nullable=True))
    op.create_check_constraint(
        op.f("ck_billing_profiles_vat_result"), "billing_profiles", "vat_result IN ('valid', 'invalid')"
    )
    op.create_index(
        "ix_billing_profiles_vies",
        "billing_profiles",
        ["vat_asked_at"],
        postgresql_where=sa.text("vat_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_billing_profiles_vies", table_name="billing_profiles")
    op.drop_constraint(op.f("ck_billing_profiles_vat_result"), "billing_profiles")
    for name in VIES:
        op.drop_column("billing_profiles", name)
    op.drop_table("price_notices")
    op.drop_column("payments", "taken_currency")
    op.drop_column("payments", "taken_amount")
