"""Stacks: services that one order of a template makes; services without a public address."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stacks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("template_id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_stacks_project_id_projects"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["template_id"], ["templates.id"], name=op.f("fk_stacks_template_id_templates")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stacks")),
    )
    op.create_index(op.f("ix_stacks_project_id_created_at_id"), "stacks", ["project_id", "created_at", "id"])
    op.create_table(
        "stack_services",
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("stack_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.String(length=20), nullable=False),
        sa.Column("needs", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_stack_services_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["stack_id"], ["stacks.id"], name=op.f("fk_stack_services_stack_id_stacks"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("service_id", name=op.f("pk_stack_services")),
    )
    op.create_index("uq_stack_services_part", "stack_services", ["stack_id", "part"], unique=True)
    op.add_column(
        "services", sa.Column("public", sa.Boolean(), server_default=sa.text("true"), nullable=False)
    )
    op.alter_column("services", "public", server_default=None)
    for table in ("services", "deployments"):
        op.add_column(table, sa.Column("run_as", sa.String(length=40), nullable=True))


def downgrade() -> None:
    for table in ("deployments", "services"):
        op.drop_column(table, "run_as")
    op.drop_column("services", "public")
    op.drop_table("stack_services")
    op.drop_table("stacks")
