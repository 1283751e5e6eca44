"""For what is measured on containers: a daemon for tests, and a registry with one image."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from docker import APIClient
from docker.errors import DockerException, ImageNotFound

from benchmarks.report import Unable

BASE = "python:3.12-slim"
ANSWER = b"at last"
PORT = 8080
APP = f"""\
import http.server


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "{len(ANSWER)}")
        self.end_headers()
        self.wfile.write({ANSWER!r})


http.server.ThreadingHTTPServer(("0.0.0.0", {PORT}), Page).serve_forever()
"""
FILES = {
    "app.py": APP,
    "Dockerfile": f'FROM {BASE}\nCOPY app.py /\nEXPOSE {PORT}\nCMD ["python3", "/app.py"]\n',
}


@dataclass(frozen=True)
class Harbour:
    client: APIClient
    host: str
    """Of the daemon."""
    registry: str
    image: str

    def settings(self) -> dict[str, str]:
        """Of an installation that deploys from here."""
        return {
            "ENGINE": "docker",
            "DOCKER_HOST": self.host,
            "DOCKER_SWARM_ADDRESS": "127.0.0.1",
            "NODE_FIREWALL": "off",
            "GIT_ALLOWED_PRIVATE": self.registry,
        }


@contextmanager
def harbour(folder: Path) -> Iterator[Harbour]:
    host = os.environ.get("GAVAN_TEST_DOCKER_HOST", "")
    if not host:
        raise Unable("GAVAN_TEST_DOCKER_HOST names no Docker daemon for tests")
    if shutil.which("docker-registry") is None:
        raise Unable("docker-registry is not installed")
    try:
        client = APIClient(host, version="auto", timeout=120)
        client.inspect_image(BASE)
    except ImageNotFound as error:
        raise Unable(f"the daemon has no image {BASE}") from error
    except (DockerException, OSError) as error:
        raise Unable("no Docker daemon answers") from error
    with ExitStack() as stack:
        registry = f"127.0.0.1:{free_port()}"
        stack.enter_context(_registry(folder, registry))
        image = f"{registry}/bench/app:1"
        said = list(client.build(fileobj=_context(), custom_context=True, tag=image, rm=True, decode=True))
        stack.callback(client.remove_image, image, force=True)
        if any("error" in line for line in said):
            raise RuntimeError(said[-1])
        client.push(image)
        yield Harbour(client, host, registry, image)


def _context() -> io.BytesIO:
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name, content in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content.encode()))
    context.seek(0)
    return context


@contextmanager
def _registry(folder: Path, host: str) -> Iterator[None]:
    (folder / "registry.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/images}}}}\nhttp: {{addr: {host}}}\n"
    )
    command = ["docker-registry", "serve", str(folder / "registry.yml")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until_listens(int(host.rpartition(":")[2]))
        yield
    finally:
        process.terminate()
        process.wait()


def until_listens(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nobody listens on port {port}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
