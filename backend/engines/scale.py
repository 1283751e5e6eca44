"""The processes of a release and how many units of each run; and what decides whether they are well.

The part of the engine contract (`base.py`) that is about processes.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass

WEB = "web"
"""The process that the edge leads visitors to."""
RELEASE = "release"
"""A command of a Procfile that runs once before a release starts; never a unit."""
NAME = r"[A-Za-z][A-Za-z0-9_-]{0,29}"
_NAME = re.compile(NAME)


def is_process_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


class Restart(enum.StrEnum):
    """What becomes of a unit that ended by itself."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    """Started again unless its exit status is 0."""
    NEVER = "never"


class HealthKind(enum.StrEnum):
    """What is asked of each unit of `web` before it serves."""

    HTTP = "http"
    TCP = "tcp"
    COMMAND = "command"
    """Run inside the unit; exit status 0 is well."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    name: str = WEB
    command: str = ""
    """Empty for `web`, whose command is the release's own."""
    replicas: int = 1


ONE_WEB = (ProcessSpec(),)


def unit_name(process: str, replica: int) -> str:
    """`worker.2`: as people read it in logs and pages."""
    return f"{process}.{replica}"


def split_name(name: str) -> tuple[str, int]:
    process, _, replica = name.rpartition(".")
    return process, int(replica)


def unit_names(processes: Iterable[ProcessSpec]) -> list[tuple[str, int]]:
    """Process and replica of each unit that there shall be."""
    return [(process.name, replica) for process in processes for replica in range(1, process.replicas + 1)]
