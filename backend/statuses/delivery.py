"""Sending one commit status: claim it, say it, write down how that went.

There is one row for a commit and a name, and one sender of it at a time, for longer than a request may take:
so a `pending` that was late cannot come after the `success` that replaced it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from loguru import logger

from backend.config import Settings
from backend.database import Database, now
from backend.statuses import speaking
from backend.statuses.access import Access, access_of
from backend.statuses.dao import CommitStatusDAO
from backend.statuses.forges import Message, telling
from backend.statuses.models import Delivery
from backend.statuses.speaking import Answer, Unspoken

SEND = "statuses.send"
QUEUE = "default"
LEASE = timedelta(seconds=3 * speaking.SECONDS)
BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 900, 1800, 3600, 7200))
MAX_ATTEMPTS = len(BACKOFF) + 1
LONGEST_WAIT = timedelta(hours=1)
TOO_MUCH = 429


async def deliver(status_id: UUID, settings: Settings, database: Database) -> bool:
    """Gives whether there is more to be said at once: it changed while it was said."""
    async with database.transaction() as session:
        row = await CommitStatusDAO(session).claim(status_id, LEASE)
        if row is None:
            return False
        access = await access_of(session, row.service_id)
    ended: dict[str, Any]
    try:
        if not isinstance(access, Access):
            raise Unspoken(access.code, again=False)
        message = Message(row.commit, row.context, row.said, row.description, row.target_url)
        asked = telling(
            *(access.forge, access.api_url, access.repo_url, message, access.token), access.username
        )
        answer = await speaking.speak(settings, asked)
        ended = _told(access, answer, row.attempts)
    except Unspoken as unspoken:
        ended = _untold(unspoken.code, None, row.attempts, again=unspoken.again)
    if ended["delivery"] != Delivery.SENT:
        logger.warning(
            "commit status {} was not taken, attempt {}: {}", row.id, row.attempts, ended["error_code"]
        )
    async with database.transaction() as session:
        return await CommitStatusDAO(session).settle(row, **ended)


def _told(access: Access, answer: Answer, attempts: int) -> dict[str, Any]:
    if 200 <= answer.status < 300 or _said_already(access, answer):
        return {
            "delivery": Delivery.SENT,
            "sent_at": now(),
            "error_code": None,
            "http_status": answer.status,
        }
    code, again = complaint(answer)
    wait = timedelta(seconds=answer.retry_after) if answer.retry_after else None
    return _untold(code, answer.status, attempts, again=again, wait=wait)


def complaint(answer: Answer) -> tuple[str, bool]:
    """A stable code for what a forge answered, and whether it may answer otherwise later."""
    status = answer.status
    if status == TOO_MUCH or (status == 403 and (answer.exhausted or answer.retry_after)):
        return "too_many", True
    if status >= 500 or status in (408, 409, 425):
        return "forge_trouble", True
    if 300 <= status < 400:
        return "redirected", False
    known = {401: "token_refused", 403: "not_permitted", 404: "repository_unknown", 422: "commit_unknown"}
    return known.get(status, "refused"), False


def _said_already(access: Access, answer: Answer) -> bool:
    """GitLab refuses to be told the same again."""
    said = answer.body.get("message") if isinstance(answer.body, dict) else None
    return access.forge == "gitlab" and answer.status == 400 and "Cannot transition" in str(said)


def _untold(
    code: str, status: int | None, attempts: int, *, again: bool, wait: timedelta | None = None
) -> dict[str, Any]:
    dead = not again or attempts >= MAX_ATTEMPTS
    values: dict[str, Any] = {"error_code": code, "http_status": status}
    if dead:
        return {**values, "delivery": Delivery.DEAD}
    pause = max(BACKOFF[min(attempts, len(BACKOFF)) - 1], min(wait or timedelta(), LONGEST_WAIT))
    return {**values, "delivery": Delivery.QUEUED, "due_at": now() + pause}
