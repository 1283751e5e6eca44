"""The audit trail, which the database lets nobody change."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

OFTEN_EMPTY = ("project_id", "user_id", "acting_id", "object_type", "object_id", "address")
# A row goes only to whoever said in this transaction how far back the log shall reach, and that never
# reaches into the last thirty days.
KEPT = """
CREATE FUNCTION audit_events_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.created_at < nullif(current_setting('gavan.audit_kept_since', true), '')::timestamptz
            AND OLD.created_at < now() - interval '30 days'
        THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'audit_events is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("result", sa.String(length=20), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("acting_id", sa.Uuid(), nullable=True),
        sa.Column("client_id", sa.String(length=64), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("user_agent", sa.String(length=400), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("project_id", sa.Uuid(), nullable=True),
        sa.Column("object_type", sa.String(length=40), nullable=True),
        sa.Column("object_id", sa.String(length=64), nullable=True),
        sa.Column("object_name", sa.String(length=200), nullable=True),
        sa.Column("before", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    for column in ("action", "result"):
        op.create_index(_index(column), "audit_events", [column, "created_at", "id"], unique=False)
    op.create_index(_index(), "audit_events", ["created_at", "id"], unique=False)
    for column in OFTEN_EMPTY:
        op.create_index(
            _index(column),
            "audit_events",
            [column, "created_at", "id"],
            unique=False,
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
    op.execute(KEPT)
    # Always: not even a session that replays another's changes is let through.
    for trigger, events, level in (
        ("append_only", "UPDATE OR TRUNCATE", "STATEMENT"),
        ("kept_for_a_while", "DELETE", "ROW"),
    ):
        op.execute(
            f"CREATE TRIGGER {trigger} BEFORE {events} ON audit_events "
            f"FOR EACH {level} EXECUTE FUNCTION audit_events_are_kept()"
        )
        op.execute(f"ALTER TABLE audit_events ENABLE ALWAYS TRIGGER {trigger}")


def downgrade() -> None:
    op.drop_table("audit_events")
    op.execute("DROP FUNCTION audit_events_are_kept()")


def _index(*columns: str) -> str:
    return op.f("_".join(("ix_audit_events", *columns, "created_at_id")))
