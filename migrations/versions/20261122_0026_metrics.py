"""What units take, over time; what happened to services."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "metric_series",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("process", sa.String(40), nullable=False),
        sa.Column("replica", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], op.f("fk_metric_series_service_id_services"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metric_series")),
        sa.UniqueConstraint(
            "service_id", "process", "replica", name=op.f("uq_metric_series_service_id_process_replica")
        ),
    )
    op.create_table(
        "metric_samples",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("cpu_millis", sa.REAL()),
        sa.Column("cpu_peak", sa.REAL()),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("memory_peak", sa.BigInteger(), nullable=False),
        sa.Column("memory_limit", sa.BigInteger()),
        sa.Column("received", sa.REAL()),
        sa.Column("sent", sa.REAL()),
        sa.ForeignKeyConstraint(
            ["series_id"],
            ["metric_series.id"],
            op.f("fk_metric_samples_series_id_metric_series"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("series_id", "step", "at", name=op.f("pk_metric_samples")),
    )
    op.create_index(op.f("ix_metric_samples_step_at"), "metric_samples", ["step", "at"])
    op.create_table(
        "metric_counters",
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("process", sa.String(40), nullable=False),
        sa.Column("replica", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("life", sa.String(80), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("cpu_seconds", sa.Float(), nullable=False),
        sa.Column("received_bytes", sa.BigInteger()),
        sa.Column("sent_bytes", sa.BigInteger()),
        sa.PrimaryKeyConstraint("deployment_id", "process", "replica", name=op.f("pk_metric_counters")),
    )
    op.create_index(op.f("ix_metric_counters_at"), "metric_counters", ["at"])
    op.create_table(
        "service_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("deployment_id", sa.Uuid()),
        sa.Column("process", sa.String(40)),
        sa.Column("replica", sa.SmallInteger()),
        sa.Column("reason_code", sa.String(60)),
        sa.Column("reason", sa.String(2000)),
        sa.Column("reason_parameters", postgresql.JSONB(none_as_null=True)),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], op.f("fk_service_events_service_id_services"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_events")),
    )
    op.create_index("ix_service_events_service_at", "service_events", ["service_id", "at", "id"])
    op.create_index("ix_service_events_at", "service_events", ["at"])
    op.create_index(
        "uq_service_events_exit",
        "service_events",
        ["deployment_id", "process", "replica", "at"],
        unique=True,
        postgresql_where=sa.text("kind = 'exited'"),
    )


def downgrade() -> None:
    for table in ("service_events", "metric_counters", "metric_samples", "metric_series"):
        op.drop_table(table)
