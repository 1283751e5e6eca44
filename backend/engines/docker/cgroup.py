"""How many processes a build may have: for the builder Docker takes no limit of them, but a parent cgroup."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loguru import logger

ROOT = Path("/sys/fs/cgroup")
MOST_PROCESSES = 4096


def can_bound(info: dict[str, Any], host: str) -> bool:
    """Whether `bounded` can: with a daemon of this machine, whose cgroups this process may make too."""
    if not host.startswith("unix:") or info.get("CgroupDriver") != "cgroupfs":
        return False
    trial = _pids() / f"gavan-trial-{uuid.uuid4().hex}"
    try:
        trial.mkdir()
        can = (trial / "pids.max").exists()
        trial.rmdir()
    except OSError:
        return False
    return can


@contextlib.contextmanager
def bounded(name: str) -> Iterator[str]:
    """The path of a cgroup that is there for as long as the block lasts."""
    parent = _pids() / name
    parent.mkdir(exist_ok=True)
    (parent / "pids.max").write_text(str(MOST_PROCESSES))
    try:
        yield f"/{name}"
    finally:
        remove(name)


def remove(pattern: str) -> None:
    """What Docker made of them in every hierarchy too; those with processes stay."""
    for found in (*ROOT.glob(pattern), *ROOT.glob(f"*/{pattern}")):
        try:
            found.rmdir()
        except OSError as error:
            logger.debug("the cgroup {} stays: {}", found, error)


def _pids() -> Path:
    """Where processes are counted: a hierarchy of its own, or since cgroup v2 the only one."""
    return ROOT / "pids" if (ROOT / "pids").is_dir() else ROOT
