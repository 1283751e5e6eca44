"""Where everything of one checkout lies: all state is below one ignored folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SOCKET_PATH_LIMIT = 107
LONGEST_SOCKET_NAME = len("engine.sock.4194304")
"""supervisord binds `<socket>.<pid>` first and renames it."""
SHORT_FOLDER = Path("/tmp")  # noqa: S108 - `make_folders` refuses what is not ours
"""Not TMPDIR, which may differ between the terminals that ask."""


@dataclass(frozen=True)
class Layout:
    root: Path
    """The checkout."""
    home: Path
    """`.gavan/`, or what GAVAN_HOME says."""

    @classmethod
    def of_checkout(cls) -> Layout:
        root = Path(__file__).resolve().parent.parent
        home = os.environ.get("GAVAN_HOME")
        return cls(root, Path(home).resolve() if home else root / ".gavan")

    @property
    def run(self) -> Path:
        """Sockets and pid files; elsewhere when the checkout's path is too long for a unix socket."""
        inside = self.home / "run"
        if len(os.fsencode(inside)) + 1 + LONGEST_SOCKET_NAME <= SOCKET_PATH_LIMIT:
            return inside
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        return SHORT_FOLDER / f"gavan-{digest}"

    @property
    def venv(self) -> Path:
        return self.home / "venv"

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def env_file(self) -> Path:
        return self.root / ".env"

    @property
    def postgres_data(self) -> Path:
        return self.home / "postgres"

    @property
    def edge(self) -> Path:
        return self.home / "edge"

    @property
    def engine(self) -> Path:
        return self.home / "engine"

    @property
    def examples(self) -> Path:
        return self.home / "examples"

    @property
    def panel_socket(self) -> Path:
        return self.run / "panel.sock"

    @property
    def engine_socket(self) -> Path:
        return self.run / "engine.sock"

    @property
    def api_socket(self) -> Path:
        return self.run / "api.sock"

    @property
    def redis_socket(self) -> Path:
        return self.run / "redis.sock"

    def make_folders(self) -> None:
        """Create every folder, closed to other users; refuses a run folder that somebody else made."""
        engine = (self.engine, self.engine / "units", self.engine / "logs")
        for folder in (self.home, self.run, self.log, self.edge, self.examples, *engine):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self.run.lstat()
        if self.run.is_symlink() or found.st_uid != os.getuid():
            raise PermissionError(f"{self.run} belongs to somebody else")
        self.run.chmod(0o700)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path`; the kernel drops it with the process, however that ends."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
