"""What tokens that are not a person's own session may hold at most."""

from __future__ import annotations

from collections.abc import Iterable

from backend.roles.permissions import CUSTOMER, ME_SECURITY, PERMISSIONS, SERVICES_CONSOLE

_IN_PERSON = frozenset({ME_SECURITY, SERVICES_CONSOLE})

APPLICATION_SCOPES = CUSTOMER - _IN_PERSON
"""Of applications that customers register: neither the operator's permissions nor the account's security."""

PERSONAL_SCOPES = frozenset(PERMISSIONS) - _IN_PERSON
"""Of personal tokens: an administrator may want a script that looks at the installation."""


def ordered(scopes: Iterable[str]) -> list[str]:
    """In the order in which the permissions are declared, each once."""
    chosen = frozenset(scopes)
    return [name for name in PERMISSIONS if name in chosen]
