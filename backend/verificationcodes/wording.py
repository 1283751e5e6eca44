"""How links look in letters, how long they are good in words, and what is said to a wrong one."""

from __future__ import annotations

from backend.config import get_settings
from backend.exceptions import BadRequest, Invalid, invalid_field
from backend.verificationcodes.codes import Wrong
from backend.verificationcodes.purposes import RULES, Purpose


def link(page: str, token: str) -> str:
    return f"{get_settings().panel_url}/{page}?token={token}"


def minutes(purpose: Purpose) -> int:
    return int(RULES[purpose].lifetime.total_seconds() // 60)


def hours(purpose: Purpose) -> int:
    return minutes(purpose) // 60


def days(purpose: Purpose) -> int:
    return hours(purpose) // 24


def link_invalid() -> BadRequest:
    """One answer for all reasons, so that guessing teaches nothing."""
    detail = "The link is not good any more: it was used, replaced, or is too old."
    return BadRequest(detail, code="link_invalid")


def code_wrong(found: Wrong | None) -> Invalid:
    loc: list[str | int] = ["body", "code"]
    if found is None or found.tries_left == 0:
        return invalid_field(loc, "There is no code to enter any more. Ask for a new one.", "code_expired")
    return invalid_field(loc, "This is not the code that was sent.", "code_wrong")
