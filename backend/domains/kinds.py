"""The jobs about domains: looking at one, getting its certificate, letting one go."""

from __future__ import annotations

from datetime import timedelta

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import Settings
from backend.database import Database, now
from backend.domains import names, proving
from backend.domains.acme import AcmeError
from backend.domains.adapters.base import DnsError
from backend.domains.checking import Checker
from backend.domains.dao import CertificateDAO, DomainDAO
from backend.domains.issuing import Issuing, Revoking
from backend.domains.models import Certificate, CertificateState, Domain, Look
from backend.jobs.runner import Claimed, JobError, Kind
from backend.services.dao import ServiceDAO
from backend.services.routing import Edge
from backend.users.letters import write_to

FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(days=1)
"""Between attempts that fail one after another: 5 minutes, 10, 20, and so on up to a day."""
FREE_TRIES = 3
"""Attempts in a row that a customer may ask for without waiting."""
WARN_BEFORE = timedelta(days=10)
WARN_AGAIN = timedelta(days=3)
WARN_AFTER_FAILURES = 3
NO_HTTP = frozenset({Look.ELSEWHERE, Look.MISSING, Look.PARTLY})
_MESSAGES = {
    "acme_rate_limited": "The authority asks us to wait before the next certificate.",
    "acme_caa": "A CAA record of the domain does not let this authority issue.",
    "acme_dns": "The authority could not look the domain up in DNS.",
    "acme_connection": "The authority could not reach the domain.",
    "acme_unauthorized": "The authority did not find our answer at the domain.",
    "acme_rejected": "The authority does not issue for this name.",
    "acme_operator": "The authority wants something of the operator of this panel.",
    "acme_account_gone": "The authority has forgotten our account; a new one is made.",
    "acme_no_challenge": "The authority does not offer the challenge that this name needs.",
    "acme_unreachable": "The authority does not answer.",
    "acme_slow": "The authority took too long.",
    "acme_refused": "The authority refused the certificate.",
    "dns_not_admitted": "The DNS provider does not let us in.",
    "dns_no_zone": "The DNS provider has no zone of this domain.",
    "dns_update_refused": "The DNS provider refused the record.",
    "dns_unreachable": "The DNS provider does not answer.",
    "dns_server_internal": "The name server is at an internal address.",
    "needs_provider": "A wildcard needs access to its DNS provider.",
    "not_pointed_here": "The domain does not lead to this installation.",
}


class DomainJobs:
    def __init__(self, settings: Settings, database: Database, edge: Edge) -> None:
        self._settings = settings
        self._database = database
        self._edge = edge

    def kinds(self) -> dict[str, Kind]:
        return {
            "domain.check": Kind(self.check, self.failed),
            "domain.certificate": Kind(self.certify, self.failed),
            "domain.apply": Kind(self.apply, self.failed),
            "domain.remove": Kind(self.remove, self.failed),
        }

    async def check(self, job: Claimed) -> None:
        """What the customer asks for: look, then go on as far as it is possible."""
        domain = await self._read(job)
        await job.progress("looking", 10)
        async with self._database.transaction() as session:
            service = await ServiceDAO(session).get(domain.service_id)
            assert service is not None
        finding = await Checker(self._settings).look_at(domain.name, domain.token, service.name)
        async with job.transaction() as session:
            await proving.apply(session, domain.id, finding)
        await self.certify(job)

    async def certify(self, job: Claimed) -> None:
        domain = await self._read(job)
        if domain.verified_at is None:
            return
        await self._publish(job)
        if self._settings.missing_for_https or not _due(domain):
            return
        if domain.provider is None and not names.is_wildcard(domain.name) and domain.look in NO_HTTP:
            raise _error("not_pointed_here")
        try:
            await Issuing(self._settings, self._database).issue(job, domain)
        except (AcmeError, DnsError) as error:
            raise _error(error.code, error.words, getattr(error, "retry_after", None)) from None
        # Only now plain http may be led to https.
        await self._publish(job)

    async def apply(self, job: Claimed) -> None:
        """What was changed about a domain, told to the edge."""
        await self._publish(job)

    async def remove(self, job: Claimed) -> None:
        """The row is gone already; now the edge is told, and the authority."""
        await self._publish(job)
        await job.progress("revoking", 60)
        if not self._settings.missing_for_https:
            await Revoking(self._settings, self._database).revoke_due(10)

    async def failed(self, job: Claimed, error: JobError) -> bool:
        """Say why at the domain, and when it is tried again."""
        if error.code == "edge_unavailable":
            return True
        retry_after = error.parameters.get("wait_seconds")
        async with job.transaction() as session:
            domain = await DomainDAO(session).of_job(job.id)
            domain = await DomainDAO(session).get_locked(domain.id) if domain else None
            if domain is None:
                return True
            domain.failures = min(domain.failures + 1, 1000)
            domain.problem_code, domain.problem_parameters = error.code, dict(error.parameters) or None
            wait = min(FIRST_WAIT * 2 ** min(domain.failures - 1, 12), LONGEST_WAIT)
            if isinstance(retry_after, int):
                wait = max(wait, timedelta(seconds=retry_after))
            domain.certificate_at = now() + wait
            active = await CertificateDAO(session).in_state(domain.id, CertificateState.ACTIVE)
            if active is not None and _worth_a_letter(domain, active):
                domain.warned_at = now()
                await self._warn(session, domain, active)
        return True

    async def _warn(self, session: AsyncSession, domain: Domain, certificate: Certificate) -> None:
        assert certificate.not_after is not None
        for owner in await DomainDAO(session).owners(domain.project_id):
            await write_to(
                session,
                owner,
                "certificate_failing",
                domain=names.shown(domain.name),
                until=certificate.not_after.date().isoformat(),
                url=f"{self._settings.panel_url}/services/{domain.service_id}/domains",
            )

    async def _read(self, job: Claimed) -> Domain:
        async with self._database.transaction() as session:
            domain = await DomainDAO(session).of_job(job.id)
        if domain is None:
            raise JobError("domain_gone", "The domain was removed, or something else is done about it.")
        return domain

    async def _publish(self, job: Claimed) -> None:
        await job.progress("routing", 20)
        try:
            await self._edge.publish()
        except TimeoutError:
            message = "The edge did not take over the new route in time."
            raise JobError("edge_unavailable", message, retry=True) from None


def _due(domain: Domain) -> bool:
    """Whether a certificate is to be asked for now, also by somebody who does not want to wait."""
    if domain.certificate_at is None:
        return False
    return domain.certificate_at <= now() or 0 < domain.failures < FREE_TRIES


def _worth_a_letter(domain: Domain, active: Certificate) -> bool:
    if domain.failures < WARN_AFTER_FAILURES or active.not_after is None:
        return False
    ends_soon = active.not_after - now() < WARN_BEFORE
    return ends_soon and (domain.warned_at is None or now() - domain.warned_at > WARN_AGAIN)


def _error(code: str, words: str = "", retry_after: timedelta | None = None) -> JobError:
    parameters: dict[str, str | int] = {"words": words} if words else {}
    if retry_after is not None:
        parameters["wait_seconds"] = int(retry_after.total_seconds()) + 1
    logger.warning("no certificate: {} {}", code, words)
    return JobError(code, _MESSAGES.get(code, code), parameters=parameters)
