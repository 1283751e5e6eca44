"""Processes of a service, their replicas, what becomes of a unit that ended, and what health is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

CHECKS = {
    "restart_policy": "restart_policy IN ('always','on-failure','never')",
    "health_kind": "health_kind IN ('http','tcp','command')",
}
EMPTY = {"processes": "{}", "commands": "{}", "addresses": "[]"}


def upgrade() -> None:
    op.create_table(
        "service_processes",
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=30), nullable=False),
        sa.Column("replicas", sa.Integer(), nullable=False),
        sa.Column("command", sa.String(length=4000), nullable=True),
        sa.CheckConstraint("replicas >= 0", name=op.f("ck_service_processes_replicas")),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_service_processes_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("service_id", "name", name=op.f("pk_service_processes")),
    )
    for table in ("services", "deployments"):
        for name, default in (("health_kind", "http"), ("restart_policy", "always")):
            op.add_column(
                table, sa.Column(name, sa.String(length=10), nullable=False, server_default=default)
            )
            op.alter_column(table, name, server_default=None)
        op.add_column(table, sa.Column("health_command", sa.String(length=1000), nullable=True))
        op.add_column(table, sa.Column("health_timeout_seconds", sa.Integer(), nullable=True))
    for name, condition in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_services_{name}"), "services", condition)
    for name, empty in EMPTY.items():
        column = sa.Column(name, postgresql.JSONB(), nullable=False, server_default=empty)
        op.add_column("deployments", column)
        op.alter_column("deployments", name, server_default=None)
    op.add_column("deployments", sa.Column("scale", postgresql.JSONB(), nullable=True))
    op.execute(
        "UPDATE deployments SET scale = '{\"web\": 1}', addresses = jsonb_build_array(address)"
        " WHERE address IS NOT NULL"
    )


def downgrade() -> None:
    for name in ("scale", *EMPTY):
        op.drop_column("deployments", name)
    for name in CHECKS:
        op.drop_constraint(op.f(f"ck_services_{name}"), "services")
    for table in ("services", "deployments"):
        for name in ("health_timeout_seconds", "health_command", "restart_policy", "health_kind"):
            op.drop_column(table, name)
    op.drop_table("service_processes")
