"""Invitations to projects, roles that an administrator edits, view-as."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("oauth_sessions", sa.Column("acting_id", sa.Uuid(), nullable=True))
    op.create_index(op.f("ix_oauth_sessions_acting_id"), "oauth_sessions", ["acting_id"], unique=False)
    op.create_foreign_key(
        op.f("fk_oauth_sessions_acting_id_users"),
        "oauth_sessions",
        "users",
        ["acting_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_table(
        "project_invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_by", sa.Uuid(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "role IN ('owner', 'developer', 'billing', 'viewer')", name=op.f("ck_project_invitations_role")
        ),
        sa.ForeignKeyConstraint(
            ["accepted_by"],
            ["users.id"],
            name=op.f("fk_project_invitations_accepted_by_users"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["invited_by"],
            ["users.id"],
            name=op.f("fk_project_invitations_invited_by_users"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_project_invitations_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_project_invitations_token_hash")),
    )
    op.create_index(
        op.f("ix_project_invitations_expires_at"), "project_invitations", ["expires_at"], unique=False
    )
    op.create_index(
        op.f("ix_project_invitations_project_id_created_at_id"),
        "project_invitations",
        ["project_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "uq_project_invitations_open",
        "project_invitations",
        ["project_id", "email"],
        unique=True,
        postgresql_where=sa.text("accepted_at IS NULL AND revoked_at IS NULL"),
    )
    op.add_column("projects", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "roles",
        sa.Column("offered", postgresql.ARRAY(sa.String(length=60)), server_default="{}", nullable=False),
    )
    op.add_column("users", sa.Column("blocked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("users", sa.Column("blocked_reason", sa.String(length=500), nullable=True))
    op.create_index(
        "ix_users_blocked",
        "users",
        ["created_at", "id"],
        unique=False,
        postgresql_where=sa.text("NOT is_active"),
    )
    op.create_index(op.f("ix_users_created_at_id"), "users", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_users_name_id"), "users", ["name", "id"], unique=False)
    op.create_index(
        "ix_users_words",
        "users",
        [
            sa.literal_column(
                "to_tsvector('simple'::regconfig, translate((email::text || ' '::text) || name::text, "
                "'@.+-_/'::text, '      '::text))"
            )
        ],
        unique=False,
        postgresql_using="gin",
    )


def downgrade() -> None:
    op.drop_index("ix_users_words", table_name="users", postgresql_using="gin")
    op.drop_index(op.f("ix_users_name_id"), table_name="users")
    op.drop_index(op.f("ix_users_created_at_id"), table_name="users")
    op.drop_index("ix_users_blocked", table_name="users", postgresql_where=sa.text("NOT is_active"))
    op.drop_column("users", "blocked_reason")
    op.drop_column("users", "blocked_at")
    op.drop_column("roles", "offered")
    op.drop_column("projects", "deleted_at")
    op.drop_index(
        "uq_project_invitations_open",
        table_name="project_invitations",
        postgresql_where=sa.text("accepted_at IS NULL AND revoked_at IS NULL"),
    )
    op.drop_index(op.f("ix_project_invitations_project_id_created_at_id"), table_name="project_invitations")
    op.drop_index(op.f("ix_project_invitations_expires_at"), table_name="project_invitations")
    op.drop_table("project_invitations")
    op.drop_constraint(op.f("fk_oauth_sessions_acting_id_users"), "oauth_sessions", type_="foreignkey")
    op.drop_index(op.f("ix_oauth_sessions_acting_id"), table_name="oauth_sessions")
    op.drop_column("oauth_sessions", "acting_id")
