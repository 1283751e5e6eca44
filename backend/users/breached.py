"""Passwords known from breaches, offline: zxcvbn's list of 30,000, ours, and an operator's own file.

Kept as sorted 64-bit hashes: 8 bytes a password instead of about 70, and a look-up is a bisection.
"""

from __future__ import annotations

import hashlib
import importlib.util
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from loguru import logger


class Known:
    """A set of texts that can only be asked whether it holds one; upper and lower case are the same."""

    def __init__(self, texts: Iterable[str]) -> None:
        hashes = {_hash(text) for text in texts if text}
        self._sorted = array("Q", sorted(hashes))

    def __contains__(self, text: str) -> bool:
        wanted = _hash(text)
        at = bisect_left(self._sorted, wanted)
        return at < len(self._sorted) and self._sorted[at] == wanted

    def __len__(self) -> int:
        return len(self._sorted)


@lru_cache(maxsize=2)
def known(own: Path | None) -> Known:
    """Built at the first call, which takes a fraction of a second; call it in a thread."""
    return Known(_passwords(own))


def _passwords(own: Path | None) -> Iterator[str]:
    yield from _common()
    ours = files("backend.users").joinpath("common_passwords.txt")
    yield from ours.read_text(encoding="utf-8").splitlines()
    if own is not None:
        try:
            with own.open(encoding="utf-8", errors="replace") as file:
                yield from (line.rstrip("\r\n") for line in file)
        except OSError as error:
            logger.error("the list of breached passwords cannot be read: {}", error)


def _common() -> list[str]:
    """From the module that holds the list, read by itself: the package would keep 15 MB of dictionaries."""
    package = importlib.util.find_spec("zxcvbn")
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).with_name("frequency_lists.py")
    spec = importlib.util.spec_from_file_location("frequency_lists", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: list[str] = module.FREQUENCY_LISTS["passwords"]
    return found


def _hash(text: str) -> int:
    folded = text.casefold().encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(folded, digest_size=8).digest(), "little")
