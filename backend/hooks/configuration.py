"""Push settings of a service: on and off, what is watched, the webhook's secret, the deploy hook's address.

Secret and address are given once, when they are made. Making one anew ends the one before at once.
"""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.values import differences
from backend.config import Settings
from backend.database import now
from backend.exceptions import Conflict, NotFound
from backend.hooks import watching
from backend.hooks.dao import PushHookDAO
from backend.hooks.forges import new_secret
from backend.hooks.models import PushHook
from backend.hooks.schemas import PushPatch
from backend.oauth.identity import Principal
from backend.oauth.tokens import digest
from backend.roles.permissions import DEPLOYMENTS_READ
from backend.services.dao import ServiceDAO
from backend.services.following import refuse_preview
from backend.services.models import Service
from backend.services.trail import record_about
from backend.utils.crypto import Vault
from backend.utils.ids import new_id

PREFIX = "gavan_deploy_"
"""By which scanners of public code, and the log's redaction, know one."""


def vault_of(settings: Settings) -> Vault:
    return Vault(settings.master_key, "webhook secrets")


def shape(settings: Settings, service: Service, hook: PushHook | None) -> dict[str, Any]:
    return {
        "enabled": hook is not None and hook.enabled,
        "ref": service.ref,
        "watch_paths": list(hook.watch_paths) if hook else [],
        "webhook": {"url": webhook_url(settings, hook), "secret_set_at": hook.secret_set_at}
        if hook and hook.secret
        else None,
        "deploy_hook": {"created_at": hook.token_set_at, "last_used_at": hook.token_used_at}
        if hook and hook.token_hash
        else None,
    }


def webhook_url(settings: Settings, hook: PushHook) -> str:
    return f"{settings.panel_url}/api/v1/webhooks/{hook.id}"


async def readable(session: AsyncSession, principal: Principal, service_id: UUID) -> Service:
    """404 for what is not theirs."""
    projects = principal.project_ids(DEPLOYMENTS_READ)
    service = await ServiceDAO(session).readable(service_id, projects)
    if service is None:
        raise NotFound("There is no such service.")
    return service


async def present(session: AsyncSession, settings: Settings, service: Service) -> dict[str, Any]:
    return shape(settings, service, await PushHookDAO(session).of(service.id))


async def change(session: AsyncSession, service: Service, wanted: PushPatch) -> PushHook:
    """The service's row is locked. Raises `Invalid` for a bad pattern."""
    paths = watching.check(wanted.watch_paths) if wanted.watch_paths is not None else None
    hook = await _own(session, service)
    if wanted.enabled and hook.secret is None:
        raise Conflict("Make a secret first: without one nobody can tell who pushes.", code="secret_missing")
    before = _changeable(hook)
    if wanted.enabled is not None:
        hook.enabled = wanted.enabled
    if paths is not None:
        hook.watch_paths = paths
    await PushHookDAO(session).flush()
    if changed := differences(before, _changeable(hook)):
        await record_about(session, service, Action.SERVICE_PUSH_CHANGED, before=changed[0], after=changed[1])
    return hook


async def renew_secret(session: AsyncSession, settings: Settings, service: Service) -> tuple[PushHook, str]:
    """The secret itself is never given again."""
    hook = await _own(session, service)
    secret = new_secret()
    hook.secret, hook.secret_set_at = vault_of(settings).seal(secret, str(hook.id)), now()
    await PushHookDAO(session).flush()
    await record_about(session, service, Action.SERVICE_WEBHOOK_SECRET_SET)
    return hook, secret


async def renew_address(session: AsyncSession, settings: Settings, service: Service) -> str:
    """The deploy hook's address, which is never given again."""
    hook = await _own(session, service)
    token = PREFIX + secrets.token_urlsafe(32)
    hook.token_hash, hook.token_set_at, hook.token_used_at = digest(token), now(), None
    await PushHookDAO(session).flush()
    await record_about(session, service, Action.SERVICE_DEPLOY_HOOK_SET)
    return f"{settings.panel_url}/api/v1/deploy-hooks/{token}"


async def revoke_address(session: AsyncSession, service: Service) -> None:
    """Raises `NotFound` where there is none."""
    hook = await PushHookDAO(session).of(service.id)
    if hook is None or hook.token_hash is None:
        raise NotFound("The service has no deploy hook.")
    hook.token_hash = hook.token_set_at = hook.token_used_at = None
    await PushHookDAO(session).flush()
    await record_about(session, service, Action.SERVICE_DEPLOY_HOOK_REVOKED)


async def _own(session: AsyncSession, service: Service) -> PushHook:
    """The settings, made at the first need; the lock on the service keeps two from making them."""
    refuse_preview(service)
    dao = PushHookDAO(session)
    hook = await dao.of(service.id)
    if hook is None:
        hook = PushHook(id=new_id(), service_id=service.id, enabled=False, watch_paths=[])
        await dao.add(hook)
    return hook


def _changeable(hook: PushHook) -> dict[str, Any]:
    return {"enabled": hook.enabled, "watch_paths": list(hook.watch_paths)}
