"""Terminals in units: their tickets, and the record of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "consoles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ticket_hash", sa.LargeBinary(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("process", sa.String(40), nullable=False),
        sa.Column("replica", sa.SmallInteger(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("opened_at", moment),
        sa.Column("seen_at", moment),
        sa.Column("closed_at", moment),
        sa.Column("ended", sa.String(20)),
        sa.CheckConstraint("closed_at IS NULL OR opened_at IS NOT NULL", op.f("ck_consoles_opened")),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], op.f("fk_consoles_service_id_services"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], op.f("fk_consoles_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consoles")),
        sa.UniqueConstraint("ticket_hash", name=op.f("uq_consoles_ticket_hash")),
    )
    op.create_index(
        "ix_consoles_open",
        "consoles",
        ["user_id"],
        postgresql_where=sa.text("opened_at IS NOT NULL AND closed_at IS NULL"),
    )
    op.create_index("ix_consoles_created", "consoles", ["created_at"])
    op.create_index("ix_consoles_service", "consoles", ["service_id"])


def downgrade() -> None:
    op.drop_table("consoles")
