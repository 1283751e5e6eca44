"""Nodes: which are emptied, and how far that is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "node_drains",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("node_id", sa.String(64), nullable=False),
        sa.Column("node_name", sa.String(255), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("units", JSONB(), nullable=False),
        sa.Column("moved", sa.Integer(), nullable=False),
        sa.Column("applied_at", moment),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("finished_at", moment),
        sa.CheckConstraint("state IN ('moving','drained','ended')", op.f("ck_node_drains_state")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], op.f("fk_node_drains_user_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_node_drains")),
    )
    op.create_index(
        "uq_node_drains_moving",
        "node_drains",
        ["node_id"],
        unique=True,
        postgresql_where=sa.text("state = 'moving'"),
    )
    op.create_index("ix_node_drains_node", "node_drains", ["node_id", "started_at"])


def downgrade() -> None:
    op.drop_table("node_drains")
