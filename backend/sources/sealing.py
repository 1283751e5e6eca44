"""Secrets of sources at rest, and the making of key pairs."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from backend.config import get_settings
from backend.engines.knownhosts import fingerprint
from backend.utils.crypto import Vault


def _vault() -> Vault:
    return Vault(get_settings().master_key, "sources")


def seal_token(service_id: UUID, origin: str, token: str) -> str:
    return _vault().seal(token, f"token:{service_id}:{origin}")


def open_token(service_id: UUID, origin: str, sealed: str) -> str:
    """What is sealed for one host does not open for another."""
    return _vault().open(sealed, f"token:{service_id}:{origin}")


def seal_registry(service_id: UUID, host: str, password: str) -> str:
    return _vault().seal(password, f"registry:{service_id}:{host}")


def open_registry(service_id: UUID, host: str, sealed: str) -> str:
    """What is sealed for one registry does not open for another."""
    return _vault().open(sealed, f"registry:{service_id}:{host}")


def seal_key(key_id: UUID, private_key: str) -> str:
    return _vault().seal(private_key, f"deploy-key:{key_id}")


def open_key(key_id: UUID, sealed: str) -> str:
    return _vault().open(sealed, f"deploy-key:{key_id}")


@dataclass(frozen=True, slots=True)
class KeyPair:
    private: str = field(repr=False)
    public: str
    fingerprint: str


def make_key_pair(comment: str) -> KeyPair:
    """Ed25519: what every forge takes, short enough to read. `comment` is how the forge lists it."""
    made = Ed25519PrivateKey.generate()
    private = made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    public = made.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return KeyPair(private, f"{public} {comment}", fingerprint(base64.b64decode(public.split()[1])))
