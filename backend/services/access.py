"""Who asks about services, what they may, and the service they ask about."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends

from backend.context import PartsDep
from backend.dao.read import shaped
from backend.exceptions import Forbidden, NotFound
from backend.oauth.principal import Principal, require
from backend.roles.permissions import (
    ADMIN_SERVICES,
    DEPLOYMENTS_READ,
    DEPLOYMENTS_WRITE,
    SERVICES_READ,
    SERVICES_WRITE,
    VARIABLES_READ,
    VARIABLES_WRITE,
)
from backend.services.views import service_of, shape_service

Reader = Annotated[Principal, Depends(require(SERVICES_READ))]
Writer = Annotated[Principal, Depends(require(SERVICES_WRITE))]
Deployer = Annotated[Principal, Depends(require(DEPLOYMENTS_WRITE))]
DeploymentReader = Annotated[Principal, Depends(require(DEPLOYMENTS_READ))]
VariableReader = Annotated[Principal, Depends(require(VARIABLES_READ))]
VariableWriter = Annotated[Principal, Depends(require(VARIABLES_WRITE))]
Administrator = Annotated[Principal, Depends(require(ADMIN_SERVICES))]


def project_to_order_in(principal: Principal, asked: UUID | None) -> UUID:
    """The project that was asked for, or the first in which they may order."""
    if asked is not None:
        if asked not in principal.projects:
            raise NotFound("There is no such project.")
        if not principal.may(SERVICES_WRITE, asked):
            raise Forbidden("Your role in this project does not let you order.", code="permission_missing")
        return asked
    own = principal.project_ids(SERVICES_WRITE)
    if not own:
        raise Forbidden("You have no project to order in.", code="no_project")
    return min(own)


async def readable_service(service_id: UUID, parts: PartsDep, principal: Reader) -> dict[str, Any]:
    """The service as it is shown; 404 for what is not theirs. An administrator of services sees all."""
    async with parts.database.transaction() as session:
        row = await shaped(session, service_of(service_id), shape_service)
    if row is None or not (principal.may(SERVICES_READ, row["project_id"]) or principal.may(ADMIN_SERVICES)):
        raise NotFound("There is no such service.")
    return row


ReadableService = Annotated[dict[str, Any], Depends(readable_service)]
