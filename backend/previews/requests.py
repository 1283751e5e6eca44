"""What is done about a pull request that a forge tells of: a preview made, updated, removed, or nothing.

All of it happens under the lock of the service whose webhook was called, in the transaction that writes the
delivery down. Forges promise no order, so what is judged is the request as it is told, by the forge's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.database import now
from backend.exceptions import Conflict
from backend.hooks.forges import Forge
from backend.hooks.models import Outcome
from backend.hooks.pulls import Pull
from backend.hooks.pushes import path_of
from backend.hooks.verdict import HEADS, SKIP, Ignored, shown
from backend.previews import making
from backend.previews.dao import PreviewSettingsDAO, PullRequestDAO
from backend.previews.models import PreviewSettings, PullRequest, PullState
from backend.services.models import Service, SourceKind
from backend.services.reasons import SUSPENDED
from backend.statuses import outbox as statuses
from backend.statuses.models import Said

UNPAID = ("insufficient_funds", "plan_not_in_currency")
PASSING = (*UNPAID, "project_full", "previews_full", "name_taken", "pull_draft", "fork", SUSPENDED.code)
"""Reasons that may be gone when the same commit is told of again."""
KEPT_CLOSED = 100


@dataclass(frozen=True, slots=True)
class Heard:
    outcome: Outcome
    ignored: Ignored | None = None
    deployment_id: UUID | None = None
    job_id: UUID | None = None


async def heard(session: AsyncSession, service: Service, forge: Forge, pull: Pull) -> Heard:
    here = path_of(service.repo_url)
    if pull.repositories and here and here not in pull.repositories:
        return _ignored(Ignored("other_repository", {"repository": shown(min(pull.repositories))}))
    dao = PullRequestDAO(session)
    settings = await PreviewSettingsDAO(session).get(service.id)
    known = await dao.of(service.id, pull.number)
    if known is not None and _late(known, pull):
        return _ignored(Ignored("overtaken"))
    off = settings is None or not settings.enabled or service.source_kind != SourceKind.GIT
    if not pull.is_open:
        return await _closed(session, service, forge, pull, known, remember=not off)
    if off or settings is None:
        return _ignored(Ignored("previews_off"))
    preview = await dao.preview_of(known) if known is not None else None
    if elsewhere := _elsewhere(service, pull):
        if preview is not None and known is not None:
            known.preview_id, known.reason_code = None, elsewhere.code
            known.reason_parameters = elsewhere.parameters or None
            await making.remove(session, preview)
            return Heard(Outcome.REMOVED, elsewhere)
        return _ignored(elsewhere)
    same = known is not None and known.commit == pull.commit
    if known is None:
        known = _new(service, forge, pull)
        await dao.add(known)
    else:
        again = pull.reopened or known.state == PullState.CLOSED or known.reason_code in PASSING
        _take(known, pull)
        await dao.flush()
        if same and (preview is not None or not again):
            return _ignored(Ignored("pull_unchanged"))
    refused = await _refused(session, service, settings, pull, preview)
    if refused is None:
        return await _deployed(session, service, settings, pull, known, preview)
    return await _left(session, service, known, pull, refused)


async def expire(session: AsyncSession, service: Service, known: PullRequest) -> bool:
    """Remove a preview that nobody pushed to for long; the next push makes it again."""
    preview = await PullRequestDAO(session).preview_of(known)
    if preview is None:
        return False
    known.preview_id, known.reason_code, known.reason_parameters = None, "expired", None
    await making.remove(session, preview)
    return True


def _late(known: PullRequest, pull: Pull) -> bool:
    """Whether something later was told before. Clocks of forges may count whole seconds."""
    reopens = known.state == PullState.CLOSED and pull.is_open and not pull.reopened
    if known.told_at is None or pull.told_at is None:
        return reopens
    return pull.told_at < known.told_at or (reopens and pull.told_at == known.told_at)


async def _closed(
    session: AsyncSession,
    service: Service,
    forge: Forge,
    pull: Pull,
    known: PullRequest | None,
    *,
    remember: bool,
) -> Heard:
    dao = PullRequestDAO(session)
    if known is None:
        if remember:
            # Its opening may come yet.
            known = _new(service, forge, pull)
            known.state, known.closed_at = PullState.CLOSED, now()
            await dao.add(known)
        return _ignored(Ignored("pull_closed"))
    preview = await dao.preview_of(known)
    _take(known, pull)
    known.state, known.closed_at = PullState.CLOSED, known.closed_at or now()
    known.preview_id = known.reason_code = known.reason_parameters = None
    await dao.flush()
    await dao.trim(service.id, KEPT_CLOSED)
    if preview is None:
        return _ignored(Ignored("pull_closed"))
    await making.remove(session, preview)
    return Heard(Outcome.REMOVED)


def _elsewhere(service: Service, pull: Pull) -> Ignored | None:
    """Whether it is made to another branch than the service's."""
    branch = (service.ref or pull.default_branch or "").removeprefix(HEADS)
    if not branch:
        return Ignored("branch_unknown")
    if pull.target != branch:
        return Ignored("other_target", {"branch": shown(pull.target), "deployed": shown(branch)})
    return None


async def _refused(
    session: AsyncSession,
    service: Service,
    settings: PreviewSettings,
    pull: Pull,
    preview: Service | None,
) -> Ignored | None:
    if service.suspended_at is not None:
        return Ignored(SUSPENDED.code)
    if mark := SKIP.search(pull.title):
        return Ignored("skipped", {"mark": mark.group().lower()})
    if pull.fork and settings.forks == "never":
        return Ignored("fork")
    if pull.fork and pull.whole_commit is None:
        # Bitbucket keeps what is in a fork out of the repository, and there alone could it be read.
        return Ignored("fork_unreachable")
    if preview is not None:
        return None
    if pull.draft and not settings.drafts:
        return Ignored("pull_draft")
    if await PullRequestDAO(session).count_previews(service.id) >= settings.most:
        return Ignored("previews_full", {"most": str(settings.most)})
    return None


async def _deployed(
    session: AsyncSession,
    service: Service,
    settings: PreviewSettings,
    pull: Pull,
    known: PullRequest,
    preview: Service | None,
) -> Heard:
    try:
        async with session.begin_nested():
            if preview is None:
                preview, deployment, job = await making.make(session, service, settings, pull)
            else:
                deployment, job = await making.update(session, preview, pull)
    except Conflict as refusal:
        return await _left(session, service, known, pull, Ignored(refusal.code))
    known.preview_id, known.reason_code, known.reason_parameters = preview.id, None, None
    await PullRequestDAO(session).flush()
    return Heard(Outcome.DEPLOYED, None, deployment.id, job.id)


async def _left(
    session: AsyncSession, service: Service, known: PullRequest, pull: Pull, why: Ignored
) -> Heard:
    """Without what it could show: said on the page, and to the forge where somebody has to do something."""
    known.reason_code, known.reason_parameters = why.code, why.parameters or None
    await PullRequestDAO(session).flush()
    if why.code in (*UNPAID, "project_full", "previews_full", "name_taken", SUSPENDED.code):
        await statuses.say_of_preview(session, service, pull.commit, Said.FAILURE, why.code)
    return _ignored(why)


def _new(service: Service, forge: Forge, pull: Pull) -> PullRequest:
    known = PullRequest(service_id=service.id, number=pull.number, forge=forge, state=PullState.OPEN)
    known.commit, known.pushed_at = pull.commit, now()
    _take(known, pull)
    return known


def _take(known: PullRequest, pull: Pull) -> None:
    if known.commit != pull.commit:
        known.commit, known.pushed_at = pull.commit, now()
    elif known.state == PullState.CLOSED and pull.is_open:
        known.pushed_at = now()
    if pull.is_open:
        known.state, known.closed_at = PullState.OPEN, None
    known.title, known.url, known.fork = pull.title, pull.url, pull.fork
    known.branch, known.target = shown(pull.branch), shown(pull.target)
    known.told_at = pull.told_at or known.told_at


def _ignored(why: Ignored) -> Heard:
    return Heard(Outcome.IGNORED, why)
