"""Backups of everyone are listed by state."""

from __future__ import annotations

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_backups_state_created_at_id"), "backups", ["state", "created_at", "id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_backups_state_created_at_id"), table_name="backups")
