"""What a service's source is read with: given, replaced, taken away, and opened for a fetch.

A secret belongs to the host that it was given for. Whoever may change a service's address could
otherwise have it sent to a server of their own, and read what they were never shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.config import Settings
from backend.database import now
from backend.engines.addresses import Remote, parse_remote
from backend.engines.base import Access
from backend.exceptions import Conflict, invalid_field
from backend.services.dao import ServiceDAO
from backend.services.following import refuse_preview
from backend.services.models import Service
from backend.services.trail import record_about
from backend.sources.addresses import check_token_is_safe
from backend.sources.dao import DeployKeyDAO, RegistryLoginDAO, SourceTokenDAO
from backend.sources.models import DeployKey, SourceToken
from backend.sources.schemas import AccessibleSourceIn
from backend.sources.sealing import make_key_pair, open_key, open_token, seal_key, seal_token
from backend.utils.ids import new_id

WAITING = timedelta(days=1)
"""How long a key waits for the order that it was made for."""
MOST_WAITING = 50


@dataclass(frozen=True, slots=True)
class Credentials:
    token: SourceToken | None
    key: DeployKey | None


async def credentials_of(session: AsyncSession, service_id: UUID) -> Credentials:
    token = await SourceTokenDAO(session).get(service_id)
    return Credentials(token, await DeployKeyDAO(session).of(service_id))


async def access_to(session: AsyncSession, service: Service, repo_url: str) -> Access | None:
    """What the service shows to the host of `repo_url`: nothing to one that it has nothing for."""
    if service.preview_of is not None:
        # A preview reads what its service reads, by the same token or key.
        held_by = await ServiceDAO(session).get(service.preview_of)
        return await access_to(session, held_by, repo_url) if held_by is not None else None
    if not repo_url or not service.repo_url:
        return None
    remote, held = parse_remote(repo_url), await credentials_of(session, service.id)
    if remote.scheme == "ssh":
        if held.key is None or remote.origin != parse_remote(service.repo_url).origin:
            return None
        private_key = open_key(held.key.id, held.key.sealed)
        return Access(remote.origin, private_key=private_key, host_key=service.ssh_host_key or "")
    if held.token is None or held.token.origin != remote.origin:
        return None
    token = open_token(service.id, held.token.origin, held.token.sealed)
    return Access(remote.origin, username=held.token.username, token=token)


async def set_token(
    session: AsyncSession, settings: Settings, service: Service, token: str, username: str
) -> None:
    refuse_preview(service)
    if not service.repo_url:
        raise Conflict("The source is no repository, so it takes no token.", code="source_is_no_repository")
    remote = parse_remote(service.repo_url)
    if remote.scheme == "ssh":
        message = "The source's address is one of ssh, which takes a deploy key and no token."
        raise Conflict(message, code="source_is_ssh")
    check_token_is_safe(settings, remote, ("body", "token"))
    held = await SourceTokenDAO(session).get(service.id)
    await _keep_token(session, service, remote, token, username)
    after = {"origin": remote.origin, "username": username, "replaced": held is not None}
    await record_about(session, service, Action.SERVICE_SOURCE_TOKEN_SET, after=after)


async def _keep_token(
    session: AsyncSession, service: Service, remote: Remote, token: str, username: str
) -> None:
    tokens = SourceTokenDAO(session)
    await tokens.delete(service.id)
    sealed = seal_token(service.id, remote.origin, token)
    row = SourceToken(service_id=service.id, origin=remote.origin, username=username, sealed=sealed)
    await tokens.add(row)


async def remove_token(session: AsyncSession, service: Service) -> None:
    """Nothing happens where there is none."""
    tokens = SourceTokenDAO(session)
    held = await tokens.get(service.id)
    if held is not None:
        await tokens.delete(service.id)
        before = {"origin": held.origin, "username": held.username}
        await record_about(session, service, Action.SERVICE_SOURCE_TOKEN_REMOVED, before=before)


async def prepare_key(session: AsyncSession, project_id: UUID) -> DeployKey:
    """A key for an order that is to come: its public half can be given to the forge before."""
    keys = DeployKeyDAO(session)
    await keys.lock(f"deploy-keys:{project_id}")
    if await keys.count_waiting(project_id) >= MOST_WAITING:
        raise Conflict("Too many deploy keys of this project wait for an order.", code="deploy_keys_full")
    key = await _add_key(session, project_id, None, "gavan")
    await trail.record(
        session,
        Action.DEPLOY_KEY_CREATED,
        object_type="deploy_key",
        object_id=key.id,
        project_id=project_id,
        after={"fingerprint": key.fingerprint},
    )
    return key


async def renew_key(session: AsyncSession, service: Service) -> DeployKey:
    """The service's key, made anew: the forge has to be given the new one."""
    refuse_preview(service)
    keys = DeployKeyDAO(session)
    held = await keys.of(service.id)
    if held is not None:
        await keys.delete(held.id)
    key = await _add_key(session, service.project_id, service.id, f"gavan-{service.name}")
    before = {"fingerprint": held.fingerprint} if held else None
    after = {"fingerprint": key.fingerprint}
    await record_about(session, service, Action.SERVICE_DEPLOY_KEY_MADE, before=before, after=after)
    return key


async def remove_key(session: AsyncSession, service: Service) -> None:
    """Nothing happens where there is none. Raises `Conflict` while the source needs it."""
    if service.repo_url and parse_remote(service.repo_url).scheme == "ssh":
        message = "The source's address is one of ssh, which needs the key: renew it, or change the address."
        raise Conflict(message, code="source_is_ssh")
    await _drop_key(session, service)


async def _drop_key(session: AsyncSession, service: Service) -> None:
    keys = DeployKeyDAO(session)
    held = await keys.of(service.id)
    if held is not None:
        await keys.delete(held.id)
        before = {"fingerprint": held.fingerprint}
        await record_about(session, service, Action.SERVICE_DEPLOY_KEY_REMOVED, before=before)


async def _add_key(
    session: AsyncSession, project_id: UUID, service_id: UUID | None, comment: str
) -> DeployKey:
    pair, key_id = make_key_pair(comment), new_id()
    key = DeployKey(
        id=key_id,
        project_id=project_id,
        service_id=service_id,
        sealed=seal_key(key_id, pair.private),
        public_key=pair.public,
        fingerprint=pair.fingerprint,
    )
    await DeployKeyDAO(session).add(key)
    return key


async def equip(
    session: AsyncSession, settings: Settings, service: Service, wanted: AccessibleSourceIn
) -> dict[str, Any]:
    """Give an ordered service what its source is read with; for the order's own record. Raises `Invalid`."""
    remote = parse_remote(service.repo_url)
    if remote.scheme == "ssh":
        return {"deploy_key": (await _adopted(session, service, wanted)).fingerprint}
    if wanted.deploy_key_id is not None:
        message = "A deploy key is for an ssh address, like git@host:path."
        raise invalid_field(["body", "source", "deploy_key_id"], message, "deploy_key_unfit")
    if wanted.token is None:
        return {}
    check_token_is_safe(settings, remote, ("body", "source", "token"))
    await _keep_token(session, service, remote, wanted.token.get_secret_value(), wanted.username)
    return {"token_for": remote.origin}


async def _adopted(session: AsyncSession, service: Service, wanted: AccessibleSourceIn) -> DeployKey:
    if wanted.token is not None:
        message = "A token is for an https address; over ssh a deploy key is used."
        raise invalid_field(["body", "source", "token"], message, "token_unfit")
    if wanted.deploy_key_id is None:
        message = "An ssh address needs a deploy key: make one, and give its public half to the forge."
        raise invalid_field(["body", "source", "deploy_key_id"], message, "deploy_key_missing")
    key = await waiting_key(session, [service.project_id], wanted.deploy_key_id, lock=True)
    key.service_id = service.id
    await DeployKeyDAO(session).flush()
    return key


async def waiting_key(
    session: AsyncSession,
    projects: Sequence[UUID],
    key_id: UUID,
    *,
    lock: bool = False,
    loc: Sequence[str] = ("body", "source", "deploy_key_id"),
) -> DeployKey:
    key = await DeployKeyDAO(session).waiting(key_id, projects, lock=lock)
    if key is None:
        message = "There is no such deploy key, or a service has it already: make a new one."
        raise invalid_field(list(loc), message, "deploy_key_unknown")
    return key


async def moved(session: AsyncSession, service: Service, before: str) -> None:
    """The source's address has changed: nothing of the old host is kept for the new one.

    A key that was made while the address was one of https was made for the ssh address to come.
    """
    new = parse_remote(service.repo_url)
    old = parse_remote(before) if before else Remote("", "", 0, "")
    if old.origin == new.origin:
        return
    service.ssh_host_key = None
    await remove_token(session, service)
    held = await DeployKeyDAO(session).of(service.id)
    if new.scheme == "ssh" and (held is None or old.scheme == "ssh"):
        await renew_key(session, service)
    elif old.scheme == "ssh":
        await remove_key(session, service)


async def left(session: AsyncSession, service: Service, before: str) -> None:
    """The source is no repository any more: nothing of its host is kept."""
    if not before:
        return
    service.ssh_host_key = None
    await remove_token(session, service)
    await _drop_key(session, service)


async def pin_host_key(session: AsyncSession, service: Service, repo_url: str, host_key: str) -> None:
    """From its first visit on, the service accepts this key of its ssh server and no other."""
    here = bool(service.repo_url) and parse_remote(service.repo_url).origin == parse_remote(repo_url).origin
    if here and service.ssh_host_key is None:
        service.ssh_host_key = host_key
        await DeployKeyDAO(session).flush()


async def forget_host_key(session: AsyncSession, service: Service) -> None:
    """For a server that was set up anew: the next visit is a first one."""
    if service.ssh_host_key is None:
        return
    before = {"fingerprint": service.ssh_host_key.partition(" ")[2]}
    service.ssh_host_key = None
    await record_about(session, service, Action.SERVICE_HOST_KEY_FORGOTTEN, before=before)


async def forget(session: AsyncSession, service_id: UUID) -> None:
    """The service was deleted."""
    await SourceTokenDAO(session).delete(service_id)
    await RegistryLoginDAO(session).remove_all(service_id)
    keys = DeployKeyDAO(session)
    if (key := await keys.of(service_id)) is not None:
        await keys.delete(key.id)


async def prune(session: AsyncSession) -> int:
    """Forget a batch of keys whose order never came; gives how many."""
    return await DeployKeyDAO(session).delete_waiting(now() - WAITING)
