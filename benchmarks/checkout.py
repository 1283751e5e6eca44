"""A copy of this checkout with state and port of its own, brought up and down by its Makefile."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embedded import settings

ROOT = Path(__file__).resolve().parents[1]
FIRST_PORT = 18_080


class Checkout:
    def __init__(self, root: Path, **more: str) -> None:
        self.root = root
        self.port = settings.free_port("127.0.0.1", FIRST_PORT)
        # Nobody pays for what is measured.
        own = {"EDGE_PORT": str(self.port), "CREDIT_LIMIT_MINOR": "1000000000", **more}
        if others := more.get("GIT_ALLOWED_PRIVATE"):
            own["GIT_ALLOWED_PRIVATE"] = f"localhost:{self.port},{others}"
        settings.write(root / ".env", own)
        # State elsewhere and other settings are of the installation that runs the benchmark, not of this one.
        self._env = {name: value for name, value in os.environ.items() if name != "GAVAN_HOME"}

    @property
    def panel(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        return settings.read(self.root / ".env")

    def make(self, *words: str) -> str:
        """What `make` printed. Raises with its end if it failed."""
        command = ["make", "--no-print-directory", *words, f"PYTHON={sys.executable}"]
        done = subprocess.run(
            command, cwd=self.root, env=self._env, capture_output=True, text=True, timeout=600, check=False
        )
        if done.returncode != 0:
            raise RuntimeError((done.stdout + done.stderr)[-3000:])
        return done.stdout

    def status(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.make("status", "FORMAT=json"))
        return said


@contextmanager
def fresh_checkout(**more: str) -> Iterator[Checkout]:
    """As `git clone` would give it, with what is not committed yet, and `more` settings. Brought down at the
    end.
    """
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    with tempfile.TemporaryDirectory(prefix="gavan-bench-") as folder:
        root = Path(folder) / "gavan"
        for name in filter(None, listed.decode().split("\0")):
            if (ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name)
        checkout = Checkout(root, **more)
        try:
            yield checkout
        finally:
            checkout.make("down")
