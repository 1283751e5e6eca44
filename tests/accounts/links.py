"""What stands in letters."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from tests.support.mailbox import Letter, TextMessage

_CODE = re.compile(r"\b\d{6}\b")


def token_of(letter: Letter) -> str:
    for link in letter.links:
        if tokens := parse_qs(urlsplit(link).query).get("token"):
            return tokens[0]
    raise AssertionError(f"no token in {letter.links}")


def code_of(message: Letter | TextMessage) -> str:
    # A token may hold six digits in a row as well.
    found = _CODE.search(re.sub(r"https?://\S+", "", message.text))
    assert found is not None
    return found[0]


def other(code: str) -> str:
    """A code that is certainly wrong."""
    return f"{(int(code) + 1) % 1_000_000:06}"
