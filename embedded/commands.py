"""Commands of the backend, run for `make`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from embedded.console import Failure
from embedded.layout import Layout
from embedded.logs import tail


class Backend:
    """A command of the backend in the environment of its parts, heard line by line."""

    def __init__(
        self, layout: Layout, env: dict[str, str], *module: str, python: str | Path = sys.executable
    ) -> None:
        self.name = " ".join(("python", "-m", *module))
        self.errors = (layout.log / "commands.log").open("w+")
        self.process = subprocess.Popen(
            [str(python), "-m", *module],
            cwd=layout.root,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout
        if line := self.process.stdout.readline():
            return line
        self.process.wait()
        raise self._failed()

    def finish(self) -> None:
        self.process.communicate()
        self.errors.close()
        if self.process.returncode != 0:
            raise self._failed()

    def _failed(self) -> Failure:
        said = "\n".join(f"    {line}" for line in tail(Path(self.errors.name), 15))
        return Failure(f"{self.name} failed:\n{said}", "repair it and run `make up` again")
