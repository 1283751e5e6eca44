"""Push to deploy, for the people of a service."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.hooks import configuration
from backend.hooks import schemas as s
from backend.hooks.deliveries import DELIVERIES
from backend.openapi import problems
from backend.roles.permissions import DEPLOYMENTS_WRITE
from backend.services import lifecycle
from backend.services.access import Deployer, DeploymentReader
from backend.utils.http import Cursor, Size, json_answer, json_bytes

router = APIRouter(prefix="/api/v1", tags=["services"])


@router.get(
    "/services/{service_id}/push",
    operation_id="push_get",
    summary="Push to deploy",
    response_model=s.PushView,
    responses=problems(401, 403, 404, 422),
)
async def push_get(
    service_id: UUID, session: SessionDep, parts: PartsDep, principal: DeploymentReader
) -> Response:
    """Which pushes deploy the service, and from where it can be deployed otherwise."""
    service = await configuration.readable(session, principal, service_id)
    return json_answer(await configuration.present(session, parts.settings, service))


@router.patch(
    "/services/{service_id}/push",
    operation_id="push_update",
    summary="Change push to deploy",
    response_model=s.PushView,
    responses=problems(401, 403, 404, 409, 422),
)
async def push_update(
    service_id: UUID, change: s.PushPatch, session: SessionDep, parts: PartsDep, principal: Deployer
) -> Response:
    """On or off, and what is watched; from the next push on."""
    service = await lifecycle.locked(session, service_id, principal, DEPLOYMENTS_WRITE)
    hook = await configuration.change(session, service, change)
    return json_answer(configuration.shape(parts.settings, service, hook))


@router.post(
    "/services/{service_id}/push/secret",
    operation_id="push_secret_renew",
    summary="New secret of a webhook",
    status_code=201,
    response_model=s.WebhookSecret,
    responses=problems(401, 403, 404, 409, 422),
)
async def push_secret_renew(
    service_id: UUID, session: SessionDep, parts: PartsDep, principal: Deployer
) -> Response:
    """The first one makes the webhook; a later one ends the one before at once."""
    service = await lifecycle.locked(session, service_id, principal, DEPLOYMENTS_WRITE)
    hook, secret = await configuration.renew_secret(session, parts.settings, service)
    return json_answer({"url": configuration.webhook_url(parts.settings, hook), "secret": secret}, 201)


@router.post(
    "/services/{service_id}/push/deploy-hook",
    operation_id="push_deploy_hook_renew",
    summary="New address of a deploy hook",
    status_code=201,
    response_model=s.DeployHookAddress,
    responses=problems(401, 403, 404, 409, 422),
)
async def push_deploy_hook_renew(
    service_id: UUID, session: SessionDep, parts: PartsDep, principal: Deployer
) -> Response:
    """The address before it, if there is one, ends at once."""
    service = await lifecycle.locked(session, service_id, principal, DEPLOYMENTS_WRITE)
    url = await configuration.renew_address(session, parts.settings, service)
    return json_answer({"url": url}, 201)


@router.delete(
    "/services/{service_id}/push/deploy-hook",
    operation_id="push_deploy_hook_revoke",
    summary="Revoke a deploy hook",
    status_code=204,
    responses=problems(401, 403, 404, 409, 422),
)
async def push_deploy_hook_revoke(service_id: UUID, session: SessionDep, principal: Deployer) -> None:
    """Its address deploys nothing any more."""
    service = await lifecycle.locked(session, service_id, principal, DEPLOYMENTS_WRITE)
    await configuration.revoke_address(session, service)


@router.get(
    "/services/{service_id}/push/deliveries",
    operation_id="push_deliveries_list",
    summary="Calls of a service's hooks",
    response_model=Page[s.DeliveryView],
    responses=problems(400, 401, 403, 404, 422),
)
async def push_deliveries_list(
    service_id: UUID,
    parts: PartsDep,
    principal: DeploymentReader,
    sort: Literal["received_at", "-received_at"] = "-received_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """What came in of late, and what came of it, newest first."""
    async with parts.database.transaction() as session:
        await configuration.readable(session, principal, service_id)
    filters = {"service_id": str(service_id)}
    pool = await parts.database.reader()
    return json_bytes(await DELIVERIES.page(pool, ListQuery(sort, size, cursor, filters)))
