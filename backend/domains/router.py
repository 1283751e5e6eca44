"""Custom domains of services, and what the operator sees of all of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from backend.audit.actions import Action
from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.dao.read import shaped
from backend.domains import claiming
from backend.domains import schemas as s
from backend.domains.views import ADMIN_DOMAINS, CERTIFICATES, DOMAINS, domain_of, setup_of, shape_domain
from backend.exceptions import NotFound
from backend.jobs import queue
from backend.jobs.idempotency import Answer, OnceDep
from backend.oauth.identity import identity_of
from backend.openapi import WORK, problems
from backend.roles.permissions import ADMIN_SERVICES, SERVICES_READ, SERVICES_WRITE
from backend.services import lifecycle
from backend.services.access import Administrator, ReadableService, Reader, Writer
from backend.utils.http import Cursor, Size, job_location, json_answer, json_bytes

router = APIRouter(prefix="/api/v1", tags=["services"])
admin = APIRouter(prefix="/api/v1/admin", tags=["admin"])

DomainSort = Literal["name", "-name", "created_at", "-created_at"]
NamePart = Annotated[
    str | None, Query(max_length=253, pattern=r"^[^\x00]*$", description="Part of the name.")
]


@router.get(
    "/services/{service_id}/domains",
    operation_id="domains_list",
    summary="Domains of a service",
    response_model=Page[s.DomainView],
    responses=problems(400, 401, 403, 404, 422),
)
async def domains_list(
    service: ReadableService,
    parts: PartsDep,
    sort: DomainSort = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """With what proves each, where it leads, and its certificate."""
    pool = await parts.database.reader()
    filters = {"service_id": str(service["id"])}
    return json_bytes(await DOMAINS.page(pool, ListQuery(sort, size, cursor, filters)))


@router.get(
    "/services/{service_id}/domains/setup",
    operation_id="domains_setup",
    summary="Where domains have to lead",
    response_model=s.DomainsSetup,
    responses=problems(401, 403, 404, 422),
)
async def domains_setup(service: ReadableService, parts: PartsDep) -> Response:
    """What to enter in DNS, and whether this installation gets certificates."""
    return json_answer(setup_of(parts.settings, service["name"]))


@router.post(
    "/services/{service_id}/domains",
    operation_id="domains_create",
    summary="Add a domain",
    status_code=201,
    response_model=s.DomainView,
    responses=problems(401, 403, 404, 409, 422),
)
async def domains_create(
    service_id: UUID, wanted: s.DomainIn, session: SessionDep, parts: PartsDep, principal: Writer
) -> Response:
    """It serves once it is proved to be yours. DNS is looked at every minute at first, or by `…/checks`."""
    service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
    domain = await claiming.claim(session, parts.settings, service, wanted.name)
    return json_answer(await shaped(session, domain_of(domain.id), shape_domain), 201)


@router.get(
    "/domains/{domain_id}",
    operation_id="domains_get",
    summary="A domain",
    response_model=s.DomainView,
    responses=problems(401, 403, 404, 422),
)
async def domains_get(domain_id: UUID, session: SessionDep, principal: Reader) -> Response:
    """Its proof, where it leads, its certificate, and what is wrong with any of them."""
    row = await shaped(session, domain_of(domain_id), shape_domain)
    if row is None or not (principal.may(SERVICES_READ, row["project_id"]) or principal.may(ADMIN_SERVICES)):
        raise NotFound("There is no such domain.")
    return json_answer(row)


@router.patch(
    "/domains/{domain_id}",
    operation_id="domains_update",
    summary="Change a domain",
    response_model=s.DomainView,
    responses=problems(401, 403, 404, 422),
)
async def domains_update(
    domain_id: UUID, change: s.DomainPatch, session: SessionDep, principal: Writer
) -> Response:
    """What visitors of plain http get, and what browsers are told; a moment later at the edge."""
    domain, service = await claiming.locked(session, principal, domain_id)
    if await claiming.change(session, domain, change) and domain.verified_at is not None:
        await claiming.ask_for(session, domain, "domain.apply", principal.user_id, service)
    return json_answer(await shaped(session, domain_of(domain_id), shape_domain))


@router.delete(
    "/domains/{domain_id}",
    operation_id="domains_delete",
    summary="Remove a domain",
    status_code=202,
    response_model=s.DomainAccepted,
    responses=WORK | problems(401, 403, 404, 409, 422),
)
async def domains_delete(domain_id: UUID, session: SessionDep, principal: Writer, once: OnceDep) -> Response:
    """It serves no more, and its certificate is revoked."""

    async def work() -> Answer:
        domain, service = await claiming.locked(session, principal, domain_id)
        await claiming.record_about(session, domain, Action.DOMAIN_REMOVED)
        await claiming.give_up(session, domain)
        job = await queue.accept(
            session, "domain.remove", project_id=service.project_id, user_id=principal.user_id
        )
        return Answer({"job_id": job.id, "domain_id": domain_id}, job_location(job.id))

    return await once(session, principal.user_id, work)


@router.post(
    "/domains/{domain_id}/checks",
    operation_id="domains_check",
    summary="Check a domain",
    status_code=202,
    response_model=s.DomainAccepted,
    responses=WORK | problems(401, 403, 404, 409, 422, 429, 503),
)
async def domains_check(
    domain_id: UUID, request: Request, session: SessionDep, principal: Writer, once: OnceDep
) -> Response:
    """Look at DNS now, and go on as far as that allows: to the proof, the route, the certificate."""
    await identity_of(request.app).limits.check("domain_check", account=str(principal.user_id))

    async def work() -> Answer:
        domain, service = await claiming.locked(session, principal, domain_id)
        job = await claiming.ask_for(session, domain, "domain.check", principal.user_id, service)
        await claiming.record_about(session, domain, Action.DOMAIN_CHECKED)
        return Answer({"job_id": job.id, "domain_id": domain_id}, job_location(job.id))

    return await once(session, principal.user_id, work)


@router.put(
    "/domains/{domain_id}/dns-provider",
    operation_id="domains_dns_set",
    summary="Set the DNS provider",
    response_model=s.DomainView,
    responses=problems(401, 403, 404, 422),
)
async def domains_dns_set(
    domain_id: UUID, given: s.ProviderIn, session: SessionDep, principal: Writer
) -> Response:
    """With what we answer the authority over DNS, as wildcards need it. The secret is never shown again."""
    domain, _ = await claiming.locked(session, principal, domain_id)
    await claiming.set_provider(session, domain, given)
    return json_answer(await shaped(session, domain_of(domain_id), shape_domain))


@router.delete(
    "/domains/{domain_id}/dns-provider",
    operation_id="domains_dns_remove",
    summary="Forget the DNS provider",
    status_code=204,
    responses=problems(401, 403, 404, 422),
)
async def domains_dns_remove(domain_id: UUID, session: SessionDep, principal: Writer) -> None:
    """The authority is answered by http again; a wildcard is not renewed any more."""
    domain, _ = await claiming.locked(session, principal, domain_id)
    await claiming.remove_provider(session, domain)


@admin.get(
    "/domains",
    operation_id="admin_domains_list",
    summary="Domains of everyone",
    response_model=Page[s.AdminDomainView],
    responses=problems(400, 401, 403, 422),
)
async def admin_domains_list(
    parts: PartsDep,
    _: Administrator,
    project_id: UUID | None = None,
    state: s.DomainStateName | None = None,
    q: NamePart = None,
    sort: DomainSort = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Of all projects, with their certificates."""
    filters: dict[str, Any] = {"project_id": project_id and str(project_id), "state": state, "q": q}
    pool = await parts.database.reader()
    return json_bytes(await ADMIN_DOMAINS.page(pool, ListQuery(sort, size, cursor, filters)))


@admin.get(
    "/certificates",
    operation_id="admin_certificates_list",
    summary="Certificates",
    response_model=Page[s.CertificateView],
    responses=problems(400, 401, 403, 422),
)
async def admin_certificates_list(
    parts: PartsDep,
    _: Administrator,
    state: s.CertificateStateName | None = None,
    q: NamePart = None,
    sort: Literal["created_at", "-created_at"] = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Every one that was asked for, newest first; also of domains that are gone."""
    pool = await parts.database.reader()
    filters = {"state": state, "q": q}
    return json_bytes(await CERTIFICATES.page(pool, ListQuery(sort, size, cursor, filters)))
