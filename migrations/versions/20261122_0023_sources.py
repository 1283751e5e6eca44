"""Images and archives as sources, build options, logins to registries, builds that are used again."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KINDS = "source_kind IN ('git','image','archive')"


def upgrade() -> None:
    op.create_table(
        "registry_logins",
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("host", sa.String(length=300), nullable=False),
        sa.Column("username", sa.String(length=200), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_registry_logins_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("service_id", "host", name=op.f("pk_registry_logins")),
    )
    op.create_table(
        "source_archives",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_source_archives_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_source_archives_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_archives")),
    )
    for column in ("service", "project"):
        op.create_index(f"ix_source_archives_{column}", "source_archives", [f"{column}_id"])
    op.create_index("ix_source_archives_created", "source_archives", ["created_at"])
    for table in ("services", "deployments"):
        op.add_column(
            table, sa.Column("source_kind", sa.String(length=10), nullable=False, server_default="git")
        )
        op.add_column(table, sa.Column("image", sa.String(length=500), nullable=True))
        op.add_column(table, sa.Column("archive_id", sa.Uuid(), nullable=True))
        op.add_column(table, sa.Column("port", sa.Integer(), nullable=True))
        op.add_column(
            table, sa.Column("build_options", postgresql.JSONB(), nullable=False, server_default="{}")
        )
        for column in ("source_kind", "build_options"):
            op.alter_column(table, column, server_default=None)
        op.create_check_constraint(op.f(f"ck_{table}_source_kind"), table, KINDS)
        op.create_foreign_key(
            op.f(f"fk_{table}_archive_id_source_archives"),
            table,
            "source_archives",
            ["archive_id"],
            ["id"],
            ondelete="SET NULL",
        )
        op.create_index(op.f(f"ix_{table}_archive_id"), table, ["archive_id"])
    op.create_check_constraint(
        op.f("ck_services_source"),
        "services",
        "(source_kind = 'git') = (repo_url <> '') AND (source_kind = 'image') = (image IS NOT NULL)",
    )
    op.create_check_constraint(op.f("ck_services_port"), "services", "port BETWEEN 1 AND 65535")
    op.add_column("deployments", sa.Column("source_digest", sa.String(length=80), nullable=True))
    op.add_column(
        "deployments", sa.Column("rebuild", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.alter_column("deployments", "rebuild", server_default=None)
    op.drop_constraint(op.f("ck_deployments_build"), "deployments", type_="check")
    op.create_check_constraint(
        op.f("ck_deployments_build"), "deployments", "restores_id IS NULL OR build_id <> id"
    )


def downgrade() -> None:
    # What ran a build that was there already is to the older schema one that made its own.
    op.execute("UPDATE deployments SET build_id = id WHERE restores_id IS NULL")
    op.drop_constraint(op.f("ck_deployments_build"), "deployments", type_="check")
    op.create_check_constraint(
        op.f("ck_deployments_build"), "deployments", "(build_id = id) = (restores_id IS NULL)"
    )
    for column in ("rebuild", "source_digest"):
        op.drop_column("deployments", column)
    op.drop_constraint(op.f("ck_services_port"), "services", type_="check")
    op.drop_constraint(op.f("ck_services_source"), "services", type_="check")
    for table in ("deployments", "services"):
        op.drop_index(op.f(f"ix_{table}_archive_id"), table_name=table)
        op.drop_constraint(op.f(f"fk_{table}_archive_id_source_archives"), table, type_="foreignkey")
        op.drop_constraint(op.f(f"ck_{table}_source_kind"), table, type_="check")
        for column in ("build_options", "port", "archive_id", "image", "source_kind"):
            op.drop_column(table, column)
    op.drop_table("source_archives")
    op.drop_table("registry_logins")
