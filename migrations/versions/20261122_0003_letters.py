"""Letters to be sent, and codes sent by them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "letters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("template", sa.String(length=60), nullable=False),
        sa.Column("locale", sa.String(length=8), nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=20), server_default="queued", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("subject", sa.String(length=200), nullable=True),
        sa.Column("message_id", sa.String(length=200), nullable=True),
        sa.Column("error_code", sa.String(length=40), nullable=True),
        sa.Column("error", sa.String(length=400), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("channel IN ('email', 'sms')", name=op.f("ck_letters_channel")),
        sa.CheckConstraint(
            "state IN ('queued', 'sending', 'held', 'sent', 'failed')", name=op.f("ck_letters_state")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_letters_user_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letters")),
    )
    op.create_index(op.f("ix_letters_created_at_id"), "letters", ["created_at", "id"], unique=False)
    for column in ("channel", "state", "template"):
        op.create_index(
            op.f(f"ix_letters_{column}_created_at_id"), "letters", [column, "created_at", "id"], unique=False
        )
    op.create_index(
        "ix_letters_open",
        "letters",
        ["state", "due_at"],
        unique=False,
        postgresql_where=sa.text("content IS NOT NULL"),
    )
    op.create_index(op.f("ix_letters_user_id"), "letters", ["user_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_letters_user_id"), table_name="letters")
    op.drop_index("ix_letters_open", table_name="letters", postgresql_where=sa.text("content IS NOT NULL"))
    for column in ("template", "state", "channel"):
        op.drop_index(op.f(f"ix_letters_{column}_created_at_id"), table_name="letters")
    op.drop_index(op.f("ix_letters_created_at_id"), table_name="letters")
    op.drop_table("letters")
