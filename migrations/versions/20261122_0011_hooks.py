"""Push to deploy: what a service's hooks are, and what came in through them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "push_hooks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("watch_paths", postgresql.ARRAY(sa.String(length=200)), nullable=False),
        sa.Column("secret", sa.Text(), nullable=True),
        sa.Column("secret_set_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("token_set_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_push_hooks_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_hooks")),
        sa.UniqueConstraint("service_id", name=op.f("uq_push_hooks_service_id")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_push_hooks_token_hash")),
    )
    op.create_table(
        "hook_deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("forge", sa.String(length=10), nullable=True),
        sa.Column("event", sa.String(length=60), nullable=False),
        sa.Column("delivery_id", sa.String(length=100), nullable=True),
        sa.Column("branch", sa.String(length=200), nullable=True),
        sa.Column("commit", sa.String(length=64), nullable=True),
        sa.Column("previous", sa.String(length=64), nullable=True),
        sa.Column("subject", sa.String(length=200), nullable=True),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=True),
        sa.Column("reason_parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("deployment_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "forge IN ('github','gitlab','gitea','bitbucket')", name=op.f("ck_hook_deliveries_forge")
        ),
        sa.CheckConstraint(
            "outcome IN ('deployed','ping','ignored','refused')", name=op.f("ck_hook_deliveries_outcome")
        ),
        sa.ForeignKeyConstraint(
            ["deployment_id"],
            ["deployments.id"],
            name=op.f("fk_hook_deliveries_deployment_id_deployments"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_hook_deliveries_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hook_deliveries")),
        sa.UniqueConstraint(
            "service_id", "delivery_id", name=op.f("uq_hook_deliveries_service_id_delivery_id")
        ),
    )
    for columns in (["deployment_id"], ["received_at"], ["service_id", "received_at", "id"]):
        name = f"ix_hook_deliveries_{'_'.join(columns)}"
        op.create_index(op.f(name), "hook_deliveries", columns, unique=False)


def downgrade() -> None:
    op.drop_table("hook_deliveries")
    op.drop_table("push_hooks")
