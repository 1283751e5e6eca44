"""Previews of pull requests, and statuses of commits told to their forge."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("services", sa.Column("preview_of", sa.Uuid()))
    op.add_column("services", sa.Column("preview_number", sa.Integer()))
    op.create_foreign_key(
        "fk_services_preview_of_services", "services", "services", ["preview_of"], ["id"], ondelete="CASCADE"
    )
    op.create_check_constraint("preview", "services", "(preview_of IS NULL) = (preview_number IS NULL)")
    op.create_index("ix_services_preview_of", "services", ["preview_of"])
    op.add_column("deployments", sa.Column("status_told", sa.String(10)))
    op.drop_constraint("ck_hook_deliveries_outcome", "hook_deliveries")
    op.create_check_constraint(
        "outcome", "hook_deliveries", "outcome IN ('deployed','removed','ping','ignored','refused')"
    )
    _previews()
    _statuses()


def _previews() -> None:
    op.create_table(
        "preview_settings",
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("variables", sa.String(20), nullable=False),
        sa.Column("withheld", postgresql.ARRAY(sa.String(128)), nullable=False),
        sa.Column("plan_id", sa.String(40)),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("drafts", sa.Boolean(), nullable=False),
        sa.Column("forks", sa.String(20), nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("service_id"),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"]),
        sa.CheckConstraint("variables IN ('all','none','unmarked')", name="variables"),
        sa.CheckConstraint("forks IN ('never','without_variables','with_variables')", name="forks"),
        sa.CheckConstraint("most BETWEEN 1 AND 50", name="most"),
        sa.CheckConstraint("days BETWEEN 1 AND 90", name="days"),
    )
    op.create_table(
        "pull_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("forge", sa.String(10), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("url", sa.String(500)),
        sa.Column("branch", sa.String(200), nullable=False),
        sa.Column("target", sa.String(200), nullable=False),
        sa.Column("commit", sa.String(64), nullable=False),
        sa.Column("fork", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(6), nullable=False),
        sa.Column("preview_id", sa.Uuid()),
        sa.Column("reason_code", sa.String(40)),
        sa.Column("reason_parameters", postgresql.JSONB()),
        sa.Column("told_at", MOMENT),
        sa.Column("pushed_at", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["preview_id"], ["services.id"], ondelete="SET NULL"),
        sa.UniqueConstraint("service_id", "number"),
        sa.CheckConstraint("state IN ('open','closed')", name="state"),
        sa.CheckConstraint("forge IN ('github','gitlab','gitea','bitbucket')", name="forge"),
    )
    op.create_index("uq_pull_requests_preview", "pull_requests", ["preview_id"], unique=True)
    op.create_index(None, "pull_requests", ["service_id", "pushed_at", "id"])
    op.create_index(
        "ix_pull_requests_kept",
        "pull_requests",
        ["pushed_at"],
        postgresql_where=sa.text("preview_id IS NOT NULL"),
    )


def _statuses() -> None:
    op.create_table(
        "status_settings",
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("enabled_at", MOMENT),
        sa.Column("forge", sa.String(20), nullable=False),
        sa.Column("api_url", sa.String(300)),
        sa.Column("use_source_token", sa.Boolean(), nullable=False),
        sa.Column("token_origin", sa.String(300)),
        sa.Column("token", sa.Text()),
        sa.Column("token_set_at", MOMENT),
        sa.Column("username", sa.String(200), nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("service_id"),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], ondelete="CASCADE"),
        sa.CheckConstraint(
            "forge IN ('github','gitlab','gitea','bitbucket','bitbucket_server')", name="forge"
        ),
    )
    op.create_index(
        "ix_status_settings_enabled",
        "status_settings",
        ["service_id"],
        postgresql_where=sa.text("enabled"),
    )
    op.create_table(
        "commit_statuses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("context", sa.String(100), nullable=False),
        sa.Column("commit", sa.String(64), nullable=False),
        sa.Column("said", sa.String(10), nullable=False),
        sa.Column("description", sa.String(140), nullable=False),
        sa.Column("target_url", sa.String(1000), nullable=False),
        sa.Column("deployment_id", sa.Uuid()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("delivery", sa.String(8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claim", sa.Integer(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("published_at", MOMENT),
        sa.Column("lease_until", MOMENT),
        sa.Column("error_code", sa.String(40)),
        sa.Column("http_status", sa.Integer()),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("sent_at", MOMENT),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployments.id"], ondelete="SET NULL"),
        sa.UniqueConstraint("service_id", "context", "commit"),
        sa.CheckConstraint("said IN ('pending','success','failure','cancelled')", name="said"),
        sa.CheckConstraint("delivery IN ('queued','sending','sent','dead')", name="delivery"),
    )
    op.create_index(
        "ix_commit_statuses_open",
        "commit_statuses",
        ["due_at"],
        postgresql_where=sa.text("delivery IN ('queued','sending')"),
    )
    op.create_index(None, "commit_statuses", ["service_id", "changed_at"])
    op.create_index(None, "commit_statuses", ["changed_at"])
    op.create_index(None, "commit_statuses", ["deployment_id"])


def downgrade() -> None:
    for table in ("commit_statuses", "status_settings", "pull_requests", "preview_settings"):
        op.drop_table(table)
    op.execute("UPDATE hook_deliveries SET outcome = 'ignored' WHERE outcome = 'removed'")
    op.drop_constraint("ck_hook_deliveries_outcome", "hook_deliveries")
    op.create_check_constraint(
        "outcome", "hook_deliveries", "outcome IN ('deployed','ping','ignored','refused')"
    )
    op.drop_column("deployments", "status_told")
    op.drop_index("ix_services_preview_of", "services")
    op.drop_constraint("ck_services_preview", "services")
    op.drop_constraint("fk_services_preview_of_services", "services")
    op.drop_column("services", "preview_number")
    op.drop_column("services", "preview_of")
