"""What a look at a domain changes: its owner, where it is said to lead, when it is looked at again."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.database import now
from backend.domains import names
from backend.domains.checking import Finding
from backend.domains.claiming import give_up, record_about
from backend.domains.dao import DomainDAO, ReleasedDAO
from backend.domains.models import Domain, Look, Proof
from backend.users.letters import write_to

CLAIM_COUNTS = timedelta(days=30)
"""For how long a name that somebody claimed and did not prove keeps others from proving it by address."""


async def apply(session: AsyncSession, domain_id: UUID, finding: Finding) -> bool:
    """Write down what was found; gives whether the domain is proved by it, and was not before."""
    dao = DomainDAO(session)
    domain = await dao.get_locked(domain_id)
    if domain is None:
        return False
    domain.look, domain.seen, domain.checked_at = finding.look, finding.seen, now()
    won = False
    if domain.verified_at is None:
        won = finding.proof is not None and await _claim(session, domain, finding.proof)
        if finding.proof is None:
            _explain(domain, finding)
    domain.check_at = _next(domain, finding.look)
    await dao.flush()
    return won


async def _claim(session: AsyncSession, domain: Domain, proof: Proof) -> bool:
    dao = DomainDAO(session)
    # Two who prove the same name come one after another.
    await dao.lock(f"domain {domain.name}")
    holder = await dao.holder(domain.name)
    if proof is not Proof.TXT:
        above = names.parents(domain.name)
        contested = await dao.contested(domain.name, above, domain.project_id, now() - CLAIM_COUNTS)
        if holder is not None or contested:
            domain.problem_code, domain.problem_parameters = "needs_txt", None
            return False
    if holder is not None:
        await _taken_over(session, holder)
    domain.verified_at, domain.verified_by = now(), proof
    domain.problem_code = domain.problem_parameters = None
    domain.certificate_at = now()
    await ReleasedDAO(session).forget(domain.name)
    await dao.flush()
    await record_about(session, domain, Action.DOMAIN_VERIFIED, after={"by": proof})
    logger.info("{} is proved by {}", domain.name, proof)
    return True


async def _taken_over(session: AsyncSession, holder: Domain) -> None:
    """Whoever writes to the zone says whose it is now."""
    await record_about(session, holder, Action.DOMAIN_TAKEN_OVER)
    for owner in await DomainDAO(session).owners(holder.project_id):
        await write_to(session, owner, "domain_taken_over", domain=names.shown(holder.name))
    await give_up(session, holder)


def _explain(domain: Domain, finding: Finding) -> None:
    domain.problem_parameters = None
    if names.is_wildcard(domain.name):
        domain.problem_code = "needs_txt" if finding.look is Look.HERE else None
    elif finding.look is Look.HERE and finding.anothers:
        domain.problem_code = "needs_txt"
    elif finding.look is Look.HERE:
        # It leads here, and yet we did not meet ourselves there.
        domain.problem_code = "not_reached"
    elif finding.look is Look.UNKNOWN:
        domain.problem_code = "needs_txt"
    else:
        domain.problem_code = None


def _next(domain: Domain, look: Look) -> datetime:
    """Soon while somebody waits for it, seldom once nobody does."""
    age = now() - domain.created_at
    if domain.verified_at is not None:
        wait = timedelta(hours=6) if look in (Look.HERE, Look.UNKNOWN) else timedelta(minutes=30)
    elif age < timedelta(hours=1):
        wait = timedelta(minutes=1)
    elif age < timedelta(days=2):
        wait = timedelta(minutes=15)
    else:
        wait = timedelta(hours=12)
    return now() + wait
