"""What happens when money runs out: rules, exceptions, how far each project is; suspended services."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("services", sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "dunning_rules",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("warn_days", postgresql.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("grace_days", sa.SmallInteger(), nullable=False),
        sa.Column("terminate_days", sa.SmallInteger(), nullable=True),
        sa.Column("notice_days", postgresql.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_dunning_rules_only")),
        sa.CheckConstraint("grace_days >= 0 AND terminate_days > 0", name=op.f("ck_dunning_rules_days")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dunning_rules")),
    )
    op.create_table(
        "dunning_overrides",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("never_suspend", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("never_terminate", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("grace_days", sa.SmallInteger(), nullable=True),
        sa.Column("terminate_days", sa.SmallInteger(), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("set_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("grace_days >= 0 AND terminate_days > 0", name=op.f("ck_dunning_overrides_days")),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_dunning_overrides_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["set_by"], ["users.id"], name=op.f("fk_dunning_overrides_set_by_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_dunning_overrides")),
    )
    op.create_table(
        "dunning_states",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("stage", sa.String(length=12), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("warned_days", sa.SmallInteger(), nullable=True),
        sa.Column("noticed_days", sa.SmallInteger(), nullable=True),
        sa.Column("noticed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "stage IN ('ok','warned','grace','suspended','terminated')", name=op.f("ck_dunning_states_stage")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_dunning_states_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_dunning_states")),
    )
    op.create_index(
        "ix_dunning_states_trouble",
        "dunning_states",
        ["since", "project_id"],
        unique=False,
        postgresql_where=sa.text("stage <> 'ok'"),
    )
    op.create_index(
        op.f("ix_dunning_states_since_project_id"), "dunning_states", ["since", "project_id"], unique=False
    )
    op.create_index(
        "ix_dunning_states_stage_since", "dunning_states", ["stage", "since", "project_id"], unique=False
    )


def downgrade() -> None:
    op.drop_table("dunning_states")
    op.drop_table("dunning_overrides")
    op.drop_table("dunning_rules")
    op.drop_column("services", "suspended_at")
