"""`${…}` in a template's texts: names are replaced by values, once, and nothing is ever computed.

What is put in is not looked at again, so a parameter that says `${secret.password}` stays that text. Values
go into variables, which are handed to the app as they are and through no shell; commands hold no expressions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_ANY = re.compile(r"\$\{([^{}]*)\}")
_NAME = re.compile(
    r"(?:parameter|secret)\.[a-z][a-z0-9_]*|service\.[a-z][a-z0-9]*\.(?:name|host|port|url|domain|scheme|secure)"
)


class UnknownName(ValueError):
    """A name that stands for nothing."""


def names(text: str) -> list[str]:
    """What the text refers to. Raises `UnknownName` for what could never be a reference."""
    found: list[str] = _ANY.findall(text)
    for name in found:
        if not _NAME.fullmatch(name):
            raise UnknownName(name)
    if text.count("${") != len(found):
        raise UnknownName(text)
    return found


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with each name replaced by its value. Raises `UnknownName`."""
    return _ANY.sub(_value_from(values), text)


def _value_from(values: Mapping[str, str]) -> Callable[[re.Match[str]], str]:
    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise UnknownName(match[1])
        return values[match[1]]

    return value
