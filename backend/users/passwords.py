"""Passwords: how long they are, and Argon2id with the OWASP profile (19 MiB, t=2, p=1)."""

from __future__ import annotations

import asyncio
import os
import secrets
from concurrent.futures import ThreadPoolExecutor

from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from pwdlib.hashers.argon2 import Argon2Hasher

MIN_LENGTH = 10
MAX_LENGTH = 128

_hasher = PasswordHash((Argon2Hasher(memory_cost=19 * 1024, time_cost=2, parallelism=1),))


def _give_way() -> None:
    # Hashes keep all cores busy while many sign in; the event loop, which answers everybody, goes first.
    # Linux counts this for the calling thread alone.
    os.nice(5)


# A pool of its own caps the memory (19 MiB a thread) and leaves the common one to others. Two threads a core:
# one that has hashed waits for the interpreter until the event loop lets go, and another hashes meanwhile.
_threads = ThreadPoolExecutor(
    max_workers=min(8, 2 * (os.cpu_count() or 1)), thread_name_prefix="argon2", initializer=_give_way
)
# Verified for unknown users, so that they take as long as known ones.
_NOBODY = _hasher.hash(secrets.token_urlsafe())


async def hash_password(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, password)


async def verify(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Whether it is the right one, and a new hash when the stored one has other parameters.

    `stored` is None for an unknown user; that takes as long and is never right.
    """
    return await asyncio.get_running_loop().run_in_executor(_threads, _verify, password, stored)


def _verify(password: str, stored: str | None) -> tuple[bool, str | None]:
    try:
        valid, renewed = _hasher.verify_and_update(password, stored or _NOBODY)
    except (PwdlibError, UnicodeError):
        return False, None
    return (valid, renewed) if stored else (False, None)
