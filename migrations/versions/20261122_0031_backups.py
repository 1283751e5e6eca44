"""Backups of volumes, how services want them, and restores."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "backups",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("volume_id", sa.Uuid(), nullable=False),
        sa.Column("volume_name", sa.String(length=40), nullable=False),
        sa.Column("volume_bytes", sa.BigInteger(), nullable=False),
        sa.Column("trigger", sa.String(length=10), nullable=False),
        sa.Column("scheduled_for", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=14), nullable=False),
        sa.Column("stopped", sa.Boolean(), nullable=False),
        sa.Column("command", sa.String(length=4000), nullable=False),
        sa.Column("target", sa.String(length=10), nullable=False),
        sa.Column("object_key", sa.String(length=300), nullable=False),
        sa.Column("stored_bytes", sa.BigInteger(), nullable=True),
        sa.Column("content_bytes", sa.BigInteger(), nullable=True),
        sa.Column("entries", sa.BigInteger(), nullable=True),
        sa.Column("manifest", sa.String(length=64), nullable=True),
        sa.Column("checksum", sa.String(length=64), nullable=True),
        sa.Column("scratch", sa.Boolean(), nullable=False),
        sa.Column("reason_code", sa.String(length=60), nullable=True),
        sa.Column("reason", sa.String(length=2000), nullable=True),
        sa.Column(
            "reason_parameters", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(trigger = 'manual') = (scheduled_for IS NULL)", name=op.f("ck_backups_trigger")),
        sa.CheckConstraint(
            "state IN ('queued','running','stored','verified','unverifiable','failed','cancelled','removing')",
            name=op.f("ck_backups_state"),
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_backups_project_id_projects"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f("fk_backups_service_id_services"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_backups_user_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backups")),
        sa.UniqueConstraint("volume_id", "scheduled_for", name=op.f("uq_backups_volume_id_scheduled_for")),
    )
    op.create_index(op.f("ix_backups_created_at"), "backups", ["created_at"])
    op.create_index(
        "ix_backups_expires", "backups", ["expires_at"], postgresql_where=sa.text("expires_at IS NOT NULL")
    )
    op.create_index(op.f("ix_backups_job_id"), "backups", ["job_id"])
    op.create_index(op.f("ix_backups_project_id"), "backups", ["project_id"])
    op.create_index("ix_backups_removing", "backups", ["id"], postgresql_where=sa.text("state = 'removing'"))
    op.create_index("ix_backups_scratch", "backups", ["id"], postgresql_where=sa.text("scratch"))
    op.create_index(
        op.f("ix_backups_service_id_created_at_id"), "backups", ["service_id", "created_at", "id"]
    )
    op.create_index(
        "uq_backups_open",
        "backups",
        ["volume_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_table(
        "backup_plans",
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("schedule", sa.String(length=100), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("stop_app", sa.Boolean(), nullable=False),
        sa.Column("command", sa.String(length=4000), nullable=False),
        sa.Column("keep_last", sa.Integer(), nullable=False),
        sa.Column("keep_daily", sa.Integer(), nullable=False),
        sa.Column("keep_weekly", sa.Integer(), nullable=False),
        sa.Column("keep_monthly", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "keep_last >= 1 AND keep_daily >= 0 AND keep_weekly >= 0 AND keep_monthly >= 0",
            name=op.f("ck_backup_plans_keep"),
        ),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_backup_plans_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("service_id", name=op.f("pk_backup_plans")),
    )
    op.create_index(
        "ix_backup_plans_due",
        "backup_plans",
        ["next_run_at"],
        postgresql_where=sa.text("next_run_at IS NOT NULL"),
    )
    op.create_table(
        "backup_restores",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("volume_id", sa.Uuid(), nullable=False),
        sa.Column("volume_name", sa.String(length=40), nullable=False),
        sa.Column("backup_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("scratch", sa.Boolean(), nullable=False),
        sa.Column("reason_code", sa.String(length=60), nullable=True),
        sa.Column("reason", sa.String(length=2000), nullable=True),
        sa.Column(
            "reason_parameters", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued','preparing','swapping','returning','succeeded','failed','cancelled')",
            name=op.f("ck_backup_restores_state"),
        ),
        sa.ForeignKeyConstraint(
            ["backup_id"],
            ["backups.id"],
            name=op.f("fk_backup_restores_backup_id_backups"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_backup_restores_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_backup_restores_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_backup_restores_user_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backup_restores")),
    )
    op.create_index(op.f("ix_backup_restores_backup_id"), "backup_restores", ["backup_id"])
    op.create_index(op.f("ix_backup_restores_job_id"), "backup_restores", ["job_id"])
    op.create_index(
        "ix_backup_restores_scratch", "backup_restores", ["id"], postgresql_where=sa.text("scratch")
    )
    op.create_index(
        op.f("ix_backup_restores_service_id_created_at_id"),
        "backup_restores",
        ["service_id", "created_at", "id"],
    )
    op.create_index(
        "uq_backup_restores_open",
        "backup_restores",
        ["volume_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('queued', 'preparing', 'swapping', 'returning')"),
    )


def downgrade() -> None:
    op.drop_table("backup_restores")
    op.drop_table("backup_plans")
    op.drop_table("backups")
