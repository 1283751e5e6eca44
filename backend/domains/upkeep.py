"""What is done about domains without anybody asking: looks that are due, certificates to get and to renew,
revocations that wait, files of the edge that were lost.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

from loguru import logger
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import Settings
from backend.database import Database
from backend.domains import accounts, proving
from backend.domains.acme import AcmeError
from backend.domains.challenges import HttpChallenges
from backend.domains.checking import Checker
from backend.domains.claiming import ask_for
from backend.domains.dao import CertificateDAO, DomainDAO
from backend.domains.edgefiles import CertificateFiles
from backend.domains.issuing import Revoking
from backend.domains.sealing import unseal
from backend.services.dao import ServiceDAO

CHECKS = 50
"""Domains that one round looks at, all at the same time."""
CERTIFICATES = 20
REVOCATIONS = 10
ASKED = 20


async def keep_up(settings: Settings, database: Database) -> None:
    await check_due(settings, database)
    await mend_files(settings, database)
    if not settings.missing_for_https:
        await ask_authority(settings, database)
        await order_due(database)
        await Revoking(settings, database).revoke_due(REVOCATIONS)


async def check_due(settings: Settings, database: Database) -> None:
    async with database.transaction() as session:
        due = await DomainDAO(session).due_for_check(CHECKS)
    checker = Checker(settings)

    async def one(row: Row[tuple[UUID, UUID, str, str, str]]) -> None:
        finding = await checker.look_at(row.name, row.token, row.service)
        async with database.transaction() as session:
            won = await proving.apply(session, row.id, finding)
            if won:
                await _start(session, row.id)

    for found in await asyncio.gather(*(one(row) for row in due), return_exceptions=True):
        if isinstance(found, Exception):
            logger.opt(exception=found).error("a domain was not looked at")


async def order_due(database: Database) -> None:
    async with database.transaction() as session:
        for domain in await DomainDAO(session).due_for_certificate(CERTIFICATES):
            await _start(session, domain.id)


async def ask_authority(settings: Settings, database: Database) -> None:
    """Whether it wants certificates renewed earlier (RFC 9773): it has to revoke them soon, say."""
    async with database.transaction() as session:
        to_ask = await CertificateDAO(session).to_ask(ASKED)
    if not to_ask:
        return
    try:
        acme = await accounts.connect(settings, database)
    except AcmeError as error:
        logger.warning("the authority is not asked: {}", error)
        return
    try:
        for certificate in to_ask:
            assert certificate.chain is not None
            wanted, ask_at = await asyncio.to_thread(acme.renewal_time, certificate.chain)
            async with database.transaction() as session:
                owner = await DomainDAO(session).get_locked(certificate.domain_id)
                row = await CertificateDAO(session).get_locked(certificate.id)
                if row is None or owner is None:
                    continue
                row.ask_at = ask_at
                if wanted is not None and (row.renew_at is None or wanted < row.renew_at):
                    row.renew_at = wanted
                    if owner.failures == 0:
                        owner.certificate_at = wanted
    finally:
        acme.close()


async def mend_files(settings: Settings, database: Database) -> None:
    """The edge's certificates as the database has them."""
    files = CertificateFiles(settings.edge_certificates_dir)
    HttpChallenges(settings).sweep()
    async with database.transaction() as session:
        serving = await CertificateDAO(session).serving()
    if serving or settings.edge_tls_address:
        files.ensure_default()
    for certificate_id in files.missing(serving):
        async with database.transaction() as session:
            row = await CertificateDAO(session).get(certificate_id)
        if row is not None and row.private_key and row.chain and row.domain_id:
            key = unseal("certificate", row.id, row.private_key)
            files.write(row.domain_id, row.id, row.chain, key)
            logger.warning("the certificate of {} was not at the edge: written again", row.name)
    files.sweep([domain_id for domain_id, _ in serving])


async def _start(session: AsyncSession, domain_id: UUID) -> None:
    domain = await DomainDAO(session).get_locked(domain_id)
    assert domain is not None
    service = await ServiceDAO(session).get(domain.service_id)
    assert service is not None
    await ask_for(session, domain, "domain.certificate", None, service)
