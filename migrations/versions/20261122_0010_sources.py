"""Private and precise sources: ref, root folder, access tokens, deploy keys, known host keys."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

WITH_SOURCE = ("services", "deployments")


def upgrade() -> None:
    for table in WITH_SOURCE:
        op.alter_column(table, "branch", new_column_name="ref")
        op.add_column(table, sa.Column("root", sa.String(length=500), nullable=False, server_default=""))
        op.alter_column(table, "root", server_default=None)
    op.add_column("services", sa.Column("ssh_host_key", sa.String(length=200), nullable=True))
    op.create_table(
        "source_tokens",
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("origin", sa.String(length=300), nullable=False),
        sa.Column("username", sa.String(length=200), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_source_tokens_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("service_id", name=op.f("pk_source_tokens")),
    )
    op.create_table(
        "deploy_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=True),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("public_key", sa.String(length=300), nullable=False),
        sa.Column("fingerprint", sa.String(length=60), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_deploy_keys_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_deploy_keys_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deploy_keys")),
    )
    op.create_index(
        "uq_deploy_keys_service",
        "deploy_keys",
        ["service_id"],
        unique=True,
        postgresql_where=sa.text("service_id IS NOT NULL"),
    )
    op.create_index(
        "ix_deploy_keys_waiting",
        "deploy_keys",
        ["created_at"],
        postgresql_where=sa.text("service_id IS NULL"),
    )
    op.create_index("ix_deploy_keys_project", "deploy_keys", ["project_id"])


def downgrade() -> None:
    op.drop_table("deploy_keys")
    op.drop_table("source_tokens")
    op.drop_column("services", "ssh_host_key")
    for table in WITH_SOURCE:
        op.drop_column(table, "root")
        op.alter_column(table, "ref", new_column_name="branch")
