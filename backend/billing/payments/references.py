"""What to write on a bank transfer: a creditor reference (ISO 11649), one for each project for ever.

Two check digits catch a digit that is wrong and two that changed places, so that nobody's typing error pays
somebody else's bill.
"""

from __future__ import annotations

import re
import secrets
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from stdnum import iso11649

from backend.billing.payments.message_dao import BankReferenceDAO

DIGITS = 10
_LENGTH = 4 + DIGITS
_START = re.compile("RF[0-9]{2}", re.IGNORECASE)


async def of(session: AsyncSession, project_id: UUID, *, make: bool = True) -> str | None:
    """Made at the first need, unless `make` says that nothing may be."""
    dao = BankReferenceDAO(session)
    while True:
        kept = await dao.get(project_id)
        if kept is not None:
            return kept.reference
        if not make:
            return None
        # Of two that are made at once, one finds the other's.
        await dao.make(project_id, new())


def new() -> str:
    body = "".join(secrets.choice("0123456789") for _ in range(DIGITS))
    return f"RF{_check_digits(body)}{body}"


def shown(reference: str) -> str:
    """In fours, as people copy it."""
    return " ".join(reference[at : at + 4] for at in range(0, len(reference), 4))


def found_in(purpose: str) -> list[str]:
    """References that a purpose holds, however people and banks spaced it; only those that are whole."""
    squeezed = re.sub(r"[\s./-]", "", purpose).upper()
    starts = (match.start() for match in _START.finditer(squeezed))
    candidates = (squeezed[at : at + _LENGTH] for at in starts)
    valid = (one for one in candidates if one[2:].isdecimal() and iso11649.is_valid(one))
    return list(dict.fromkeys(valid))


def _check_digits(body: str) -> str:
    for number in range(100):
        if iso11649.is_valid(f"RF{number:02d}{body}"):
            return f"{number:02d}"
    raise ValueError("no check digits fit")
