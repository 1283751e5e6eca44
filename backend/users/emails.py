"""E-mail addresses: one spelling for each, without asking the network."""

from __future__ import annotations

import email_validator

from backend.config import Settings
from backend.exceptions import invalid_field

MAX_LENGTH = 254

_RESERVED = tuple(email_validator.SPECIAL_USE_DOMAIN_NAMES)
# The library offers no other way to admit them, and a development machine is full of such names.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


def normalise(address: str, *, reserved_domains: bool) -> str | None:
    """The address in the form that is stored and compared, or None if it is not one.

    Upper and lower case are the same person here, in the local part too, as customers expect.
    `reserved_domains` admits names that never resolve publicly (`localhost`, `.test`, …).
    """
    if not 3 <= len(address) <= MAX_LENGTH or "\0" in address:
        return None
    try:
        checked = email_validator.validate_email(
            address, check_deliverability=False, globally_deliverable=not reserved_domains
        )
    except (email_validator.EmailNotValidError, UnicodeError):
        return None
    if not reserved_domains and f".{checked.ascii_domain}".endswith(tuple(f".{name}" for name in _RESERVED)):
        return None
    normalised = checked.normalized.lower()
    return normalised if len(normalised) <= MAX_LENGTH else None


def address_of(text: str, settings: Settings, *, field: str = "email") -> str:
    """The same for a field of a request. Raises `Invalid`."""
    address = normalise(text, reserved_domains=settings.environment == "development")
    if address is None:
        raise invalid_field(["body", field], "This is not an e-mail address.", "invalid_email")
    return address
