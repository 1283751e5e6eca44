"""What is the same of every engine's start: the script around the app's command, and its variables."""

from __future__ import annotations

import re
from collections.abc import Mapping

from backend.engines import processes
from backend.engines.base import EngineError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = re.compile(r"[\w/~$:@%+,=\"'.{} \t-]+")
_PROGRAM = re.compile(r"(?:\./|/|\w)[\w./+-]*")
_BUILTINS = frozenset({"cd", "export", "set", "unset", "exec", "if", "for", "while", "until", "case"})


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
