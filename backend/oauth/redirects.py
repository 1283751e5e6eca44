"""Redirect URIs: which may be registered, and when one is as registered (RFC 8252, RFC 9700 §4.1)."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

MAX_LENGTH = 500
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

# Those of RFC 3986 and no other: parsers and browsers disagree about what a backslash or a space means.
_CHARACTERS = re.compile(r"[\w.~:/?#\[\]@!$&'()*+,;=%-]+", re.ASCII)
_OWN_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")
_LOOPBACK = re.compile(r"http://(?P<host>127\.0\.0\.1|\[::1\])(?::\d{1,5})?(?P<rest>[/?].*|)")


def problem_of(uri: str) -> str | None:
    """Why it may not be registered, or None."""
    parts = _split(uri)
    if len(uri) > MAX_LENGTH or not _CHARACTERS.fullmatch(uri) or parts is None:
        return "This is not a URI."
    if "#" in uri:
        return "It must have no fragment."
    if parts.scheme in ("http", "https"):
        if not parts.hostname or "@" in parts.netloc or "*" in parts.netloc:
            return "It must name one host, and no user."
        if parts.scheme == "http" and parts.hostname not in LOCAL_HOSTS:
            return "It must be https; plain http may lead only to the same machine."
        return None
    if not _OWN_SCHEME.fullmatch(parts.scheme):
        return "It must be https, or a scheme of your own that holds a domain, as com.example.app:/back."
    return None


def matches(registered: str, asked: str) -> bool:
    """Exactly, but for the port of a loopback address, which no app on somebody's machine can choose."""
    if registered == asked:
        return True
    ours, theirs = _LOOPBACK.fullmatch(registered), _LOOPBACK.fullmatch(asked)
    return (
        ours is not None and theirs is not None and ours.group("host", "rest") == theirs.group("host", "rest")
    )


def is_assured(uri: str) -> bool:
    """Whether only the application itself can be waiting there (RFC 8252 §8.6)."""
    return uri.startswith("https://")


def _split(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    return parts
