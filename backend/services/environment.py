"""Variables of a service: sealed at rest, never returned, cut out of every log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from uuid import UUID

import orjson

from backend.config import get_settings
from backend.exceptions import invalid_field
from backend.utils.crypto import Vault

MAX_VARIABLES = 100
MAX_NAME = 128
MAX_VALUE = 32 * 1024
MAX_TOTAL = 256 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
RESERVED = frozenset({"PORT", "HOME", "PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT"})
SHORTEST_REDACTED = 5
"""Shorter values are words like `on` or `8080`: cutting them would only garble the log."""


def check_variables(variables: Mapping[str, str | None]) -> None:
    """Raises `Invalid` that names the variable, never its value."""
    if len(variables) > MAX_VARIABLES:
        raise invalid_field(
            ["body", "variables"], f"At most {MAX_VARIABLES} variables are possible.", "too_many_variables"
        )
    for name, value in variables.items():
        where: list[str | int] = ["body", "variables", name[:MAX_NAME]]
        if len(name) > MAX_NAME or not _NAME.fullmatch(name):
            message = "A variable's name holds letters, digits and underscores and begins with no digit."
            raise invalid_field(where, message, "variable_name")
        if name in RESERVED:
            raise invalid_field(where, f"{name} is set by Gavan itself.", "variable_reserved")
        if value is None:
            continue
        if "\x00" in value or _has_surrogate(value):
            raise invalid_field(
                where, "A value cannot hold a NUL or half of a surrogate pair.", "variable_value"
            )
        if len(value.encode()) > MAX_VALUE:
            raise invalid_field(where, f"A value holds at most {MAX_VALUE} bytes.", "variable_too_long")
    total = sum(len(name) + len((value or "").encode()) for name, value in variables.items())
    if total > MAX_TOTAL:
        raise invalid_field(
            ["body", "variables"],
            f"All variables together hold at most {MAX_TOTAL} bytes.",
            "variables_too_long",
        )


def _has_surrogate(value: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in value)


def _vault() -> Vault:
    return Vault(get_settings().master_key, "service-variables")


def seal_variable(service_id: UUID, name: str, value: str) -> str:
    return _vault().seal(value, f"variable:{service_id}:{name}")


def open_variable(service_id: UUID, name: str, sealed: str) -> str:
    return _vault().open(sealed, f"variable:{service_id}:{name}")


def seal_snapshot(deployment_id: UUID, environment: Mapping[str, str]) -> str:
    return _vault().seal(orjson.dumps(environment).decode(), f"deployment:{deployment_id}")


def open_snapshot(deployment_id: UUID, sealed: str | None) -> dict[str, str]:
    if sealed is None:
        return {}
    environment: dict[str, str] = orjson.loads(_vault().open(sealed, f"deployment:{deployment_id}"))
    return environment


CUT = "•••"


class Redactor:
    """Cuts known values out of lines that are shown or kept."""

    def __init__(self, values: Iterable[str]) -> None:
        parts = {part for value in values for part in (value, *value.splitlines())}
        secrets = sorted((part for part in parts if len(part) >= SHORTEST_REDACTED), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, secrets))) if secrets else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(CUT, text) if self._pattern else text
