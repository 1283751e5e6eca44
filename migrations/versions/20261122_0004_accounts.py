"""Accounts: verified addresses, telephone numbers, time zones, and the codes and links that prove them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("users", sa.Column("email_verified_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("users", sa.Column("phone", sa.String(length=16), nullable=True))
    op.add_column("users", sa.Column("time_zone", sa.String(length=64), nullable=True))
    op.create_table(
        "verification_codes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("target", sa.String(length=254), nullable=True),
        sa.Column("token_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("code_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("tries_left", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verification_codes")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_verification_codes_token_digest")),
    )
    op.create_index(
        op.f("ix_verification_codes_expires_at"), "verification_codes", ["expires_at"], unique=False
    )
    op.create_index(
        op.f("ix_verification_codes_purpose_subject"),
        "verification_codes",
        ["purpose", "subject"],
        unique=False,
    )
    op.create_index(
        op.f("ix_verification_codes_purpose_target"),
        "verification_codes",
        ["purpose", "target"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_verification_codes_purpose_target"), table_name="verification_codes")
    op.drop_index(op.f("ix_verification_codes_purpose_subject"), table_name="verification_codes")
    op.drop_index(op.f("ix_verification_codes_expires_at"), table_name="verification_codes")
    op.drop_table("verification_codes")
    op.drop_column("users", "time_zone")
    op.drop_column("users", "phone")
    op.drop_column("users", "email_verified_at")
