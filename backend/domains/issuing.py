"""Getting a certificate, step by step: ordering → proving → finishing → installing.

A step may be cut off by `kill -9` and is then done again with the same key and the same order, so that no
second certificate is asked for. Nothing of it happens inside a transaction but the writing down.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from acme.messages import OrderResource
from cryptography import x509
from cryptography.x509.oid import NameOID
from loguru import logger

from backend.audit.actions import Action
from backend.config import Settings
from backend.database import Database, now
from backend.domains import accounts, names
from backend.domains.acme import CESSATION, Acme, AcmeError, Challenge, OrderGone
from backend.domains.adapters.base import DnsAdapter, DnsError
from backend.domains.adapters.registry import adapter_of
from backend.domains.challenges import HttpChallenges
from backend.domains.claiming import record_about
from backend.domains.dao import CertificateDAO, DomainDAO
from backend.domains.edgefiles import CertificateFiles
from backend.domains.models import Certificate, CertificateState, Domain
from backend.domains.resolving import Resolver
from backend.domains.sealing import new_private_key, request_for, seal, unseal
from backend.jobs.runner import Claimed
from backend.utils.crypto import SealBroken
from backend.utils.ids import new_id

FINISH_SECONDS = 120.0


class Issuing:
    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._http = HttpChallenges(settings)
        self._files = CertificateFiles(settings.edge_certificates_dir)

    async def issue(self, job: Claimed, domain: Domain) -> None:
        """Raises `AcmeError` and `DnsError`; the certificate that is there serves on."""
        try:
            adapter = adapter_of(self._settings, domain)
        except SealBroken:
            raise DnsError("dns_not_admitted") from None
        if adapter is None and names.is_wildcard(domain.name):
            raise DnsError("needs_provider")
        await job.progress("ordering", 25)
        acme = await accounts.connect(self._settings, self._database)
        try:
            certificate = await self._certificate(job, domain)
            assert certificate.private_key is not None
            key = unseal("certificate", certificate.id, certificate.private_key)
            order = await self._order(job, acme, certificate, request_for(domain.name, key))
            found = await asyncio.to_thread(acme.to_answer, order, by_dns=adapter is not None)
            await job.progress("proving", 45)
            async with self._presented(domain, found, adapter):
                for challenge in found:
                    await asyncio.to_thread(acme.answer, challenge)
                await job.progress("finishing", 70)
                chain = await asyncio.to_thread(acme.finish, order, FINISH_SECONDS)
            wanted, ask_at = await asyncio.to_thread(acme.renewal_time, chain)
        except AcmeError as error:
            await accounts.heed(self._settings, self._database, error)
            raise
        finally:
            acme.close()
        await job.progress("installing", 90)
        # The file first: whoever is told of the certificate finds it.
        self._files.write(domain.id, certificate.id, chain, key)
        await self._activate(job, domain, certificate.id, chain, wanted, ask_at)

    async def _certificate(self, job: Claimed, domain: Domain) -> Certificate:
        """The one that is on its way, or a new one with a key of its own."""
        async with job.transaction() as session:
            dao = CertificateDAO(session)
            found = await dao.in_state(domain.id, CertificateState.ORDERED)
            if found is not None and found.directory == self._settings.acme_directory:
                return found
            if found is not None:
                found.state, found.private_key = CertificateState.FAILED, None
                await dao.flush()
            made = Certificate(
                id=new_id(), domain_id=domain.id, name=domain.name, directory=self._settings.acme_directory
            )
            made.private_key = seal("certificate", made.id, new_private_key())
            await dao.add(made)
            return made

    async def _order(
        self, job: Claimed, acme: Acme, certificate: Certificate, request: bytes
    ) -> OrderResource:
        if certificate.order_url is not None:
            with contextlib.suppress(OrderGone):
                return await asyncio.to_thread(acme.resume, certificate.order_url, request)
        order = await asyncio.to_thread(acme.order, request)
        async with job.transaction() as session:
            row = await CertificateDAO(session).get_locked(certificate.id)
            assert row is not None
            row.order_url = order.uri
        return order

    @asynccontextmanager
    async def _presented(
        self, domain: Domain, found: list[Challenge], adapter: DnsAdapter | None
    ) -> AsyncIterator[None]:
        """The answers to the challenges, where the authority looks for them."""
        name = f"_acme-challenge.{names.base_of(domain.name)}"
        try:
            for challenge in found:
                if adapter is None:
                    self._http.present(challenge.token, challenge.content)
                else:
                    await adapter.present(name, challenge.content)
            if adapter is not None:
                await self._propagated(name, {challenge.content for challenge in found})
            yield
        finally:
            for challenge in found:
                if adapter is None:
                    self._http.clear(challenge.token)
                    continue
                try:
                    await adapter.clear(name, challenge.content)
                except DnsError as error:
                    logger.warning("a TXT record of {} stays: {}", name, error)

    async def _propagated(self, name: str, values: set[str]) -> None:
        """Wait until our resolver has the records. The authority's may have them although ours has not."""
        resolver = Resolver(self._settings)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.dns_propagation_seconds):
                # What is waited for happens elsewhere, so there is no event.
                while not values <= set((await resolver.texts(name)).values):  # noqa: ASYNC110
                    await asyncio.sleep(1)

    async def _activate(
        self,
        job: Claimed,
        domain: Domain,
        certificate_id: UUID,
        chain: str,
        wanted: datetime | None,
        ask_at: datetime,
    ) -> None:
        leaf = x509.load_pem_x509_certificates(chain.encode())[0]
        async with job.transaction() as session:
            dao = CertificateDAO(session)
            # The domain before its certificates, as everybody.
            owner = await DomainDAO(session).get_locked(domain.id)
            row = await dao.get_locked(certificate_id)
            if row is None or owner is None or row.state != CertificateState.ORDERED:
                if row is not None and row.domain_id is None:
                    # The domain was removed meanwhile.
                    row.state, row.chain, row.revoke_at = CertificateState.REVOKING, chain, now()
                return
            before = await dao.in_state(domain.id, CertificateState.ACTIVE)
            if before is not None:
                before.state, before.private_key = CertificateState.REPLACED, None
                await dao.flush()
            row.state, row.chain, row.order_url = CertificateState.ACTIVE, chain, None
            row.serial, row.issuer = f"{leaf.serial_number:x}", _issuer(leaf)
            row.not_before, row.not_after = leaf.not_valid_before_utc, leaf.not_valid_after_utc
            row.renew_at, row.ask_at = wanted or a_third_before(leaf), ask_at
            owner.certificate_at, owner.failures, owner.warned_at = row.renew_at, 0, None
            owner.problem_code = owner.problem_parameters = None
            await dao.flush()
            until = leaf.not_valid_after_utc.date().isoformat()
            await record_about(session, owner, Action.DOMAIN_SECURED, after={"valid_until": until})


class Revoking:
    """Certificates of domains that are gone."""

    LONGEST_WAIT = timedelta(days=1)

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    async def revoke_due(self, limit: int, name: str | None = None) -> None:
        """What fails is tried again later, until the certificate expires by itself."""
        async with self._database.transaction() as session:
            due = await CertificateDAO(session).revocable(limit, name)
        for certificate in due:
            expired = certificate.not_after is not None and certificate.not_after < now()
            trouble = None if expired else await self._revoke(certificate)
            async with self._database.transaction() as session:
                row = await CertificateDAO(session).get_locked(certificate.id)
                if row is None or row.state != CertificateState.REVOKING:
                    continue
                if trouble is None:
                    row.state, row.revoked_at, row.revoke_at = CertificateState.REVOKED, now(), None
                else:
                    row.revoke_failures = min(row.revoke_failures + 1, 30)
                    wait = timedelta(minutes=2**row.revoke_failures)
                    row.revoke_at = now() + max(min(wait, self.LONGEST_WAIT), trouble.retry_after or wait)
                    logger.warning("{} is not revoked yet: {}", row.name, trouble)

    async def _revoke(self, certificate: Certificate) -> AcmeError | None:
        if certificate.directory != self._settings.acme_directory or certificate.chain is None:
            return AcmeError("acme_operator", "of another authority than ACME_DIRECTORY")
        try:
            acme = await accounts.connect(self._settings, self._database)
            try:
                await asyncio.to_thread(acme.revoke, certificate.chain, CESSATION)
            finally:
                acme.close()
        except AcmeError as error:
            return error
        return None


def a_third_before(leaf: x509.Certificate) -> datetime:
    """When two thirds of its life are over."""
    life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    return (leaf.not_valid_after_utc - life / 3).astimezone(UTC)


def _issuer(leaf: x509.Certificate) -> str | None:
    found = leaf.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value)[:200] if found else None
