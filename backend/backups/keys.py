"""The key of a project's backups: an X25519 identity of age, derived, so that the master key and the
project's id are all that is needed to read them when the panel is gone.
"""

from __future__ import annotations

from uuid import UUID

import pyrage

from backend.utils.crypto import derive_key

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_PREFIX = "age-secret-key-"


def identity_of(master: bytes, project_id: UUID) -> str:
    """As the tool `age` reads it from a file."""
    return _bech32(_PREFIX, derive_key(master, f"backups of {project_id}")).upper()


def opened_by(master: bytes, project_id: UUID) -> pyrage.x25519.Identity:
    return pyrage.x25519.Identity.from_str(identity_of(master, project_id))


def sealed_to(master: bytes, project_id: UUID, operator: str) -> list[pyrage.x25519.Recipient]:
    """The project, and the operator's own key where one is set."""
    own = opened_by(master, project_id).to_public()
    return [own, pyrage.x25519.Recipient.from_str(operator)] if operator else [own]


def _bech32(prefix: str, content: bytes) -> str:
    """BIP 173, which age's keys are written in."""
    bits = int.from_bytes(content, "big") << (-len(content) * 8 % 5)
    count = (len(content) * 8 + 4) // 5
    words = [bits >> 5 * (count - 1 - place) & 31 for place in range(count)]
    spread = [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix]
    check = _polymod([*spread, *words, 0, 0, 0, 0, 0, 0]) ^ 1
    words += [check >> 5 * (5 - place) & 31 for place in range(6)]
    return f"{prefix}1" + "".join(_ALPHABET[word] for word in words)


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATOR):
            check ^= generator if top >> place & 1 else 0
    return check
