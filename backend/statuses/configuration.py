"""Whether and how a service's forge is told of its deployments."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.values import differences
from backend.config import Settings
from backend.database import now
from backend.engines.addresses import Allowed, check_url, parse_remote
from backend.engines.base import EngineError
from backend.engines.gitguard import check_secrecy
from backend.exceptions import Conflict, invalid_field
from backend.services.following import refuse_preview
from backend.services.models import Service
from backend.services.trail import record_about
from backend.sources.credentials import credentials_of
from backend.statuses import speaking
from backend.statuses.access import Access, Untold, access_with, api_url_of, seal
from backend.statuses.dao import CommitStatusDAO, StatusSettingsDAO
from backend.statuses.delivery import complaint
from backend.statuses.forges import asking, guessed, may_tell, same_forge
from backend.statuses.models import StatusSettings
from backend.statuses.outbox import context_of
from backend.statuses.schemas import CommitStatusPatch
from backend.statuses.speaking import Unspoken

_SHOWN = (
    *("commit", "context", "said", "delivery", "attempts", "error_code", "http_status", "deployment_id"),
    *("changed_at", "sent_at"),
)


async def present(session: AsyncSession, service: Service) -> dict[str, Any]:
    settings = await StatusSettingsDAO(session).get(service.id) or _fresh(service)
    last = await CommitStatusDAO(session).newest(service.id)
    held = await credentials_of(session, service.id)
    api_url = api_url_of(settings, service) if service.repo_url else None
    fits = api_url is not None and held.token is not None
    return {
        "enabled": settings.enabled,
        "forge": settings.forge,
        "api_url": settings.api_url,
        "effective_api_url": api_url,
        "use_source_token": settings.use_source_token,
        "source_token_fits": fits and same_forge(settings.forge, service.repo_url, api_url or ""),
        "token": settings.token_origin
        and {"host": urlsplit(settings.token_origin).hostname, "set_at": settings.token_set_at},
        "username": settings.username,
        "context": context_of(service.name, preview=False),
        "preview_context": context_of(service.name, preview=True),
        "last": last and {name: getattr(last, name) for name in _SHOWN},
    }


async def change(session: AsyncSession, panel: Settings, service: Service, wanted: CommitStatusPatch) -> None:
    """The service's row is locked. Raises `Invalid` for an address, `Conflict` for what lacks a token."""
    refuse_preview(service)
    if not service.repo_url:
        raise Conflict("Only what comes from a repository has commits.", code="source_has_no_commits")
    dao, given = StatusSettingsDAO(session), wanted.model_dump(exclude_unset=True)
    settings = await dao.get(service.id)
    if settings is None:
        settings = _fresh(service)
        await dao.add(settings)
    before, was_on = _changeable(settings), settings.enabled
    for name in ("enabled", "forge", "api_url", "use_source_token", "username"):
        if name in given:
            setattr(settings, name, given[name])
    if settings.api_url is not None:
        settings.api_url = settings.api_url.rstrip("/")
    _check_address(panel, api_url_of(settings, service))
    if "token" in given:
        _keep(settings, service, wanted)
    if settings.enabled:
        await _refuse_speechless(session, settings, service)
        settings.enabled_at = settings.enabled_at if was_on else now()
    await dao.flush()
    if changed := differences(before, _changeable(settings)):
        await record_about(
            session, service, Action.SERVICE_STATUSES_CHANGED, before=changed[0], after=changed[1]
        )


async def access_to_check(session: AsyncSession, service: Service) -> Access | Untold:
    settings = await StatusSettingsDAO(session).get(service.id)
    if settings is None or not service.repo_url:
        return Untold("token_missing")
    return await access_with(session, settings, service)


async def check(panel: Settings, access: Access | Untold) -> dict[str, Any]:
    """What `StatusCheck` shows; no transaction is open meanwhile."""
    if isinstance(access, Untold):
        return _checked(access.code, None)
    asked = asking(access.forge, access.api_url, access.repo_url, access.token, access.username)
    try:
        answer = await speaking.speak(panel, asked)
    except Unspoken as unspoken:
        return _checked(unspoken.code, None)
    if not 200 <= answer.status < 300:
        return _checked(complaint(answer)[0], answer.status)
    allowed = may_tell(access.forge, answer.body)
    return _checked("not_permitted" if allowed is False else None, answer.status, allowed)


def _checked(code: str | None, status: int | None, allowed: bool | None = None) -> dict[str, Any]:
    return {"ok": code is None, "error_code": code, "http_status": status, "may_tell": allowed}


async def _refuse_speechless(session: AsyncSession, settings: StatusSettings, service: Service) -> None:
    access = await access_with(session, settings, service)
    if isinstance(access, Untold):
        message = {
            "token_missing": "Give a token first: the forge believes nobody without one.",
            "token_elsewhere": "The token was given for another host. Give one for this.",
        }
        raise Conflict(message[access.code], code=access.code)


def _keep(settings: StatusSettings, service: Service, wanted: CommitStatusPatch) -> None:
    if wanted.token is None:
        settings.token = settings.token_origin = settings.token_set_at = None
        return
    origin = parse_remote(api_url_of(settings, service)).origin
    settings.token = seal(service.id, origin, wanted.token.get_secret_value())
    settings.token_origin, settings.token_set_at = origin, now()


def _check_address(panel: Settings, api_url: str) -> None:
    allowed = Allowed.parse(panel.git_allowed_private)
    try:
        remote = check_url(api_url, allowed)
        check_secrecy(remote, allowed)
    except EngineError as error:
        raise invalid_field(["body", "api_url"], error.message, str(error.parameters["detail"])) from None
    if remote.scheme == "ssh":
        raise invalid_field(["body", "api_url"], "An API is asked over https.", "address_scheme")


def _fresh(service: Service) -> StatusSettings:
    forge = guessed(service.repo_url) if service.repo_url else "github"
    return StatusSettings(
        service_id=service.id, enabled=False, forge=forge, use_source_token=False, username=""
    )


def _changeable(settings: StatusSettings) -> dict[str, Any]:
    shown = {
        name: getattr(settings, name)
        for name in ("enabled", "forge", "api_url", "use_source_token", "username", "token_origin")
    }
    return {**shown, "token_set_at": settings.token_set_at and settings.token_set_at.isoformat()}
