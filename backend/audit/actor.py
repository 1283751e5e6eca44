"""Who is behind a change: set when a request is authenticated, read when something is recorded."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Actor:
    """`user_id` is whose account is used; `acting_id` the supporter who uses it, if it is not their own."""

    user_id: UUID | None = None
    acting_id: UUID | None = None
    client_id: str | None = None
    session_id: UUID | None = None
    address: str | None = None
    user_agent: str | None = None


NOBODY = Actor()
"""The system itself: beat, a worker, the command line."""

asking: ContextVar[Callable[[], Actor] | None] = ContextVar("asking", default=None)
"""A function, since most requests change nothing and need not know."""


def current() -> Actor:
    found = asking.get()
    return found() if found is not None else NOBODY


def as_user(user_id: UUID) -> Actor:
    """Whoever asks, when what they show proves who they are: a link from their mailbox."""
    return replace(current(), user_id=user_id)
