"""The server for static sites: what it serves, and what it does not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from backend.engines.sandbox import STATIC_SERVER

FILES = {
    "index.html": "<h1>top</h1>",
    "about.html": "about",
    "style.css": "a{}",
    "app.js": "1",
    "deep/index.html": "deep",
    "deep/file.bin": "x",
    "bare/file.txt": "x",
    "404.html": "lost",
    ".env": "SECRET=1",
    ".git/config": "secret",
    ".well-known/security.txt": "contact",
    "a b/ü.txt": "odd",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    root = tmp_path_factory.mktemp("site")
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    (root.parent / "outside.txt").write_text("secret")
    (root / "out.txt").symlink_to("../outside.txt")
    (root / "outdir").symlink_to("..")
    (root / "in.txt").symlink_to("bare/file.txt")
    (root / "hidden.txt").symlink_to(".env")
    os.mkfifo(root / "pipe")
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(STATIC_SERVER), root.name],
        cwd=root.parent,
        env={"PORT": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    port = process.stdout.readline().split()[-1]
    with process.stdout, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        yield client
        process.terminate()
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("path", "text", "kind"),
    [
        ("/", "<h1>top</h1>", "text/html"),
        ("/index.html?x=/../", "<h1>top</h1>", "text/html"),
        ("/about", "about", "text/html"),
        ("/style.css", "a{}", "text/css"),
        ("/app.js", "1", "text/javascript"),
        ("/deep/", "deep", "text/html"),
        ("/deep/file.bin", "x", "application/octet-stream"),
        ("/in.txt", "x", "text/plain"),
        ("/.well-known/security.txt", "contact", "text/plain"),
        ("/a%20b/%C3%BC.txt", "odd", "text/plain"),
    ],
)
def test_served(site: httpx.Client, path: str, text: str, kind: str) -> None:
    answer = site.get(path)
    assert (answer.status_code, answer.text) == (200, text)
    assert answer.headers["content-type"].startswith(kind)
    head = site.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(answer.content))


@pytest.mark.parametrize(
    "path",
    [
        "/nosuch",
        "/.env",
        "/.git/config",
        "/%2eenv",
        "/hidden.txt",
        "/out.txt",
        "/outdir/outside.txt",
        "/pipe",
        "/bare/",
        "/%00",
        "/index.html%00.txt",
        "/" + "a" * 3000,
    ],
)
def test_not_there(site: httpx.Client, path: str) -> None:
    answer = site.get(path)
    assert (answer.status_code, answer.text) == (404, "lost")


@pytest.mark.parametrize(
    "path",
    ["/../outside.txt", "/deep/../../outside.txt", "/..%2foutside.txt", "/%2e%2e/outside.txt", "/..", "x"],
)
def test_no_way_out(site: httpx.Client, path: str) -> None:
    """Sent as it is; a client would tidy the path."""
    port = site.base_url.port
    assert port
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        answer = raw.makefile("rb").read()
    assert b" 404 " in answer.split(b"\r\n", 1)[0]
    assert b"secret" not in answer


def test_folders_get_their_slash_and_lead_nowhere_else(site: httpx.Client) -> None:
    answer = site.get("/deep")
    assert (answer.status_code, answer.headers["location"]) == (308, "/deep/")
    doubled = httpx.URL(str(site.base_url), raw_path=b"//deep")
    assert site.get(doubled).headers["location"] == "/deep/"


def test_unchanged_files_are_not_sent_again(site: httpx.Client) -> None:
    tag = site.get("/style.css").headers["etag"]
    again = site.get("/style.css", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_only_reading(site: httpx.Client, method: str) -> None:
    assert site.request(method, "/", content=b"x").status_code == 405


def test_starts_fast(tmp_path: Path) -> None:
    taken = []
    for _ in range(3):
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(STATIC_SERVER), str(tmp_path)],
            env={"PORT": "0"},
            stdout=subprocess.PIPE,
        )
        assert process.stdout
        assert process.stdout.readline().startswith(b"Serving")
        taken.append(time.monotonic() - began)
        process.terminate()
        process.wait(60)
        process.stdout.close()
    # The best of them tells of the server, the others of what else the machine did.
    assert min(taken) < 5
