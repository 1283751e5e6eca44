"""Releases at rest: AES-256-GCM, bound to the deployment, so that no file on disk shows a secret.

The launcher opens what the engine sealed; both know the key from their own environment.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = b"gavan1\n"
_NONCE = 12


class SealBroken(Exception):
    """The file was changed, belongs to another deployment, or was sealed with another key."""


def _cipher(secret: bytes) -> AESGCM:
    return AESGCM(hmac.digest(secret[:32], b"gavan engine: release at rest", hashlib.sha256))


def seal(secret: bytes, deployment_id: str, content: dict[str, Any]) -> bytes:
    nonce = os.urandom(_NONCE)
    plain = json.dumps(content).encode()
    return _VERSION + nonce + _cipher(secret).encrypt(nonce, plain, deployment_id.encode())


def unseal(secret: bytes, deployment_id: str, sealed: bytes) -> dict[str, Any]:
    body = sealed.removeprefix(_VERSION)
    if body == sealed:
        raise SealBroken("not a sealed release")
    try:
        plain = _cipher(secret).decrypt(body[:_NONCE], body[_NONCE:], deployment_id.encode())
    except InvalidTag:
        raise SealBroken("does not open with this key for this deployment") from None
    content: dict[str, Any] = json.loads(plain)
    return content


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """A reader, or the next life after a crash, sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
