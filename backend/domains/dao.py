"""Statements over domains, certificates and accounts of authorities."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from backend.dao.base import BaseDAO
from backend.database import now
from backend.domains.models import AcmeAccount, Certificate, CertificateState, Domain, ReleasedDomain
from backend.jobs.models import OPEN, Job
from backend.projects.models import ProjectMember
from backend.services.models import Service, ServiceStatus
from backend.users.models import User


class DomainDAO(BaseDAO[Domain]):
    model = Domain

    async def readable(self, domain_id: UUID, projects: Sequence[UUID]) -> Domain | None:
        return await self.one(select(Domain).where(Domain.id == domain_id, Domain.project_id.in_(projects)))

    async def of_service(self, service_id: UUID) -> Sequence[Domain]:
        return await self.all(select(Domain).where(Domain.service_id == service_id).order_by(Domain.id))

    async def locked_of_service(self, service_id: UUID) -> Sequence[Domain]:
        statement = select(Domain).where(Domain.service_id == service_id).order_by(Domain.id)
        return await self.all(statement.with_for_update().execution_options(populate_existing=True))

    async def of_job(self, job_id: UUID) -> Domain | None:
        return await self.one(select(Domain).where(Domain.job_id == job_id))

    async def count_of(self, service_id: UUID) -> int:
        statement = select(func.count()).where(Domain.service_id == service_id)
        counted: int = await self.scalar(statement)
        return counted

    async def claimed(self, project_id: UUID, name: str) -> bool:
        """Whether the project has the name at one of its services."""
        found = exists().where(Domain.project_id == project_id, Domain.name == name)
        return bool(await self.scalar(select(found)))

    async def holder(self, name: str) -> Domain | None:
        """Who has proved the name, under lock."""
        statement = select(Domain).where(Domain.name == name, Domain.verified_at.is_not(None))
        return await self.one(statement.with_for_update())

    async def contested(self, name: str, above: Sequence[str], project_id: UUID, since: datetime) -> bool:
        """Whether another project claims the name, has a name above it, or had the name last.

        A mere claim does not count against whoever had it last.
        """
        other = Domain.project_id != project_id
        had_it = exists().where(ReleasedDomain.name == name, ReleasedDomain.project_id == project_id)
        claims = exists().where(
            other,
            or_(
                and_(Domain.name == name, Domain.created_at > since, ~had_it),
                and_(Domain.name.in_((name, *above)), Domain.verified_at.is_not(None)),
            ),
        )
        return bool(await self.scalar(select(claims | _released(name, project_id))))

    async def routed(self) -> Sequence[Row[Any]]:
        """What the edge answers for besides the services' own names, with what it needs for TLS."""
        active = and_(
            Certificate.domain_id == Domain.id,
            Certificate.state == CertificateState.ACTIVE,
            Certificate.not_after > now(),
        )
        statement = (
            select(
                Domain.id,
                Domain.name,
                Domain.https_redirect,
                Domain.hsts,
                Service.name.label("service"),
                Certificate.id.is_not(None).label("certified"),
            )
            .join(Service, Service.id == Domain.service_id)
            .outerjoin(Certificate, active)
            .where(Domain.verified_at.is_not(None), Service.deleted_at.is_(None))
        )
        return await self.rows(statement)

    async def due_for_check(self, limit: int) -> Sequence[Row[Any]]:
        """Take up what is due: nobody else does before the check had time to end."""
        moment = now()
        due = (
            select(Domain.id)
            .where(Domain.check_at <= moment)
            .order_by(Domain.check_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        taken = (
            update(Domain)
            .where(Domain.id.in_(due.scalar_subquery()))
            .values(check_at=moment + timedelta(minutes=2), updated_at=Domain.updated_at)
            .returning(Domain.id, Domain.service_id, Domain.name, Domain.token)
        ).cte("taken")
        statement = select(taken, Service.name.label("service")).join(
            Service, Service.id == taken.c.service_id
        )
        return await self.rows(statement)

    async def due_for_certificate(self, limit: int) -> Sequence[Domain]:
        busy = exists().where(Job.id == Domain.job_id, Job.state.in_(OPEN))
        alive = exists().where(
            Service.id == Domain.service_id,
            Service.deleted_at.is_(None),
            Service.status != ServiceStatus.DELETING,
        )
        statement = (
            select(Domain)
            .where(Domain.verified_at.is_not(None), Domain.certificate_at <= now(), ~busy, alive)
            .order_by(Domain.certificate_at)
            .limit(limit)
        )
        return await self.all(statement.with_for_update(skip_locked=True))

    async def busy(self, domain: Domain) -> bool:
        """Whether a job works on it, or is about to."""
        found = exists().where(Job.id == domain.job_id, Job.state.in_(OPEN))
        return domain.job_id is not None and bool(await self.scalar(select(found)))

    async def owners(self, project_id: UUID) -> Sequence[User]:
        """Who is written to about the project's domains."""
        statement = (
            select(User)
            .join(ProjectMember, ProjectMember.user_id == User.id)
            .where(ProjectMember.project_id == project_id, ProjectMember.role == "owner", User.is_active)
        )
        return [row.User for row in await self.rows(statement)]


class ReleasedDAO(BaseDAO[ReleasedDomain]):
    model = ReleasedDomain

    async def note(self, name: str, project_id: UUID) -> None:
        values = {"project_id": project_id, "released_at": now()}
        statement = insert(ReleasedDomain).values(name=name, **values)
        await self.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))

    async def forget(self, name: str) -> None:
        await self.execute(delete(ReleasedDomain).where(ReleasedDomain.name == name))

    async def prune(self, before: datetime) -> int:
        return await self.delete_some(ReleasedDomain.released_at < before)


class CertificateDAO(BaseDAO[Certificate]):
    model = Certificate

    async def in_state(self, domain_id: UUID, state: CertificateState) -> Certificate | None:
        return await self.one(
            select(Certificate).where(Certificate.domain_id == domain_id, Certificate.state == state)
        )

    async def give_up(self, domain_id: UUID) -> None:
        """Of a domain that goes: what serves has to be revoked, what was on its way is forgotten."""
        mine = Certificate.domain_id == domain_id
        serving = Certificate.state == CertificateState.ACTIVE
        await self.execute(
            update(Certificate)
            .where(mine, serving)
            .values(state=CertificateState.REVOKING, private_key=None, revoke_at=now())
        )
        ordered = Certificate.state == CertificateState.ORDERED
        await self.execute(
            update(Certificate).where(mine, ordered).values(state=CertificateState.FAILED, private_key=None)
        )

    async def revocable(self, limit: int, name: str | None = None) -> Sequence[Certificate]:
        """What is due for revocation; of that `name` in any case."""
        statement = select(Certificate).where(Certificate.state == CertificateState.REVOKING)
        due = Certificate.revoke_at <= now() if name is None else Certificate.name == name
        return await self.all(statement.where(due).order_by(Certificate.revoke_at).limit(limit))

    async def serving(self) -> Sequence[tuple[UUID, UUID]]:
        """Domain and certificate of all that the edge shall have files of."""
        statement = select(Certificate.domain_id, Certificate.id).where(
            Certificate.state == CertificateState.ACTIVE, Certificate.domain_id.is_not(None)
        )
        return [(row.domain_id, row.id) for row in await self.rows(statement)]

    async def to_ask(self, limit: int) -> Sequence[Certificate]:
        statement = select(Certificate).where(
            Certificate.state == CertificateState.ACTIVE, Certificate.ask_at <= now()
        )
        return await self.all(statement.order_by(Certificate.ask_at).limit(limit))

    async def prune(self, before: datetime) -> int:
        ended = (CertificateState.REPLACED, CertificateState.REVOKED, CertificateState.FAILED)
        return await self.delete_some(and_(Certificate.state.in_(ended), Certificate.created_at < before))


class AcmeAccountDAO(BaseDAO[AcmeAccount]):
    model = AcmeAccount

    async def of(self, directory: str) -> AcmeAccount | None:
        return await self.one(select(AcmeAccount).where(AcmeAccount.directory == directory))

    async def make(self, account_id: UUID, directory: str, private_key: str) -> None:
        """Unless somebody made it meanwhile."""
        statement = insert(AcmeAccount).values(
            id=account_id, directory=directory, private_key=private_key, created_at=now()
        )
        await self.execute(statement.on_conflict_do_nothing(index_elements=["directory"]))


def _released(name: str, project_id: UUID) -> Any:
    return exists().where(ReleasedDomain.name == name, ReleasedDomain.project_id != project_id)
