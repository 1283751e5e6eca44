"""Secrets at rest: AES-256-GCM under a key derived for its purpose from the master key.

A sealed value is `v1.` + base64url(nonce ‖ ciphertext); the row's identity is the associated
data, so that a value copied to another row does not open.
"""

from __future__ import annotations

import base64
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = "v1."
NONCE = 12


class SealBroken(Exception):
    """The value was changed, belongs to another row, or was sealed with another key."""


@lru_cache(maxsize=32)
def derive_key(master: bytes, purpose: str) -> bytes:
    """32 bytes for one purpose (RFC 5869), so that no two uses share a key."""
    return HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(master)


def edge_check(master: bytes) -> str:
    """What the panel shows the edge with its own questions: they cost nobody anything."""
    return derive_key(master, "edge check").hex()


class Vault:
    def __init__(self, master: bytes, purpose: str) -> None:
        self._cipher = AESGCM(derive_key(master, purpose))

    def seal(self, plain: str, identity: str) -> str:
        nonce = os.urandom(NONCE)
        sealed = self._cipher.encrypt(nonce, plain.encode("utf-8", "surrogatepass"), identity.encode())
        return VERSION + base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, sealed: str, identity: str) -> str:
        if not sealed.startswith(VERSION):
            raise SealBroken("unknown version")
        try:
            raw = base64.urlsafe_b64decode(sealed[len(VERSION) :])
            plain = self._cipher.decrypt(raw[:NONCE], raw[NONCE:], identity.encode())
        except (InvalidTag, ValueError):
            raise SealBroken("does not open") from None
        return plain.decode("utf-8", "surrogatepass")
