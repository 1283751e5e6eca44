"""Previews of forks are in a network of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("services", sa.Column("apart", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute(
        "UPDATE services SET apart = true FROM pull_requests"
        " WHERE pull_requests.preview_id = services.id AND pull_requests.fork"
    )
    op.alter_column("services", "apart", server_default=None)


def downgrade() -> None:
    op.drop_column("services", "apart")
