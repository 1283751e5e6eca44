"""What codes and links are for, how long they are good, and what they look like."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Purpose(StrEnum):
    EMAIL_VERIFICATION = "email_verification"
    EMAIL_CHANGE = "email_change"
    EMAIL_RETURN = "email_return"
    PASSWORD_RESET = "password_reset"
    PHONE = "phone"


@dataclass(frozen=True, slots=True)
class Rules:
    lifetime: timedelta
    link: bool = True
    """A token of 256 random bits: long enough for any number of tries."""
    code: bool = False
    """Six digits to be typed, which a few tries could never guess."""
    tries: int = 5
    one_per_target: bool = False
    """Asking again replaces only what was sent for the same target."""


RULES: dict[Purpose, Rules] = {
    Purpose.EMAIL_VERIFICATION: Rules(timedelta(days=1), code=True),
    Purpose.EMAIL_CHANGE: Rules(timedelta(days=1)),
    # Whoever took over an account and changes the address twice must not thereby end the owner's way back.
    Purpose.EMAIL_RETURN: Rules(timedelta(days=7), one_per_target=True),
    Purpose.PASSWORD_RESET: Rules(timedelta(hours=1)),
    Purpose.PHONE: Rules(timedelta(minutes=10), link=False, code=True),
}
