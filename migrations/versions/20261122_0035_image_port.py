"""A build that is used again says itself on which port it listens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deployments", sa.Column("image_port", sa.Integer(), nullable=True))
    op.execute("UPDATE deployments SET image_port = port WHERE build_id = id")


def downgrade() -> None:
    op.drop_column("deployments", "image_port")
