"""Reads a Procfile: the processes of an app by name, each with its command."""

from __future__ import annotations

from backend.engines.scale import WEB, is_process_name

MOST = 20
"""Processes of one app; what a Procfile names beyond is left out."""
LONGEST = 4000
"""Characters of a command beside `web`."""


def read(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, _, command = (part.strip() for part in line.partition(":"))
        named = is_process_name(name) and name not in found and len(found) < MOST
        fits = name == WEB or len(command) <= LONGEST
        if named and command and fits and "\0" not in command:
            found[name] = command
    return found
