"""Invitations to projects, roles that an administrator edits, view-as."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("oauth_sessions", sa.Column("acting_id", sa.Uuid(), nullable=True))
    op.create_index(op.f("ix_oauth_sessions_acting_id"), "oauth_sessions", ["acting_id"], unique=False)
    op.create_foreign_key(
        op.f("fk_oauth_sessions_acting_id_users"),
        "oauth_sessions",
        "users",
        ["acting_id"],
        ["id"],
        ondelete="CASCADE",
    )


def downgrade() -> None:
    op.drop_constraint(op.f("fk_oauth_sessions_acting_id_users"), "oauth_sessions", type_="foreignkey")
    op.drop_index(op.f("ix_oauth_sessions_acting_id"), table_name="oauth_sessions")
    op.drop_column("oauth_sessions", "acting_id")
