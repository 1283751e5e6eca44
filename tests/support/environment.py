"""Settings of a test's installation, for the environment of another process."""

from __future__ import annotations

from backend.config import Settings

RANGES = ("app_ports", "public_ports")


def environment(settings: Settings) -> dict[str, str]:
    """What makes the same settings in another process."""
    found = {}
    for name, value in settings.model_dump().items():
        if hasattr(value, "get_secret_value"):
            value = value.get_secret_value()
        if isinstance(value, tuple):
            value = ("-" if name in RANGES else ",").join(map(str, value))
        if value is not None:
            found[name.upper()] = str(value)
    return found
