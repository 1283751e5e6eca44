"""Which engine has a release, so that after a change of it nobody is told that the app crashed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deployments", sa.Column("engine", sa.String(20)))


def downgrade() -> None:
    op.drop_column("deployments", "engine")
