"""Calls from outside: a forge's webhook, and a service's deploy hook.

Whether a webhook exists is told to nobody who does not hold its secret: the unknown one is verified too,
against a secret that nobody has, and what is refused is written down behind the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actor import asking, current
from backend.context import Parts
from backend.database import now
from backend.exceptions import Conflict, Invalid, NotFound
from backend.hooks import deliveries
from backend.hooks.configuration import vault_of
from backend.hooks.dao import DeliveryDAO, PushHookDAO
from backend.hooks.deliveries import UNKNOWN, Refusals
from backend.hooks.forges import Call, Forge, complaint, new_secret, recognised
from backend.hooks.models import Outcome, PushHook
from backend.hooks.pulls import PULLS, read_pull
from backend.hooks.pushes import DATA_CENTER, Push, Unreadable, read_pushes
from backend.hooks.verdict import Ignored, Wanted, judged, shown
from backend.oauth.limits import AttemptLimits
from backend.oauth.tokens import digest
from backend.previews import requests
from backend.services import lifecycle
from backend.services.dao import ServiceDAO
from backend.services.models import Service, ServiceStatus
from backend.services.reasons import SUSPENDED

T = TypeVar("T")
UNPAID = ("insufficient_funds", "plan_not_in_currency")
"""Why a push cannot deploy a service that never lived; its customer sees it in the history."""

PUSHES = {
    Forge.GITHUB: {"push"},
    Forge.GITEA: {"push"},
    Forge.GITLAB: {"Push Hook", "Tag Push Hook"},
    Forge.BITBUCKET: {"repo:push", DATA_CENTER},
}
PINGS = {"ping", "diagnostics:ping"}
DEPLOY_HOOK = "deploy_hook"
LARGE = 2**18
"""Bytes of a body from which on other requests would notice that it is being read."""
_NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Received:
    """What came of a call."""

    outcome: Outcome
    reason_code: str | None = None
    deployment_id: UUID | None = None
    job_id: UUID | None = None


class Receiver:
    """One per application."""

    def __init__(self, parts: Parts, limits: AttemptLimits) -> None:
        self._parts = parts
        self._limits = limits
        self._vault = vault_of(parts.settings)
        self._decoy = self._vault.seal(new_secret(), _NOBODY)
        self.refusals = Refusals(parts.database)

    async def admit(self, address: str) -> None:
        """Before anything is read of a call. Raises `TooManyRequests`."""
        await self._limits.check("hook", address=address)

    async def webhook(self, hook_id: UUID, headers: Mapping[str, str], body: bytes) -> Received:
        """Raises `NotFound` for all that is not signed with the webhook's secret, `Invalid` for what is and
        makes no sense.
        """
        call = recognised(headers) or UNKNOWN
        service_id = await self._believed(hook_id, call, headers, body)
        await self._limits.check("hook", account=str(service_id))
        _asks("webhook")
        if call.event in PINGS:
            return await self._noted(service_id, call, Outcome.PING)
        forge = call.forge
        assert forge is not None
        if call.event in PULLS[forge]:
            return await self._pull(service_id, call, forge, headers, body)
        if call.event not in PUSHES[forge]:
            return await self._noted(service_id, call, Outcome.IGNORED, Ignored("event"))
        try:
            pushes = await _aside(body, lambda: read_pushes(forge, headers, body))
        except Unreadable:
            await self._noted(service_id, call, Outcome.REFUSED, Ignored("unreadable"))
            raise Invalid("This is not what the forge sends of a push.", code="unreadable") from None
        received = None
        while received is None:
            # Files against patterns may take long: not under the service's lock, nor while others wait.
            wanted = await self._wanted(service_id)
            push, ignored = await asyncio.to_thread(judged, wanted, pushes)
            received = await self._pushed(service_id, call, wanted, push, ignored)
        return received

    async def _pull(
        self, service_id: UUID, call: Call, forge: Forge, headers: Mapping[str, str], body: bytes
    ) -> Received:
        try:
            pull = await _aside(body, lambda: read_pull(forge, headers, body))
        except Unreadable:
            await self._noted(service_id, call, Outcome.REFUSED, Ignored("unreadable"))
            raise Invalid("This is not what the forge sends of a request.", code="unreadable") from None
        async with self._parts.transaction() as session:
            service, _ = await _held(session, service_id)
            if earlier := await _earlier(session, service_id, call):
                return earlier
            heard = await requests.heard(session, service, forge, pull)
            await deliveries.record(
                *(session, service_id, call, heard.outcome),
                pull=pull,
                ignored=heard.ignored,
                deployment_id=heard.deployment_id,
            )
        reason = heard.ignored.code if heard.ignored else None
        return Received(heard.outcome, reason, heard.deployment_id, heard.job_id)

    async def deploy_hook(self, token: str, key: str | None) -> Received:
        """Raises `NotFound`. A call with the `key` of an earlier one gives what came of that."""
        token_hash = digest(token)
        async with self._parts.database.transaction() as session:
            service_id = await PushHookDAO(session).service_of_token(token_hash)
        if service_id is None:
            raise _no_hook()
        await self._limits.check("hook", account=str(service_id))
        _asks("deploy-hook")
        call = Call(None, DEPLOY_HOOK, key and f"hook:{key}")
        async with self._parts.transaction() as session:
            service, hook = await _held(session, service_id)
            # It may have been replaced in the meantime.
            if hook.token_hash != token_hash:
                raise _no_hook()
            hook.token_used_at = now()
            if earlier := await _earlier(session, service_id, call):
                return earlier
            if service.suspended_at is not None:
                stands_still = Ignored(SUSPENDED.code)
                await deliveries.record(session, service_id, call, Outcome.IGNORED, ignored=stands_still)
                return Received(Outcome.IGNORED, SUSPENDED.code)
            return await _deployed(session, service, call, "hook")

    async def _believed(self, hook_id: UUID, call: Call, headers: Mapping[str, str], body: bytes) -> UUID:
        """The service whose webhook this is, and which the caller holds the secret of."""
        async with self._parts.database.transaction() as session:
            found = await PushHookDAO(session).secret_of(hook_id)
        kept, sealed_for = (self._decoy, _NOBODY)
        if found is not None and found.secret is not None:
            kept, sealed_for = found.secret, str(hook_id)
        secret = self._vault.open(kept, sealed_for)
        wrong = await _aside(body, lambda: complaint(call.forge, headers, body, secret))
        if found is not None:
            wrong = wrong if found.secret is not None else "secret_missing"
            if wrong is None:
                service_id: UUID = found.service_id
                return service_id
            self.refusals.note(found.service_id, call, wrong)
        raise NotFound(
            "There is no such webhook, or the call is not signed with its secret.", code="hook_unknown"
        )

    async def _noted(
        self, service_id: UUID, call: Call, outcome: Outcome, why: Ignored | None = None
    ) -> Received:
        async with self._parts.transaction() as session:
            await _held(session, service_id)
            if earlier := await _earlier(session, service_id, call):
                return earlier
            await deliveries.record(session, service_id, call, outcome, ignored=why)
        return Received(outcome, why.code if why else None)

    async def _wanted(self, service_id: UUID) -> Wanted:
        async with self._parts.database.transaction() as session:
            return _wanted_of(*await _held(session, service_id))

    async def _pushed(
        self, service_id: UUID, call: Call, wanted: Wanted, push: Push, ignored: Ignored | None
    ) -> Received | None:
        """None if the settings, by which it was judged, changed in the meantime."""
        async with self._parts.transaction() as session:
            service, hook = await _held(session, service_id)
            if _wanted_of(service, hook) != wanted:
                return None
            if earlier := await _earlier(session, service_id, call):
                return earlier
            if ignored is None and service.suspended_at is not None:
                ignored = Ignored(SUSPENDED.code)
            if ignored is None and await _overtaken(session, service_id, push):
                ignored = Ignored("overtaken")
            if ignored is None:
                return await _deployed(session, service, call, "push", push)
            await deliveries.record(session, service_id, call, Outcome.IGNORED, push=push, ignored=ignored)
            return Received(Outcome.IGNORED, ignored.code)


async def _held(session: AsyncSession, service_id: UUID) -> tuple[Service, PushHook]:
    """Service and settings as they are now; the service's lock makes one of two calls at once the later."""
    service = await ServiceDAO(session).get_locked(service_id)
    hook = await PushHookDAO(session).of(service_id)
    gone = service is None or service.deleted_at is not None or service.status == ServiceStatus.DELETING
    if service is None or gone or hook is None:
        raise _no_hook()
    return service, hook


def _wanted_of(service: Service, hook: PushHook) -> Wanted:
    return Wanted(service.repo_url, service.ref, hook.enabled, tuple(hook.watch_paths))


async def _earlier(session: AsyncSession, service_id: UUID, call: Call) -> Received | None:
    """What came of the same delivery before, if it deployed; what was ignored is judged anew."""
    if call.delivery_id is None:
        return None
    dao = DeliveryDAO(session)
    row = await dao.earlier(service_id, call.delivery_id)
    if row is None:
        return None
    if row.outcome not in (Outcome.DEPLOYED, Outcome.REMOVED):
        await dao.delete(row.id)
        return None
    job_id = await dao.job_of(row.deployment_id) if row.deployment_id else None
    return Received(Outcome(row.outcome), row.reason_code, row.deployment_id, job_id)


async def _overtaken(session: AsyncSession, service_id: UUID, push: Push) -> bool:
    """Forges promise no order: a later push may have come first, and its commit must not be undone."""
    assert push.commit is not None
    return await DeliveryDAO(session).overtaken(service_id, shown(push.name), push.commit, push.previous)


async def _deployed(
    session: AsyncSession, service: Service, call: Call, trigger: str, push: Push | None = None
) -> Received:
    commit = push.commit if push is not None else None
    try:
        async with session.begin_nested():
            deployment, job = await lifecycle.deploy(session, service, None, trigger, commit=commit)
    except Conflict as refusal:
        if refusal.code not in UNPAID:
            raise
        ignored = Ignored(refusal.code)
        await deliveries.record(session, service.id, call, Outcome.IGNORED, push=push, ignored=ignored)
        return Received(Outcome.IGNORED, refusal.code)
    await deliveries.record(
        session, service.id, call, Outcome.DEPLOYED, push=push, deployment_id=deployment.id
    )
    return Received(Outcome.DEPLOYED, None, deployment.id, job.id)


async def _aside(body: bytes, work: Callable[[], T]) -> T:
    """In a thread, if it takes so long that others would wait."""
    return await asyncio.to_thread(work) if len(body) > LARGE else work()


def _asks(hook: str) -> None:
    """For the trail: no person, but what the customer set up."""
    actor = replace(current(), client_id=hook)
    asking.set(lambda: actor)


def _no_hook() -> NotFound:
    return NotFound("There is no such hook.", code="hook_unknown")
