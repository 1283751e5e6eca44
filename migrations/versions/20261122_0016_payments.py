"""Payments: saved methods, refunds, disputes, automatic top-ups, messages of gateways, bank transfers."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "bank_references",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.String(length=25), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_bank_references_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_bank_references")),
        sa.UniqueConstraint("reference", name=op.f("uq_bank_references_reference")),
    )
    op.create_table(
        "gateway_customers",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("gateway", sa.String(length=20), nullable=False),
        sa.Column("ref", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_gateway_customers_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("project_id", "gateway", name=op.f("pk_gateway_customers")),
    )
    op.create_table(
        "payment_methods",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("gateway", sa.String(length=20), nullable=False),
        sa.Column("gateway_ref", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("brand", sa.String(length=30), nullable=True),
        sa.Column("last4", sa.String(length=4), nullable=True),
        sa.Column("exp_month", sa.SmallInteger(), nullable=True),
        sa.Column("exp_year", sa.SmallInteger(), nullable=True),
        sa.Column("preferred", sa.Boolean(), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("detached_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_payment_methods_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_methods")),
    )
    op.create_index(
        op.f("ix_payment_methods_project_id_created_at_id"),
        "payment_methods",
        ["project_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_payment_methods_removed",
        "payment_methods",
        ["removed_at"],
        unique=False,
        postgresql_where=sa.text("removed_at IS NOT NULL AND detached_at IS NULL"),
    )
    op.create_index(
        "uq_payment_methods_gateway_ref",
        "payment_methods",
        ["gateway", "gateway_ref", "project_id"],
        unique=True,
    )
    op.create_index(
        "uq_payment_methods_preferred",
        "payment_methods",
        ["project_id"],
        unique=True,
        postgresql_where=sa.text("preferred AND removed_at IS NULL"),
    )
    op.create_table(
        "auto_top_ups",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("method_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("threshold", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("monthly_limit", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.SmallInteger(), nullable=False),
        sa.Column("paused_code", sa.String(length=60), nullable=True),
        sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ceiling_told", sa.Date(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "threshold >= 0 AND amount > 0 AND monthly_limit >= amount", name=op.f("ck_auto_top_ups_amounts")
        ),
        sa.ForeignKeyConstraint(
            ["method_id"], ["payment_methods.id"], name=op.f("fk_auto_top_ups_method_id_payment_methods")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_auto_top_ups_project_id_projects")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_auto_top_ups_user_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_auto_top_ups")),
    )
    op.create_index(
        "ix_auto_top_ups_due",
        "auto_top_ups",
        ["next_check_at"],
        unique=False,
        postgresql_where=sa.text("paused_code IS NULL"),
    )
    op.create_table(
        "method_setups",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("gateway", sa.String(length=20), nullable=False),
        sa.Column("gateway_ref", sa.String(length=120), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("failure_code", sa.String(length=60), nullable=True),
        sa.Column("action_url", sa.Text(), nullable=True),
        sa.Column("method_id", sa.Uuid(), nullable=True),
        sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checks", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state IN ('accepted','pending','requires_action','succeeded','failed','cancelled')",
            name=op.f("ck_method_setups_state"),
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_method_setups_job_id_jobs"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["method_id"],
            ["payment_methods.id"],
            name=op.f("fk_method_setups_method_id_payment_methods"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_method_setups_project_id_projects")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_method_setups_user_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_method_setups")),
    )
    op.create_index(
        "ix_method_setups_due",
        "method_setups",
        ["next_check_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('accepted', 'pending', 'requires_action')"),
    )
    op.create_index(op.f("ix_method_setups_job_id"), "method_setups", ["job_id"], unique=True)
    op.create_index(op.f("ix_method_setups_project_id"), "method_setups", ["project_id"], unique=False)
    op.create_index("uq_method_setups_gateway_ref", "method_setups", ["gateway", "gateway_ref"], unique=True)
    op.create_table(
        "payments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("gateway", sa.String(length=20), nullable=False),
        sa.Column("method_id", sa.Uuid(), nullable=True),
        sa.Column("save_method", sa.Boolean(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("refunded", sa.BigInteger(), nullable=False),
        sa.Column("refunding", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("failure_code", sa.String(length=60), nullable=True),
        sa.Column("gateway_ref", sa.String(length=120), nullable=True),
        sa.Column("charge_ref", sa.String(length=120), nullable=True),
        sa.Column("action_url", sa.Text(), nullable=True),
        sa.Column("method_words", sa.String(length=60), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checks", sa.SmallInteger(), nullable=False),
        sa.Column("pay_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state IN ('accepted','pending','requires_action','succeeded','failed','cancelled','review')",
            name=op.f("ck_payments_state"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payments_amount")),
        sa.CheckConstraint(
            "refunded >= 0 AND refunding >= 0 AND refunded + refunding <= amount",
            name=op.f("ck_payments_refunded"),
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_payments_job_id_jobs"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["method_id"],
            ["payment_methods.id"],
            name=op.f("fk_payments_method_id_payment_methods"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_payments_project_id_projects")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_payments_user_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
    )
    op.create_index(op.f("ix_payments_created_at_id"), "payments", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_payments_due",
        "payments",
        ["next_check_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('accepted', 'pending', 'requires_action')"),
    )
    op.create_index(
        op.f("ix_payments_gateway_charge_ref"), "payments", ["gateway", "charge_ref"], unique=False
    )
    op.create_index(
        op.f("ix_payments_gateway_created_at_id"),
        "payments",
        ["gateway", "created_at", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_payments_job_id"), "payments", ["job_id"], unique=True)
    op.create_index(
        op.f("ix_payments_project_id_created_at_id"),
        "payments",
        ["project_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_payments_state_created_at_id"), "payments", ["state", "created_at", "id"], unique=False
    )
    op.create_index(
        "uq_payments_automatic",
        "payments",
        ["project_id"],
        unique=True,
        postgresql_where=sa.text("automatic AND state IN ('accepted', 'pending', 'requires_action')"),
    )
    op.create_index("uq_payments_gateway_ref", "payments", ["gateway", "gateway_ref"], unique=True)
    op.create_table(
        "bank_lines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.String(length=500), nullable=False),
        sa.Column("payer", sa.String(length=200), nullable=False),
        sa.Column("bank_ref", sa.String(length=120), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=True),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("imported_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "(state = 'matched') = (payment_id IS NOT NULL)", name=op.f("ck_bank_lines_payment")
        ),
        sa.CheckConstraint("state IN ('matched','unmatched','ignored')", name=op.f("ck_bank_lines_state")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_bank_lines_amount")),
        sa.ForeignKeyConstraint(
            ["imported_by"], ["users.id"], name=op.f("fk_bank_lines_imported_by_users"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_bank_lines_payment_id_payments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_lines")),
        sa.UniqueConstraint("digest", name=op.f("uq_bank_lines_digest")),
    )
    op.create_index(op.f("ix_bank_lines_imported_at_id"), "bank_lines", ["imported_at", "id"], unique=False)
    op.create_index(op.f("ix_bank_lines_payment_id"), "bank_lines", ["payment_id"], unique=True)
    op.create_index(
        op.f("ix_bank_lines_state_imported_at_id"), "bank_lines", ["state", "imported_at", "id"], unique=False
    )
    op.create_table(
        "disputes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("gateway", sa.String(length=20), nullable=False),
        sa.Column("gateway_ref", sa.String(length=120), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=60), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("taken", sa.Boolean(), nullable=False),
        sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('inquiry','open','won','lost')", name=op.f("ck_disputes_state")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_disputes_amount")),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_disputes_payment_id_payments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disputes")),
    )
    op.create_index(
        "ix_disputes_due",
        "disputes",
        ["next_check_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('inquiry', 'open')"),
    )
    op.create_index(op.f("ix_disputes_payment_id"), "disputes", ["payment_id"], unique=False)
    op.create_index("uq_disputes_gateway_ref", "disputes", ["gateway", "gateway_ref"], unique=True)
    op.create_table(
        "gateway_messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("gateway", sa.String(length=20), nullable=False),
        sa.Column("event_id", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("about", sa.String(length=20), nullable=False),
        sa.Column("ref", sa.String(length=120), nullable=True),
        sa.Column("owner", sa.Uuid(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("copies", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "state IN ('received','applied','ignored','unknown','failed')",
            name=op.f("ck_gateway_messages_state"),
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"],
            ["payments.id"],
            name=op.f("fk_gateway_messages_payment_id_payments"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_messages")),
    )
    op.create_index(
        "ix_gateway_messages_due",
        "gateway_messages",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("state = 'received'"),
    )
    op.create_index(op.f("ix_gateway_messages_payment_id"), "gateway_messages", ["payment_id"], unique=False)
    op.create_index(
        op.f("ix_gateway_messages_received_at_id"), "gateway_messages", ["received_at", "id"], unique=False
    )
    op.create_index(
        op.f("ix_gateway_messages_state_received_at_id"),
        "gateway_messages",
        ["state", "received_at", "id"],
        unique=False,
    )
    op.create_index("uq_gateway_messages_event", "gateway_messages", ["gateway", "event_id"], unique=True)
    op.create_table(
        "refunds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("failure_code", sa.String(length=60), nullable=True),
        sa.Column("gateway_ref", sa.String(length=120), nullable=True),
        sa.Column("at_gateway", sa.Boolean(), nullable=False),
        sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checks", sa.SmallInteger(), nullable=False),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('pending','succeeded','failed')", name=op.f("ck_refunds_state")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_refunds_amount")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_refunds_job_id_jobs"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_refunds_payment_id_payments")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_refunds_user_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
    )
    op.create_index(
        "ix_refunds_due",
        "refunds",
        ["next_check_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(op.f("ix_refunds_job_id"), "refunds", ["job_id"], unique=True)
    op.create_index(
        op.f("ix_refunds_payment_id_gateway_ref"), "refunds", ["payment_id", "gateway_ref"], unique=True
    )


def downgrade() -> None:
    op.drop_table("refunds")
    op.drop_table("gateway_messages")
    op.drop_table("disputes")
    op.drop_table("bank_lines")
    op.drop_table("payments")
    op.drop_table("method_setups")
    op.drop_table("auto_top_ups")
    op.drop_table("payment_methods")
    op.drop_table("gateway_customers")
    op.drop_table("bank_references")
