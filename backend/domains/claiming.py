"""A customer's domains at a service: claimed, set, given up. Nobody has one before it is proved."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.trail import record
from backend.audit.values import differences
from backend.config import Settings
from backend.database import now
from backend.domains import names
from backend.domains.dao import CertificateDAO, DomainDAO, ReleasedDAO
from backend.domains.models import Domain
from backend.domains.schemas import DomainPatch, Provider
from backend.domains.sealing import seal
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.jobs import queue
from backend.jobs.models import Job
from backend.oauth.principal import Principal
from backend.projects.access import not_enough
from backend.roles.permissions import SERVICES_WRITE
from backend.services.dao import ServiceDAO
from backend.services.models import Service
from backend.utils.ids import new_id

KEPT_RELEASED = timedelta(days=365)
_CHANGEABLE = ("https_redirect", "hsts")


async def claim(session: AsyncSession, settings: Settings, service: Service, given: str) -> Domain:
    """The service's row is locked. Raises `Invalid` for a name that nobody can have here."""
    name = names.normalised(given, settings)
    dao = DomainDAO(session)
    # Two services of one project may be asked for the same name at once.
    await dao.lock(f"domain {service.project_id} {name}")
    if await dao.count_of(service.id) >= settings.domains_per_service:
        raise Conflict(
            f"A service has at most {settings.domains_per_service} domains.", code="too_many_domains"
        )
    if await dao.claimed(service.project_id, name):
        raise invalid_field(["body", "name"], "Your project has this domain already.", "domain_claimed")
    domain = Domain(
        id=new_id(),
        project_id=service.project_id,
        service_id=service.id,
        name=name,
        token=secrets.token_urlsafe(24),
    )
    await dao.add(domain)
    await record_about(session, domain, Action.DOMAIN_ADDED)
    return domain


async def locked(session: AsyncSession, principal: Principal, domain_id: UUID) -> tuple[Domain, Service]:
    """The domain and its service, the service under lock. 404 for what is not theirs."""
    dao = DomainDAO(session)
    found = await dao.readable(domain_id, tuple(principal.projects))
    if found is None:
        raise NotFound("There is no such domain.")
    if not principal.may(SERVICES_WRITE, found.project_id):
        raise not_enough()
    service = await ServiceDAO(session).get_locked(found.service_id)
    domain = await dao.get_locked(domain_id)
    if domain is None or service is None or service.deleted_at is not None:
        raise NotFound("There is no such domain.")
    return domain, service


async def change(session: AsyncSession, domain: Domain, wanted: DomainPatch) -> bool:
    """Whether the edge has to be told."""
    before = _changeable(domain)
    if wanted.https_redirect is not None:
        domain.https_redirect = wanted.https_redirect
    if wanted.hsts is not None:
        domain.hsts = wanted.hsts
    if domain.hsts and not domain.https_redirect:
        message = "HSTS makes browsers use https only: it needs the redirection."
        raise invalid_field(["body", "hsts"], message, "hsts_needs_redirect")
    await DomainDAO(session).flush()
    changed = differences(before, _changeable(domain))
    if changed:
        await record_about(session, domain, Action.DOMAIN_UPDATED, before=changed[0], after=changed[1])
    return bool(changed)


async def set_provider(session: AsyncSession, domain: Domain, given: Provider) -> None:
    """With what the domain's zone is written to, for the challenge over DNS."""
    plain, secret = given.apart()
    domain.provider, domain.provider_settings = given.provider, plain
    domain.provider_secret = seal("provider", domain.id, secret)
    _try_again_soon(domain)
    await DomainDAO(session).flush()
    await record_about(session, domain, Action.DOMAIN_DNS_SET, after={"provider": given.provider})


async def remove_provider(session: AsyncSession, domain: Domain) -> None:
    if domain.provider is None:
        raise NotFound("The domain has no DNS provider.")
    domain.provider = domain.provider_settings = domain.provider_secret = None
    await DomainDAO(session).flush()
    await record_about(session, domain, Action.DOMAIN_DNS_REMOVED)


async def ask_for(
    session: AsyncSession, domain: Domain, kind: str, user_id: UUID | None, service: Service
) -> Job:
    """Accept a job about the domain, or give the one that is at it."""
    dao = DomainDAO(session)
    if await dao.busy(domain):
        found = await session.get(Job, domain.job_id)
        assert found is not None
        return found
    # Not the service's own: its deployments need not wait for an authority, nor this for a long build.
    job = await queue.accept(session, kind, project_id=service.project_id, user_id=user_id)
    domain.job_id = job.id
    await dao.flush()
    return job


async def give_up(session: AsyncSession, domain: Domain) -> None:
    """The row goes; its certificate stays until it is revoked. Afterwards the edge has to be told."""
    if domain.verified_at is not None:
        await ReleasedDAO(session).note(domain.name, domain.project_id)
    await CertificateDAO(session).give_up(domain.id)
    await DomainDAO(session).delete(domain.id)


async def give_up_all(session: AsyncSession, service_id: UUID) -> None:
    """Of a service that is deleted. A domain is locked before its certificate, here as everywhere."""
    for domain in await DomainDAO(session).locked_of_service(service_id):
        await give_up(session, domain)


async def prune(session: AsyncSession) -> int:
    """Forget a batch of who had which name, and of certificates that serve no more."""
    before = now() - KEPT_RELEASED
    return await ReleasedDAO(session).prune(before) + await CertificateDAO(session).prune(before)


async def record_about(session: AsyncSession, domain: Domain, action: Action, **about: Any) -> None:
    await record(
        session,
        action,
        object_type="domain",
        object_id=domain.id,
        object_name=names.shown(domain.name),
        project_id=domain.project_id,
        **about,
    )


def _try_again_soon(domain: Domain) -> None:
    if domain.certificate_at is not None:
        domain.certificate_at, domain.failures = now(), 0


def _changeable(domain: Domain) -> dict[str, Any]:
    return {name: getattr(domain, name) for name in _CHANGEABLE}
