"""Secrets of domains at rest: keys of certificates and accounts, credentials of DNS providers."""

from __future__ import annotations

from functools import lru_cache
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from backend.config import get_settings
from backend.utils.crypto import Vault


@lru_cache(maxsize=4)
def _vault(master: bytes) -> Vault:
    return Vault(master, "domains")


def seal(kind: str, owner: UUID, plain: str) -> str:
    return _vault(get_settings().master_key).seal(plain, f"{kind}:{owner}")


def unseal(kind: str, owner: UUID, sealed: str) -> str:
    """Raises `SealBroken` for what was sealed as another kind or for another row."""
    return _vault(get_settings().master_key).open(sealed, f"{kind}:{owner}")


def new_private_key() -> str:
    """P-256, as PEM: what every authority and browser takes."""
    made = ec.generate_private_key(ec.SECP256R1())
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def loaded(pem: str) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def request_for(name: str, private_key: str) -> bytes:
    """A certificate signing request for one name. The name is no subject: there only 64 signs would fit."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    signed = builder.add_extension(names, critical=False).sign(loaded(private_key), SHA256())
    return signed.public_bytes(Encoding.PEM)
