"""Prepare the Python environment of this checkout, then run a module in it.

    python -m embedded.bootstrap [--dev] MODULE [ARGUMENT …]

Only the standard library is used. The lock files decide what is installed, with their hashes checked; where
from is left to the pip and uv settings of the machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from embedded.console import Failure, step
from embedded.layout import Layout, locked

BEGAN = "GAVAN_BEGAN"
"""When this was started, by the clock that all processes share: `make up` says how long it took."""
LOCKS = {"main": "requirements.txt", "dev": "requirements-dev.txt"}


def pinned(lock: str, package: str) -> str:
    """The entry of `package` in a lock file, with its hashes, as a requirements file of its own."""
    found = re.search(rf"^{re.escape(package)}==(?:.*\\\n)*.*$", lock, re.MULTILINE)
    if found is None:
        raise Failure(f"{package} is not in the lock file")
    return found.group() + "\n"


class Environment:
    """The virtual environment of one checkout, stamped with what was installed into it."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.python = layout.venv / "bin" / "python"
        self.uv = layout.venv / "bin" / "uv"
        self.stamp_file = layout.venv / "gavan.json"

    def _wanted(self, kind: str) -> str:
        lock = (self.layout.root / LOCKS[kind]).read_bytes()
        return hashlib.sha256(lock).hexdigest()

    def _stamp(self) -> dict[str, str]:
        try:
            stamp = json.loads(self.stamp_file.read_text())
        except (OSError, ValueError):
            return {}
        return stamp if isinstance(stamp, dict) else {}

    def ready(self, kind: str) -> bool:
        stamp = self._stamp()
        return (
            stamp.get("python") == python_version()
            and stamp.get(kind) == self._wanted(kind)
            and os.access(self.python, os.X_OK)
        )

    def ensure(self, kind: str) -> None:
        """Make the environment hold what the lock of `kind` (main or dev) says; two callers take turns."""
        if self.ready(kind):
            return
        with locked(self.layout.home / "bootstrap.lock"):
            if self.ready(kind):
                return
            with step(f"Python {python_version()} environment from {LOCKS[kind]}"):
                self._create()
                self._install(kind)
                kept = self._stamp() if kind == "main" else {"main": self._wanted("main")}
                self.stamp_file.write_text(
                    json.dumps({**kept, "python": python_version(), kind: self._wanted(kind)})
                )

    def _create(self) -> None:
        if self.python.exists() and version_of(self.python) == python_version():
            return
        if self.layout.panel_socket.exists():
            # The running parts would lose their libraries under their feet.
            run([sys.executable, "-m", "embedded.cli", "down"])
        shutil.rmtree(self.layout.venv, ignore_errors=True)
        made = run([sys.executable, "-m", "venv", "--without-pip", str(self.layout.venv)])
        if made.returncode != 0:
            raise Failure(
                f"python -m venv failed:\n{made.stderr}", "install the system's python3-venv package"
            )

    def _install(self, kind: str) -> None:
        self._install_uv()
        installed = run(
            [
                str(self.uv),
                "pip",
                "install",
                "--quiet",
                "--python",
                str(self.python),
                "--require-hashes",
                "-r",
                str(self.layout.root / LOCKS[kind]),
            ]
        )
        if installed.returncode != 0:
            raise Failure(
                f"uv could not install the packages:\n{installed.stderr}",
                "check the network and the machine's UV_* / PIP_* settings, then run it again",
            )

    def _install_uv(self) -> None:
        """Debian leaves out ensurepip and others leave out pip, so whichever of them is there installs uv."""
        if self.uv.exists():
            return
        wanted = self.layout.home / "uv.txt"
        wanted.write_text(pinned((self.layout.root / LOCKS["main"]).read_text(), "uv"))
        options = ["--quiet", "--no-deps", "--require-hashes", "-r", str(wanted)]
        python = str(self.python)
        with_uv = ["pip", "install", "--python", python, *options]
        ways = [
            [[sys.executable, "-m", "uv", *with_uv]],
            [[sys.executable, "-m", "pip", "--python", python, "install", *options]],
            [[python, "-m", "ensurepip"], [python, "-m", "pip", "install", *options]],
        ]
        if found := shutil.which("uv"):
            ways.append([[found, *with_uv]])
        errors = []
        for way in ways:
            for command in way:
                done = run(command)
                if done.returncode != 0:
                    errors.append(f"$ {' '.join(command)}\n{done.stderr.strip()}")
                    break
            if self.uv.exists():
                wanted.unlink()
                return
        raise Failure(
            "no way to install uv worked:\n" + "\n".join(errors),
            "install pip (Debian: apt install python3-pip python3-venv) or uv, and check the network",
        )


def python_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def version_of(python: Path) -> str:
    done = run([str(python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
    return done.stdout.strip()


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def main(arguments: list[str]) -> None:
    os.environ.setdefault(BEGAN, str(time.monotonic()))
    # Images of containers are kept small by it; here every start of every part would compile all of it anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    kind = "main"
    if arguments[:1] == ["--dev"]:
        kind, arguments = "dev", arguments[1:]
    environment = Environment(Layout.of_checkout())
    try:
        environment.ensure(kind)
    except Failure as failure:
        sys.exit(failure.report())
    os.execv(environment.python, [str(environment.python), "-m", *arguments])  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
