"""Usage: meters, their events and records, what they cost, and the runs of billing's periodic tasks."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# A record is never changed: what was wrong is taken back by another one.
APPEND_ONLY = """
CREATE FUNCTION usage_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$
"""
# Of an event only how much of it is metered changes; a charge that is posted does not change at all.
EVENT_STAYS = """
CREATE FUNCTION usage_event_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - 'metered_seconds' = to_jsonb(OLD) - 'metered_seconds' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'usage_events is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$
"""
CHARGE_STAYS = """
CREATE FUNCTION usage_charge_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.posted_at IS NULL THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a posted charge is final' USING ERRCODE = 'insufficient_privilege';
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "billing_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("period", sa.String(length=40), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("progress", sa.SmallInteger(), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('running','succeeded','failed','interrupted')", name=op.f("ck_billing_runs_state")
        ),
        sa.CheckConstraint("progress BETWEEN 0 AND 100", name=op.f("ck_billing_runs_progress")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_runs")),
    )
    op.create_index(
        op.f("ix_billing_runs_kind_started_at_id"), "billing_runs", ["kind", "started_at", "id"], unique=False
    )
    op.create_index(op.f("ix_billing_runs_started_at_id"), "billing_runs", ["started_at", "id"], unique=False)
    op.create_index(
        op.f("ix_billing_runs_state_started_at_id"),
        "billing_runs",
        ["state", "started_at", "id"],
        unique=False,
    )
    op.create_index(
        "uq_billing_runs_running",
        "billing_runs",
        ["kind"],
        unique=True,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "usage_meters",
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("meter", sa.String(length=60), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("price_id", sa.Uuid(), nullable=True),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("metered_through", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dirty_from", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["price_id"], ["prices.id"], name=op.f("fk_usage_meters_price_id_prices"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_usage_meters_project_id_projects"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_usage_meters_service_id_services"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("service_id", "meter", name=op.f("pk_usage_meters")),
    )
    op.create_index(
        "ix_usage_meters_active",
        "usage_meters",
        ["metered_through"],
        unique=False,
        postgresql_where=sa.text("price_id IS NOT NULL"),
    )
    op.create_index(
        "ix_usage_meters_dirty",
        "usage_meters",
        ["dirty_from"],
        unique=False,
        postgresql_where=sa.text("dirty_from IS NOT NULL"),
    )
    op.create_index(op.f("ix_usage_meters_project_id"), "usage_meters", ["project_id"], unique=False)
    op.create_table(
        "usage_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("meter", sa.String(length=60), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("price_id", sa.Uuid(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deployment_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("metered_seconds", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "(price_id IS NULL) = (kind IN ('stopped','deleted'))", name=op.f("ck_usage_events_price")
        ),
        sa.CheckConstraint(
            "kind IN ('started','resized','repriced','stopped','deleted')", name=op.f("ck_usage_events_kind")
        ),
        sa.CheckConstraint("metered_seconds >= 0", name=op.f("ck_usage_events_metered_seconds")),
        sa.ForeignKeyConstraint(
            ["price_id"], ["prices.id"], name=op.f("fk_usage_events_price_id_prices"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_usage_events_service_id_services"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_events")),
        sa.UniqueConstraint(
            "service_id", "meter", "number", name=op.f("uq_usage_events_service_id_meter_number")
        ),
    )
    op.create_index(
        op.f("ix_usage_events_service_id_meter_occurred_at_id"),
        "usage_events",
        ["service_id", "meter", "occurred_at", "id"],
        unique=False,
    )
    op.create_table(
        "usage_records",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("meter", sa.String(length=60), nullable=False),
        sa.Column("price_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("to_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "seconds <> 0 AND abs(seconds) = extract(epoch FROM to_at - from_at)",
            name=op.f("ck_usage_records_seconds"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_records")),
    )
    op.create_index(
        op.f("ix_usage_records_service_id_day"), "usage_records", ["service_id", "day"], unique=False
    )
    op.create_table(
        "usage_positions",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_usage_positions")),
    )
    op.create_table(
        "usage_totals",
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("meter", sa.String(length=60), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("price_id", sa.Uuid(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("seconds >= 0", name=op.f("ck_usage_totals_seconds")),
        sa.ForeignKeyConstraint(
            ["price_id"], ["prices.id"], name=op.f("fk_usage_totals_price_id_prices"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_usage_totals_service_id_services"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("service_id", "meter", "month", "price_id", name=op.f("pk_usage_totals")),
    )
    op.create_table(
        "usage_charges",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("meter", sa.String(length=60), nullable=False),
        sa.Column("price_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("net", sa.BigInteger(), nullable=True),
        sa.Column("tax", sa.BigInteger(), nullable=True),
        sa.Column("tax_key", sa.String(length=60), nullable=True),
        sa.Column("transaction_id", sa.Uuid(), nullable=True),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(net IS NULL) = (tax IS NULL)", name=op.f("ck_usage_charges_tax")),
        sa.CheckConstraint("(posted_at IS NULL) = (net IS NULL)", name=op.f("ck_usage_charges_posted")),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.id"],
            name=op.f("fk_usage_charges_service_id_services"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_charges")),
    )
    op.create_index(
        "ix_usage_charges_due",
        "usage_charges",
        ["project_id", "day"],
        unique=False,
        postgresql_where=sa.text("posted_at IS NULL"),
    )
    op.create_index(
        op.f("ix_usage_charges_project_id_day_id"), "usage_charges", ["project_id", "day", "id"], unique=False
    )
    op.create_index(
        "uq_usage_charges_open",
        "usage_charges",
        ["service_id", "meter", "price_id", "day"],
        unique=True,
        postgresql_where=sa.text("posted_at IS NULL"),
    )
    for function in (APPEND_ONLY, EVENT_STAYS, CHARGE_STAYS):
        op.execute(function)
    for table, function, events in (
        ("usage_records", "usage_is_append_only", "UPDATE OR DELETE"),
        ("usage_events", "usage_event_stays", "UPDATE OR DELETE"),
        ("usage_charges", "usage_charge_stays", "UPDATE OR DELETE"),
    ):
        _guard(table, f"{table}_stay", function, events, "ROW")
        _guard(table, f"{table}_are_not_emptied", "usage_is_append_only", "TRUNCATE", "STATEMENT")


def _guard(table: str, trigger: str, function: str, events: str, level: str) -> None:
    op.execute(
        f"CREATE TRIGGER {trigger} BEFORE {events} ON {table} FOR EACH {level} EXECUTE FUNCTION {function}()"
    )
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")


def downgrade() -> None:
    for table in (
        *("usage_charges", "usage_totals", "usage_positions", "usage_records"),
        *("usage_events", "usage_meters", "billing_runs"),
    ):
        op.drop_table(table)
    for function in ("usage_is_append_only", "usage_event_stays", "usage_charge_stays"):
        op.execute(f"DROP FUNCTION {function}()")
