"""Domains and certificates as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import aliased

from backend.config import Settings, get_settings
from backend.dao.base import AnySelect
from backend.dao.listing import Listing, Sort, moment
from backend.domains import names
from backend.domains.models import Certificate, CertificateState, Domain
from backend.domains.names import app_host
from backend.jobs.models import OPEN, Job
from backend.projects.models import Project
from backend.services.models import Service

_active = aliased(Certificate)
_job = aliased(Job)
_CERTIFICATE = ("issuer", "serial", "not_before", "not_after", "renew_at")
_PLAIN = ("id", "project_id", "name", "verified_at", "verified_by", "https_redirect", "hsts", "created_at")
_secured = and_(_active.id.is_not(None), _active.not_after > func.now())
_STATE = case(
    (Domain.verified_at.is_(None), "pending"),
    (_secured, "secured"),
    (or_(Domain.failures > 0, _active.id.is_not(None)), "failing"),
    else_="verified",
)


def select_domains() -> AnySelect:
    active = and_(_active.domain_id == Domain.id, _active.state == CertificateState.ACTIVE)
    working = and_(_job.id == Domain.job_id, _job.state.in_([str(state) for state in OPEN]))
    return (
        select(
            *(getattr(Domain, name) for name in _PLAIN),
            *(getattr(_active, name).label(f"certificate_{name}") for name in _CERTIFICATE),
            _active.id.label("certificate_id"),
            _STATE.label("state"),
            Domain.token,
            Domain.look,
            Domain.seen,
            Domain.checked_at,
            Domain.check_at,
            Domain.provider,
            Domain.provider_settings,
            Domain.problem_code,
            Domain.problem_parameters,
            Domain.failures,
            Domain.certificate_at,
            Domain.service_id,
            Service.name.label("service_name"),
            _job.id.label("job_id"),
        )
        .join(Service, Service.id == Domain.service_id)
        .outerjoin(_active, active)
        .outerjoin(_job, working)
    )


def shape_domain(row: Mapping[str, Any]) -> dict[str, Any]:
    settings, name = get_settings(), row["name"]
    seen = row["seen"] or {}
    provider = row["provider"]
    code = row["problem_code"]
    return {
        **{field: row[field] for field in _PLAIN},
        "display_name": names.shown(name),
        "wildcard": names.is_wildcard(name),
        "service": {"id": row["service_id"], "name": row["service_name"]},
        "state": row["state"],
        "record": {"type": "TXT", "name": names.challenge_name(name), "value": row["token"]},
        "target": app_host(settings, row["service_name"]),
        "dns": {
            "look": row["look"],
            "txt": seen.get("txt", []),
            "txt_answered": seen.get("txt_answered", True),
            "aliases": seen.get("aliases", []),
            "addresses": seen.get("addresses", []),
            "expected": seen.get("expected") or list(settings.edge_public_addresses),
            "reached": seen.get("reached"),
            "checked_at": row["checked_at"],
            "next_check_at": row["check_at"],
        },
        "provider": provider
        and {
            "provider": provider,
            **{one: (row["provider_settings"] or {}).get(one) for one in ("server", "key_name", "algorithm")},
        },
        "certificate": row["certificate_id"] and {one: row[f"certificate_{one}"] for one in _CERTIFICATE},
        "problem": code and {"code": code, "parameters": row["problem_parameters"]},
        "failures": row["failures"],
        "next_attempt_at": None if settings.missing_for_https else row["certificate_at"],
        "active_job_id": row["job_id"],
    }


def setup_of(settings: Settings, service: str) -> dict[str, Any]:
    return {
        "target": app_host(settings, service),
        "addresses": list(settings.edge_public_addresses),
        "https": not settings.missing_for_https,
        "missing": list(settings.missing_for_https),
        "limit": settings.domains_per_service,
    }


def domain_of(domain_id: UUID) -> AnySelect:
    return select_domains().where(Domain.id == domain_id)


_SORTS = {"name": Sort(Domain.name), "created_at": Sort(Domain.created_at, moment)}

DOMAINS = Listing(
    select_domains(),
    id_column=Domain.id,
    filters={"service_id": lambda value: Domain.service_id == value},
    sorts=_SORTS,
    shape=shape_domain,
)
ADMIN_DOMAINS = Listing(
    select_domains()
    .add_columns(Project.name.label("project_name"))
    .join(Project, Project.id == Domain.project_id),
    id_column=Domain.id,
    filters={
        "q": lambda value: func.strpos(Domain.name, value) > 0,
        "state": lambda value: value == _STATE,
        "project_id": lambda value: Domain.project_id == value,
    },
    sorts=_SORTS,
    shape=lambda row: {**shape_domain(row), "project_name": row["project_name"]},
)
CERTIFICATES = Listing(
    select(
        *(getattr(Certificate, name) for name in ("id", "name", "state", *_CERTIFICATE)),
        Certificate.created_at,
        Certificate.revoked_at,
        Certificate.domain_id,
    ),
    id_column=Certificate.id,
    filters={
        "q": lambda value: func.strpos(Certificate.name, value) > 0,
        "state": lambda value: Certificate.state == value,
    },
    sorts={"created_at": Sort(Certificate.created_at, moment)},
)
