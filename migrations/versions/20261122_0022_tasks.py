"""Release commands, cron jobs and their runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("services", sa.Column("release_command", sa.String(length=4000), nullable=True))
    op.add_column("deployments", sa.Column("release_command", sa.String(length=4000), nullable=True))
    op.add_column("deployments", sa.Column("release_began_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("deployments", sa.Column("release_began_seq", sa.Integer(), nullable=True))
    op.add_column("deployments", sa.Column("released_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "cron_jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("schedule", sa.String(length=100), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("command", sa.String(length=4000), nullable=False),
        sa.Column("overlap", sa.String(length=8), nullable=False),
        sa.Column("timeout_seconds", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("catch_up", sa.Boolean(), nullable=False),
        sa.Column("notify", sa.Boolean(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("overlap IN ('skip','queue','replace')", name=op.f("ck_cron_jobs_overlap")),
        sa.CheckConstraint("timeout_seconds > 0", name=op.f("ck_cron_jobs_timeout")),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_cron_jobs_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_cron_jobs_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cron_jobs")),
        sa.UniqueConstraint("service_id", "name", name=op.f("uq_cron_jobs_service_id_name")),
    )
    op.create_index(
        "ix_cron_jobs_due", "cron_jobs", ["next_run_at"], postgresql_where=sa.text("next_run_at IS NOT NULL")
    )
    op.create_index(
        op.f("ix_cron_jobs_service_id_created_at_id"), "cron_jobs", ["service_id", "created_at", "id"]
    )
    op.create_table(
        "cron_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("cron_job_id", sa.Uuid(), nullable=False),
        sa.Column("trigger", sa.String(length=10), nullable=False),
        sa.Column("scheduled_for", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("command", sa.String(length=4000), nullable=False),
        sa.Column("timeout_seconds", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("deployment_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("reason_code", sa.String(length=60), nullable=True),
        sa.Column("reason", sa.String(length=2000), nullable=True),
        sa.Column(
            "reason_parameters", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(trigger = 'manual') = (scheduled_for IS NULL)", name=op.f("ck_cron_runs_trigger")
        ),
        sa.CheckConstraint(
            "state IN ('queued','running','succeeded','failed','skipped','cancelled','lost')",
            name=op.f("ck_cron_runs_state"),
        ),
        sa.ForeignKeyConstraint(
            ["cron_job_id"],
            ["cron_jobs.id"],
            name=op.f("fk_cron_runs_cron_job_id_cron_jobs"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["deployment_id"],
            ["deployments.id"],
            name=op.f("fk_cron_runs_deployment_id_deployments"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_cron_runs_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_cron_runs_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_cron_runs_user_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cron_runs")),
        sa.UniqueConstraint(
            "cron_job_id", "scheduled_for", name=op.f("uq_cron_runs_cron_job_id_scheduled_for")
        ),
    )
    op.create_index(op.f("ix_cron_runs_created_at"), "cron_runs", ["created_at"])
    op.create_index(
        op.f("ix_cron_runs_cron_job_id_created_at_id"), "cron_runs", ["cron_job_id", "created_at", "id"]
    )
    op.create_index(
        "ix_cron_runs_open",
        "cron_runs",
        ["created_at", "id"],
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_index(
        "uq_cron_runs_running",
        "cron_runs",
        ["cron_job_id"],
        unique=True,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "cron_run_lines",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["cron_runs.id"], name=op.f("fk_cron_run_lines_run_id_cron_runs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "seq", name=op.f("pk_cron_run_lines")),
    )


def downgrade() -> None:
    op.drop_table("cron_run_lines")
    op.drop_table("cron_runs")
    op.drop_table("cron_jobs")
    op.drop_column("deployments", "released_at")
    op.drop_column("deployments", "release_began_seq")
    op.drop_column("deployments", "release_began_at")
    op.drop_column("deployments", "release_command")
    op.drop_column("services", "release_command")
