"""Where the engine keeps things under its home; nothing else knows the paths.

instance, docker.instance        who this installation is, one for each engine
units/<deployment>[.<unit>].conf supervisord's program; more of both kinds of files are in `places.py`
deployments/<deployment>/        deployment.json, source/, tree/{app,venv,home}, built.json, unit[.<unit>]/
logs/<service>/<number>-<deployment>[.<unit>].log[.1-3]
cache/<project>/                 package caches of builds
archives/<archive>               uploaded sources
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.engines.sealed import write_atomically

_INSTANCE = re.compile(r"[0-9a-f]{12}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


def checked(identity: str) -> str:
    """Ids become file names."""
    if not _ID.fullmatch(identity):
        raise ValueError(f"not an id: {identity!r}")
    return identity


def instance_of(home: Path) -> str:
    """Tells what belongs to this installation from what another one has on the same machine.

    Homes that have units already keep the name that was made of the path, so that those stay theirs.
    """
    return _named_once(home, "instance", keep=any(home.glob("units/*.conf")))


def docker_instance_of(home: Path) -> str:
    """The same in a Docker daemon, which several panels may use whose homes have the same path, each in a
    container of its own: so it was never made of the path."""
    return _named_once(home, "docker.instance", keep=False)


def _named_once(home: Path, name: str, *, keep: bool) -> str:
    path = home / name
    with contextlib.suppress(FileNotFoundError):
        return _named(path)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with held(home / ".instance.lock"):
        if not path.exists():
            given = hashlib.sha256(os.fsencode(home)).hexdigest()[:12] if keep else secrets.token_hex(6)
            write_atomically(path, f"{given}\n".encode())
        return _named(path)


def _named(path: Path) -> str:
    name = path.read_text().strip()
    if not _INSTANCE.fullmatch(name):
        # A new one would make strangers of all that runs.
        raise ValueError(f"{path} does not hold the installation's name")
    return name


@dataclass(frozen=True, slots=True)
class Layout:
    home: Path

    @property
    def units(self) -> Path:
        return self.home / "units"

    @property
    def deployments(self) -> Path:
        return self.home / "deployments"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def archives(self) -> Path:
        """Uploaded sources, by their ids."""
        return self.home / "archives"

    def archive(self, archive_id: str) -> Path:
        return self.archives / checked(archive_id)

    @property
    def caches(self) -> Path:
        return self.home / "cache"

    def prepare(self) -> None:
        for folder in (self.home, self.units, self.deployments, self.logs, self.caches, self.archives):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def deployment(self, deployment_id: str) -> Deployment:
        return Deployment(self, checked(deployment_id))

    def service_logs(self, service_id: str) -> Path:
        return self.logs / checked(service_id)

    def cache(self, project_id: str) -> Path:
        return self.caches / checked(project_id)

    def all_deployments(self) -> list[Deployment]:
        try:
            names = os.listdir(self.deployments)
        except FileNotFoundError:
            return []
        return [Deployment(self, name) for name in sorted(names) if _ID.fullmatch(name)]

    def locked(self, name: str) -> contextlib.AbstractContextManager[None]:
        return held(self.home / f".{name}.lock")


@dataclass(frozen=True, slots=True)
class Deployment:
    layout: Layout
    id: str

    @property
    def folder(self) -> Path:
        return self.layout.deployments / self.id

    @property
    def facts(self) -> Path:
        return self.folder / "deployment.json"

    @property
    def source(self) -> Path:
        return self.folder / "source"

    @property
    def tree(self) -> Path:
        """What the sandbox shows."""
        return self.folder / "tree"

    @property
    def app(self) -> Path:
        return self.tree / "app"

    @property
    def venv(self) -> Path:
        return self.tree / "venv"

    @property
    def home(self) -> Path:
        return self.tree / "home"

    @property
    def built(self) -> Path:
        """Exists when the build is complete; holds its facts."""
        return self.folder / "built.json"

    @property
    def has_build(self) -> bool:
        return self.built.is_file() and self.app.is_dir()


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """A lock across processes; freed by the kernel when its holder dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def read_json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def remove_tree(path: Path) -> None:
    """Delete a folder that customers' code wrote: links are not followed, locked folders are opened."""
    if path.is_symlink():
        path.unlink()
    opened = 0

    def open_up(_function: Callable[..., Any], failed: str, _error: Any) -> None:
        nonlocal opened
        for folder in (os.path.dirname(failed), failed):
            with contextlib.suppress(OSError):
                mode = os.lstat(folder).st_mode
                if stat.S_ISDIR(mode) and mode & 0o700 != 0o700:
                    os.chmod(folder, 0o700)
                    opened += 1

    while os.path.lexists(path):
        opened = 0
        if sys.version_info >= (3, 12):
            shutil.rmtree(path, onexc=open_up)
        else:
            shutil.rmtree(path, onerror=open_up)
        if not opened and os.path.lexists(path):
            raise OSError(f"cannot delete {path}")
