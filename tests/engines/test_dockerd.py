"""A Docker daemon that is killed: what ran runs again, what was stopped stays so, and no line is lost.

The daemon is the test's own, in namespaces where there is nothing but loopback, which needs root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.conftest import ROOT
from tests.support.dockerhost import docker_host

ALONE = ("unshare", "--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc", "--")
"""What is started there ends, and what is mounted there goes, with the namespaces."""
IMAGE = "python:3.12-slim"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Path]:
    """The base image, from the daemon that has it."""
    if os.getuid() != 0 or not shutil.which("dockerd") or not shutil.which("unshare"):
        pytest.skip("a daemon of one's own needs root, dockerd and unshare")
    path = tmp_path / "image.tar"
    env = {**os.environ, "DOCKER_HOST": docker_host()}
    subprocess.run(["docker", "save", "--output", str(path), IMAGE], env=env, check=True)
    yield path
    path.unlink()


def test_a_killed_daemon_loses_nothing(archive: Path) -> None:
    alone("tests.engines.daemonlife", archive)


def alone(story: str, archive: Path) -> str:
    """Have it told inside the namespaces; what it said."""
    # Short, for a unix socket's path is; and not a tmpfs, on which Docker has no layers.
    folder = Path(tempfile.mkdtemp(prefix="dockerd-", dir="/var/tmp"))
    folder.chmod(0o711)
    # An init takes care of what the killed daemon leaves.
    told = f"{sys.executable} -m {story} {folder} {archive}"
    try:
        done = subprocess.run(
            [*ALONE, "sh", "-c", f"ip link set lo up && exec docker-init -- {told}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        log = (folder / "dockerd.log").read_text()[-3000:]
        assert done.returncode == 0, done.stdout + done.stderr + log
        return done.stdout
    finally:
        shutil.rmtree(folder, ignore_errors=True)
