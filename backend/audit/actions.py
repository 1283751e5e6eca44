"""Everything that is recorded, by its stable name: `<kind of object>.<what happened to it>`."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    USER_REGISTERED = "user.registered"
    USER_UPDATED = "user.updated"
