"""Where in an app's file system a volume or a secret file may be."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from backend.exceptions import Conflict, invalid_field

LONGEST = 500
_SYSTEM = (
    "/bin",
    "/boot",
    "/dev",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/lib",
    "/usr/sbin",
    "/tmp",  # noqa: S108
)
"""Neither these nor anything below them."""
_WHOLE = ("/", "/app", "/etc", "/home", "/opt", "/root", "/srv", "/usr", "/usr/local", "/var", "/var/lib")
"""Not these themselves: what an image has there would be hidden."""
_OF_MACHINE = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/passwd", "/etc/group")


def check_path(path: str, field: str) -> str:
    """Raises `Invalid` for what is no absolute path in its simplest form, or belongs to the system."""
    where: list[str | int] = ["body", field]
    plain = len(path) <= LONGEST and path.isprintable() and path.isascii() and not set(path) & set(':,"\\')
    if not plain or not path.startswith("/") or posixpath.normpath(path) != path or path.startswith("//"):
        message = "It must be an absolute path of letters, digits and usual signs, such as /data."
        raise invalid_field(where, message, "path_invalid")
    if path in _WHOLE or path in _OF_MACHINE or any(_within(path, top) for top in _SYSTEM):
        raise invalid_field(where, f"{path} belongs to the system or to the app's own code.", "path_reserved")
    return path


def refuse_overlap(path: str, others: Iterable[str]) -> None:
    """Raises `Conflict`: of two places, one inside the other, it would be left to chance what an app sees."""
    for other in others:
        if _within(path, other) or _within(other, path):
            message = f"The service has something at {other} already."
            raise Conflict(message, code="path_overlaps", parameters={"path": other})


def _within(path: str, top: str) -> bool:
    return path == top or path.startswith(f"{top}/")
