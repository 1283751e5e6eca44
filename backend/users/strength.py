"""Which passwords would be guessed at once (NIST SP 800-63B §3.1.1.2): length counts, not composition."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from backend.users.breached import known

PRODUCT = "gavan"
SHORTEST_WORD = 3
OF_ITS_OWN = 6
"""Characters that must remain of a password without the words of its account."""

_TRIMMED = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_WORDS = re.compile(r"[^\W_]+")


async def weakness(password: str, *, email: str, name: str | None, own_list: Path | None) -> str | None:
    """Why this password is no protection, or None."""
    folded = password.casefold()
    if len(set(folded)) < 4:
        return "It repeats too few characters."
    if _remainder(folded, email, name) < OF_ITS_OWN:
        return "It is made of your name or e-mail address."
    breached = await asyncio.to_thread(known, own_list)
    # A common one with a year or an exclamation mark added is among the first guesses too.
    if any(guess in breached for guess in (folded, _TRIMMED.sub("", folded), _half(folded))):
        return "It is one of the passwords that are guessed first."
    return None


def _remainder(folded: str, email: str, name: str | None) -> int:
    """How many characters are left when the words that anybody knows of the account are taken out."""
    local, _, domain = email.casefold().partition("@")
    named = _WORDS.findall(f"{local} {domain.rpartition('.')[0]} {(name or '').casefold()}")
    rest = folded.replace(email.casefold(), "")
    for word in sorted({local, PRODUCT, *named}, key=len, reverse=True):
        if len(word) >= SHORTEST_WORD:
            rest = rest.replace(word, "")
    return len(rest)


def _half(folded: str) -> str:
    """The word that a doubled one is made of, else the whole."""
    middle = len(folded) // 2
    return folded[:middle] if folded[:middle] == folded[middle:] else folded
