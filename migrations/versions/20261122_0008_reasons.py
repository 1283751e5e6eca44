"""Reasons for programs: a service's code, and the values that a reason's words are made of."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

PARAMETERS = (
    ("services", "status_reason_parameters"),
    ("deployments", "reason_parameters"),
    ("jobs", "error_parameters"),
)


def upgrade() -> None:
    op.add_column("services", sa.Column("status_reason_code", sa.String(length=60), nullable=True))
    for table, column in PARAMETERS:
        op.add_column(table, sa.Column(column, postgresql.JSONB(astext_type=sa.Text()), nullable=True))


def downgrade() -> None:
    for table, column in PARAMETERS:
        op.drop_column(table, column)
    op.drop_column("services", "status_reason_code")
