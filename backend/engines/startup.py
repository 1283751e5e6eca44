"""What is the same of every engine's start: the script around the app's command, and its variables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from backend.engines import processes
from backend.engines.base import EngineError, ReleaseSpec, Unit
from backend.engines.scale import WEB

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = re.compile(r"[\w/~$:@%+,=\"'.{} \t-]+")
_PROGRAM = re.compile(r"(?:\./|/|\w)[\w./+-]*")
_BUILTINS = frozenset(
    (
        *("alias", "break", "case", "cd", "command", "continue", "eval", "exec", "exit", "export", "for"),
        *("if", "kill", "read", "readonly", "return", "set", "shift", "times", "trap", "type", "ulimit"),
        *("umask", "unset", "until", "wait", "while"),
    )
)


def shell_script(command: str) -> str:
    """A simple command replaces the shell; around others it waits, so that SIGTERM ends both in order."""
    first = (command.split() or [""])[0]
    program = _PROGRAM.fullmatch(first) and first not in _BUILTINS
    simple = program and _WORDS.fullmatch(command)
    return f"exec {command}" if simple else f"trap 'exit 143' TERM INT\n{command}"


def checked_environment(env: Mapping[str, str]) -> dict[str, str]:
    for name, value in env.items():
        if not _NAME.fullmatch(name) or "\0" in value:
            message = f"The variable {name!r} has an invalid name or value."
            raise EngineError("variable_invalid", message, name=name[:100])
    return {name: value for name, value in env.items() if name != processes.MARKER}


def started(spec: ReleaseSpec, units: Iterable[Unit]) -> list[str]:
    """For the deployment's log. Whoever has but one unit is not bothered with its name."""
    commands = {process.name: process.command for process in spec.processes}
    lines = []
    for unit in units:
        name = "" if (unit.process, unit.replica) == (WEB, 1) else f" {unit.name}"
        port = f" on port {unit.address.rpartition(':')[2]}" if unit.address else ""
        command = commands.get(unit.process) or spec.command or "its image"
        lines.append(f"Started{name}{port}: {command}")
    return lines
