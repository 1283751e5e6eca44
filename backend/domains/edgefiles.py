"""Certificates on their way to the edge: one file of chain and key for each domain, named by its id.

nginx reads the file anew at each handshake, so a renewed one serves at once. Files have the permissions of
their folder, without those of others: the operator opens the folder to the edge and to nobody else.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DEFAULT = "default.pem"
FRESH_SECONDS = 120.0
_MARK = "gavan certificate "
_NAME = re.compile(r"[0-9a-f-]{36}\.pem", re.ASCII)


class CertificateFiles:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, domain_id: UUID, certificate_id: UUID, chain: str, private_key: str) -> None:
        # What stands before the first block means nothing to nginx.
        self._replace(f"{domain_id}.pem", f"{_MARK}{certificate_id}\n{chain.strip()}\n{private_key}")

    def remove(self, domain_id: UUID) -> None:
        (self._folder / f"{domain_id}.pem").unlink(missing_ok=True)

    def missing(self, serving: Sequence[tuple[UUID, UUID]]) -> list[UUID]:
        """Certificates of which there is no file, or one of another."""
        return [
            certificate
            for domain, certificate in serving
            if self._held(f"{domain}.pem") != str(certificate) and not self._is_fresh(f"{domain}.pem")
        ]

    def sweep(self, domains: Sequence[UUID]) -> None:
        """Remove the keys of domains that are gone."""
        wanted = {f"{domain}.pem" for domain in domains}
        for path in self._folder.glob("*.pem") if self._folder.is_dir() else ():
            if _NAME.fullmatch(path.name) and path.name not in wanted and not self._is_fresh(path.name):
                path.unlink(missing_ok=True)

    def ensure_default(self) -> None:
        """What visitors of other names get: signed by nobody, and never again once it is there.

        An operator may put a certificate of their own in its place, for the panel and its apps.
        """
        if (self._folder / DEFAULT).exists():
            return
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "no certificate for this name")])
        moment = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(moment - timedelta(days=1))
            .not_valid_after(moment + timedelta(days=3650))
            .sign(key, SHA256())
        )
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._replace(DEFAULT, (made.public_bytes(Encoding.PEM) + private).decode())

    def _is_fresh(self, name: str) -> bool:
        """Just written: somebody is at it, whose transaction has yet to end."""
        try:
            return (self._folder / name).stat().st_mtime > time.time() - FRESH_SECONDS
        except FileNotFoundError:
            return False

    def _held(self, name: str) -> str | None:
        try:
            with (self._folder / name).open() as file:
                first = file.readline(100)
        except FileNotFoundError:
            return None
        return first.removeprefix(_MARK).strip() if first.startswith(_MARK) else None

    def _replace(self, name: str, text: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = self._folder.stat()
        draft = self._folder / f".{name}.{os.urandom(6).hex()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                if folder.st_mode & 0o040:
                    os.fchown(descriptor, -1, folder.st_gid)
                    os.fchmod(descriptor, 0o640)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._folder / name)
        finally:
            draft.unlink(missing_ok=True)
