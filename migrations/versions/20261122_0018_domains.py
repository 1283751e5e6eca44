"""Custom domains, their certificates, and who had a name before."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "acme_accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("directory", sa.String(length=500), nullable=False),
        sa.Column("private_key", sa.Text(), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=True),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acme_accounts")),
        sa.UniqueConstraint("directory", name=op.f("uq_acme_accounts_directory")),
    )
    op.create_table(
        "released_domains",
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_released_domains")),
    )
    op.create_table(
        "domains",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("token", sa.String(length=60), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_by", sa.String(length=8), nullable=True),
        sa.Column("https_redirect", sa.Boolean(), nullable=False),
        sa.Column("hsts", sa.Boolean(), nullable=False),
        sa.Column("provider", sa.String(length=12), nullable=True),
        sa.Column(
            "provider_settings", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("provider_secret", sa.Text(), nullable=True),
        sa.Column("look", sa.String(length=10), nullable=False),
        sa.Column("seen", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("check_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("problem_code", sa.String(length=60), nullable=True),
        sa.Column(
            "problem_parameters", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("certificate_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.SmallInteger(), nullable=False),
        sa.Column("warned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "look IN ('unchecked','here','partly','elsewhere','missing','unanswered','unknown')",
            name=op.f("ck_domains_look"),
        ),
        sa.CheckConstraint("provider IN ('rfc2136','cloudflare')", name=op.f("ck_domains_provider")),
        sa.CheckConstraint("verified_by IN ('txt','cname','address')", name=op.f("ck_domains_verified_by")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_domains_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f("fk_domains_service_id_services"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domains")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_domains_project_id_name")),
    )
    op.create_index(
        "ix_domains_certificate_at",
        "domains",
        ["certificate_at"],
        unique=False,
        postgresql_where=sa.text("certificate_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_domains_check_at"), "domains", ["check_at"], unique=False)
    op.create_index(op.f("ix_domains_created_at_id"), "domains", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_domains_name_id"), "domains", ["name", "id"], unique=False)
    op.create_index(
        op.f("ix_domains_service_id_name_id"), "domains", ["service_id", "name", "id"], unique=False
    )
    op.create_index(
        "uq_domains_verified_name",
        "domains",
        ["name"],
        unique=True,
        postgresql_where=sa.text("verified_at IS NOT NULL"),
    )
    op.create_table(
        "certificates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("domain_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("directory", sa.String(length=500), nullable=False),
        sa.Column("private_key", sa.Text(), nullable=True),
        sa.Column("chain", sa.Text(), nullable=True),
        sa.Column("order_url", sa.String(length=500), nullable=True),
        sa.Column("serial", sa.String(length=64), nullable=True),
        sa.Column("issuer", sa.String(length=200), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("renew_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ask_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoke_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoke_failures", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('ordered','active','replaced','revoking','revoked','failed')",
            name=op.f("ck_certificates_state"),
        ),
        sa.ForeignKeyConstraint(
            ["domain_id"], ["domains.id"], name=op.f("fk_certificates_domain_id_domains"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificates")),
    )
    op.create_index(
        "ix_certificates_ask_at",
        "certificates",
        ["ask_at"],
        unique=False,
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_index(op.f("ix_certificates_created_at_id"), "certificates", ["created_at", "id"], unique=False)
    op.create_index(
        op.f("ix_certificates_domain_id_created_at"),
        "certificates",
        ["domain_id", "created_at"],
        unique=False,
    )
    op.create_index(
        "ix_certificates_revoking",
        "certificates",
        ["revoke_at"],
        unique=False,
        postgresql_where=sa.text("state = 'revoking'"),
    )
    op.create_index(
        "uq_certificates_active",
        "certificates",
        ["domain_id"],
        unique=True,
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_index(
        "uq_certificates_ordered",
        "certificates",
        ["domain_id"],
        unique=True,
        postgresql_where=sa.text("state = 'ordered'"),
    )


def downgrade() -> None:
    op.drop_table("certificates")
    op.drop_table("domains")
    op.drop_table("released_domains")
    op.drop_table("acme_accounts")
