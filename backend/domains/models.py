"""A customer's domain, its certificates, the accounts that ask for them, and who had a name before."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, Timestamps, now

_VERIFIED = text("verified_at IS NOT NULL")
_WANTED = text("certificate_at IS NOT NULL")
_ACTIVE = text("state = 'active'")
_ORDERED = text("state = 'ordered'")
_REVOKING = text("state = 'revoking'")


class Proof(enum.StrEnum):
    """How it was shown whose the domain is, the strongest first."""

    TXT = "txt"
    CNAME = "cname"
    ADDRESS = "address"


class Look(enum.StrEnum):
    """Where the domain leads, as DNS said last."""

    UNCHECKED = "unchecked"
    HERE = "here"
    PARTLY = "partly"
    ELSEWHERE = "elsewhere"
    MISSING = "missing"
    UNANSWERED = "unanswered"
    UNKNOWN = "unknown"
    """It has addresses, and nobody told us which are the edge's."""


class CertificateState(enum.StrEnum):
    ORDERED = "ordered"
    """Its key is made, and an order may be on its way at the authority."""
    ACTIVE = "active"
    REPLACED = "replaced"
    REVOKING = "revoking"
    REVOKED = "revoked"
    FAILED = "failed"


class Domain(Timestamps, Base):
    __tablename__ = "domains"
    __table_args__ = (
        CheckConstraint("verified_by IN ('txt','cname','address')", name="verified_by"),
        CheckConstraint(
            "look IN ('unchecked','here','partly','elsewhere','missing','unanswered','unknown')", name="look"
        ),
        CheckConstraint("provider IN ('rfc2136','cloudflare')", name="provider"),
        UniqueConstraint("project_id", "name"),
        # Anybody may claim a name; one has it.
        Index("uq_domains_verified_name", "name", unique=True, postgresql_where=_VERIFIED),
        Index(None, "service_id", "name", "id"),
        Index(None, "name", "id"),
        Index(None, "created_at", "id"),
        Index(None, "check_at"),
        Index("ix_domains_certificate_at", "certificate_at", postgresql_where=_WANTED),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(253))
    """As DNS has it: ASCII, small letters, `*.` in front of a wildcard."""
    token: Mapped[str] = mapped_column(String(60))
    verified_at: Mapped[datetime | None]
    verified_by: Mapped[str | None] = mapped_column(String(8))
    https_redirect: Mapped[bool] = mapped_column(default=True)
    hsts: Mapped[bool] = mapped_column(default=False)
    provider: Mapped[str | None] = mapped_column(String(12))
    provider_settings: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    provider_secret: Mapped[str | None] = mapped_column(Text)
    """Sealed: the key or token that may write to the domain's zone."""

    look: Mapped[str] = mapped_column(String(10), default=Look.UNCHECKED)
    seen: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    checked_at: Mapped[datetime | None]
    check_at: Mapped[datetime] = mapped_column(default=now)

    problem_code: Mapped[str | None] = mapped_column(String(60))
    """Why it is not verified although DNS leads here, or has no certificate."""
    problem_parameters: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    certificate_at: Mapped[datetime | None]
    """When a certificate is asked for next, or again."""
    failures: Mapped[int] = mapped_column(SmallInteger, default=0)
    warned_at: Mapped[datetime | None]
    job_id: Mapped[UUID | None]
    """The job that works on it, or did last."""


class Certificate(Base):
    __tablename__ = "certificates"
    __table_args__ = (
        CheckConstraint(
            "state IN ('ordered','active','replaced','revoking','revoked','failed')", name="state"
        ),
        Index("uq_certificates_active", "domain_id", unique=True, postgresql_where=_ACTIVE),
        Index("uq_certificates_ordered", "domain_id", unique=True, postgresql_where=_ORDERED),
        Index(None, "domain_id", "created_at"),
        Index(None, "created_at", "id"),
        Index("ix_certificates_revoking", "revoke_at", postgresql_where=_REVOKING),
        Index("ix_certificates_ask_at", "ask_at", postgresql_where=_ACTIVE),
    )

    id: Mapped[Id]
    domain_id: Mapped[UUID | None] = mapped_column(ForeignKey("domains.id", ondelete="SET NULL"))
    """None once the domain is gone: the certificate has to be revoked all the same."""
    name: Mapped[str] = mapped_column(String(253))
    state: Mapped[str] = mapped_column(String(10), default=CertificateState.ORDERED)
    directory: Mapped[str] = mapped_column(String(500))
    private_key: Mapped[str | None] = mapped_column(Text)
    """Sealed; None when the certificate serves no more."""
    chain: Mapped[str | None] = mapped_column(Text)
    order_url: Mapped[str | None] = mapped_column(String(500))
    serial: Mapped[str | None] = mapped_column(String(64))
    issuer: Mapped[str | None] = mapped_column(String(200))
    not_before: Mapped[datetime | None]
    not_after: Mapped[datetime | None]
    renew_at: Mapped[datetime | None]
    ask_at: Mapped[datetime | None]
    """When the authority is asked next whether it wants an earlier renewal."""
    created_at: Mapped[datetime] = mapped_column(default=now)
    revoked_at: Mapped[datetime | None]
    revoke_at: Mapped[datetime | None]
    revoke_failures: Mapped[int] = mapped_column(SmallInteger, default=0)


class AcmeAccount(Base):
    """The installation's account at one authority."""

    __tablename__ = "acme_accounts"

    id: Mapped[Id]
    directory: Mapped[str] = mapped_column(String(500), unique=True)
    private_key: Mapped[str] = mapped_column(Text)
    """Sealed."""
    url: Mapped[str | None] = mapped_column(String(500))
    email: Mapped[str | None] = mapped_column(String(320))
    paused_until: Mapped[datetime | None]
    """The authority said that we ask too often."""
    created_at: Mapped[datetime] = mapped_column(default=now)


class ReleasedDomain(Base):
    """Who had a name last. DNS may still lead here, which is then no proof for somebody else."""

    __tablename__ = "released_domains"

    name: Mapped[str] = mapped_column(String(253), primary_key=True)
    project_id: Mapped[UUID]
    released_at: Mapped[datetime] = mapped_column(default=now)
