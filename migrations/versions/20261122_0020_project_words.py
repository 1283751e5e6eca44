"""Projects are found by the beginnings of their names' words."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_projects_words",
        "projects",
        [
            sa.literal_column(
                "to_tsvector('simple'::regconfig, translate(name::text, '@.+-_/'::text, '      '::text))"
            )
        ],
        unique=False,
        postgresql_using="gin",
    )


def downgrade() -> None:
    op.drop_index("ix_projects_words", table_name="projects", postgresql_using="gin")
