"""Taking from the previews that there are what their service's settings no longer give them."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from backend.exceptions import Conflict
from backend.hooks.pulls import WHOLE
from backend.previews import making
from backend.previews.dao import PullRequestDAO
from backend.previews.models import PreviewSettings, PullRequest
from backend.services import lifecycle
from backend.services.dao import VariableDAO
from backend.services.models import Service


async def withdraw(session: AsyncSession, service: Service, settings: PreviewSettings) -> None:
    """Previews of forks go where there are to be none. One that loses variables is deployed without them.

    The service's row is locked. What somebody gave a preview itself stays.
    """
    pulls = PullRequestDAO(session)
    names = {row.name for row in await VariableDAO(session).of(service.id)}
    for known in await pulls.with_preview(service.id):
        preview = await pulls.preview_of(known)
        if preview is None:
            continue
        if known.fork and settings.forks == "never":
            known.preview_id, known.reason_code, known.reason_parameters = None, "fork", None
            await making.remove(session, preview)
            continue
        await _take(session, preview, known, names - making.given(settings, names, fork=known.fork))


async def _take(session: AsyncSession, preview: Service, known: PullRequest, taken: set[str]) -> None:
    variables = VariableDAO(session)
    stored = [row.name for row in await variables.of(preview.id)]
    kept = [name for name in stored if name not in taken]
    if kept == stored:
        return
    await variables.replace(preview.id, kept, {})
    try:
        async with session.begin_nested():
            commit = known.commit if len(known.commit) in WHOLE else None
            await lifecycle.deploy(session, preview, None, making.TRIGGER, commit=commit)
    except Conflict:
        # It does not run, or may not: whenever it is deployed next, it is so without them.
        return
