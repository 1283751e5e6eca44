"""Applications of customers, authorization codes, consents, personal tokens."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("oauth_clients", sa.Column("owner_id", sa.Uuid(), nullable=True))
    op.add_column(
        "oauth_clients",
        sa.Column("redirect_uris", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
    )
    op.add_column(
        "oauth_clients",
        sa.Column("scopes", postgresql.ARRAY(sa.String(length=60)), server_default="{}", nullable=False),
    )
    op.add_column("oauth_clients", sa.Column("secret_hash", sa.LargeBinary(length=32), nullable=True))
    op.add_column(
        "oauth_clients", sa.Column("previous_secret_hash", sa.LargeBinary(length=32), nullable=True)
    )
    op.add_column(
        "oauth_clients", sa.Column("previous_secret_until", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column(
        "oauth_clients",
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.add_column(
        "oauth_clients",
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.create_index(
        op.f("ix_oauth_clients_owner_id_created_at_id"),
        "oauth_clients",
        ["owner_id", "created_at", "id"],
        unique=False,
    )
    op.create_foreign_key(
        op.f("fk_oauth_clients_owner_id_users"),
        "oauth_clients",
        "users",
        ["owner_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_index(
        op.f("ix_oauth_refresh_tokens_expires_at"), "oauth_refresh_tokens", ["expires_at"], unique=False
    )
    op.create_table(
        "oauth_personal_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("networks", postgresql.ARRAY(sa.String(length=43)), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_address", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_oauth_personal_tokens_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_personal_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_oauth_personal_tokens_token_hash")),
    )
    op.create_index(
        op.f("ix_oauth_personal_tokens_expires_at"), "oauth_personal_tokens", ["expires_at"], unique=False
    )
    op.create_index(
        op.f("ix_oauth_personal_tokens_user_id_created_at_id"),
        "oauth_personal_tokens",
        ["user_id", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "oauth_consents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["oauth_clients.id"],
            name=op.f("fk_oauth_consents_client_id_oauth_clients"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_oauth_consents_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_consents")),
        sa.UniqueConstraint("user_id", "client_id", name=op.f("uq_oauth_consents_user_id_client_id")),
    )
    op.create_index(op.f("ix_oauth_consents_client_id"), "oauth_consents", ["client_id"], unique=False)
    op.create_index(
        op.f("ix_oauth_consents_user_id_created_at_id"),
        "oauth_consents",
        ["user_id", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "oauth_codes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("code_challenge", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["oauth_clients.id"],
            name=op.f("fk_oauth_codes_client_id_oauth_clients"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["oauth_sessions.id"],
            name=op.f("fk_oauth_codes_session_id_oauth_sessions"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_oauth_codes_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_codes")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_oauth_codes_code_hash")),
    )
    op.create_index(op.f("ix_oauth_codes_client_id"), "oauth_codes", ["client_id"], unique=False)
    op.create_index(op.f("ix_oauth_codes_expires_at"), "oauth_codes", ["expires_at"], unique=False)
    op.create_index(op.f("ix_oauth_codes_session_id"), "oauth_codes", ["session_id"], unique=False)
    op.create_index(
        op.f("ix_oauth_codes_user_id_client_id"), "oauth_codes", ["user_id", "client_id"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_oauth_codes_user_id_client_id"), table_name="oauth_codes")
    op.drop_index(op.f("ix_oauth_codes_session_id"), table_name="oauth_codes")
    op.drop_index(op.f("ix_oauth_codes_expires_at"), table_name="oauth_codes")
    op.drop_index(op.f("ix_oauth_codes_client_id"), table_name="oauth_codes")
    op.drop_table("oauth_codes")
    op.drop_index(op.f("ix_oauth_consents_user_id_created_at_id"), table_name="oauth_consents")
    op.drop_index(op.f("ix_oauth_consents_client_id"), table_name="oauth_consents")
    op.drop_table("oauth_consents")
    op.drop_index(op.f("ix_oauth_personal_tokens_user_id_created_at_id"), table_name="oauth_personal_tokens")
    op.drop_index(op.f("ix_oauth_personal_tokens_expires_at"), table_name="oauth_personal_tokens")
    op.drop_table("oauth_personal_tokens")
    op.drop_index(op.f("ix_oauth_refresh_tokens_expires_at"), table_name="oauth_refresh_tokens")
    op.drop_constraint(op.f("fk_oauth_clients_owner_id_users"), "oauth_clients", type_="foreignkey")
    op.drop_index(op.f("ix_oauth_clients_owner_id_created_at_id"), table_name="oauth_clients")
    op.drop_column("oauth_clients", "updated_at")
    op.drop_column("oauth_clients", "created_at")
    op.drop_column("oauth_clients", "previous_secret_until")
    op.drop_column("oauth_clients", "previous_secret_hash")
    op.drop_column("oauth_clients", "secret_hash")
    op.drop_column("oauth_clients", "scopes")
    op.drop_column("oauth_clients", "redirect_uris")
    op.drop_column("oauth_clients", "owner_id")
