"""Debian's `docker-registry` on loopback, with a login that everything needs or none; skipped where it is
missing.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.ports import edge_port

USER, PASSWORD = "ada", "correct horse"


@contextmanager
def docker_registry(folder: Path, *, host: str = "", login: bool = True) -> Iterator[str]:
    """Its host, as it stands in an image's name."""
    missing = [name for name in ("docker-registry", "htpasswd") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"images as sources are not tested: {' and '.join(missing)} missing")
    logins = folder / "htpasswd"
    made = subprocess.run(["htpasswd", "-nbB", USER, PASSWORD], check=True, capture_output=True)
    logins.write_bytes(made.stdout)
    host = host or f"127.0.0.1:{edge_port()}"
    auth = f"auth: {{htpasswd: {{realm: test, path: {logins}}}}}\n" if login else ""
    (folder / "registry.yml").write_text(
        "version: 0.1\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/images}}}}\n"
        f"http: {{addr: {host}}}\n{auth}"
    )
    with open(folder / "registry.log", "wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "registry.yml")], stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 60
        while not _answers(host):
            assert process.poll() is None, (folder / "registry.log").read_text()
            assert time.monotonic() < deadline, (folder / "registry.log").read_text()
            time.sleep(0.05)
        yield host
    finally:
        process.terminate()
        process.wait(20)


def _answers(host: str) -> bool:
    try:
        return httpx.get(f"http://{host}/v2/", trust_env=False).status_code in (200, 401)
    except httpx.HTTPError:
        return False
