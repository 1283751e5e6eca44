"""Ports of services open to the outside, and whom a full volume was told to."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0033"
down_revision: str | None = "0032"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "public_ports",
        sa.Column("port", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("port BETWEEN 1024 AND 65535", name=op.f("ck_public_ports_port")),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_public_ports_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("port", name=op.f("pk_public_ports")),
        sa.UniqueConstraint("service_id", name=op.f("uq_public_ports_service_id")),
    )
    op.add_column("volumes", sa.Column("told_full_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("volumes", "told_full_at")
    op.drop_table("public_ports")
