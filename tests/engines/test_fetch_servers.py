"""Fetching over https, from git's own server, and from servers that talk nonsense."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import shutil
import ssl
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from backend.engines.addresses import parse_remote
from backend.engines.base import Access, EngineError, Retry
from tests.engines.conftest import Panel
from tests.support.gitserver import GitServer


def source(panel: Panel, deployment_id: str) -> Path:
    return panel.apps.home / "deployments" / deployment_id / "source"


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate for 127.0.0.1, and the context that serves with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    file, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, private)
    return file, context


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
async def test_https_with_the_machines_certificates(
    panel: Panel,
    certificate: tuple[Path, ssl.SSLContext],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    file, context = certificate
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with GitServer(tls=context) as server:
        server.commit("secure", {"a": "1"})
        panel.git.commit("target", {"a": "1"})
        server.behave("downgrade", panel.git.url("target"))
        server.behave("moved", server.url("secure"))
        engine = panel.with_settings(allowed_private=(server.address, panel.git.address))

        async def fetched(url: str) -> str:
            return (await engine.fetch(panel.fetch_spec(url), panel.report)).subject

        with pytest.raises(EngineError) as untrusted:
            await fetched(server.url("secure"))
        assert (untrusted.value.code, untrusted.value.retry) == ("source_unreachable", Retry.NEVER)
        assert "not trusted" in untrusted.value.message
        monkeypatch.setenv(variable, str(file))
        assert await fetched(server.url("secure")) == "Change"
        assert await fetched(server.url("moved")) == "Change"
        with pytest.raises(EngineError) as downgraded:
            await fetched(server.url("downgrade"))
        assert downgraded.value.code == "source_forbidden"
        panel.git.behave("upgrade", server.url("secure"))
        assert await fetched(panel.git.url("upgrade")) == "Change"
        with pytest.raises(EngineError) as plain:
            await fetched(panel.git.url("target").replace("http:", "https:"))
        assert plain.value.code == "source_unreachable"


async def test_a_token_over_https(
    panel: Panel, certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shown once the server has proved who it is; not on the way from http, which anybody can read."""
    file, context = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with GitServer(tls=context) as server:
        server.commit("private", {"a": "1"})
        server.protect("private", token="tok_tls")
        panel.git.behave("upgrade", server.url("private"))
        engine = panel.with_settings(allowed_private=(server.address, panel.git.address))
        url = server.url("private")
        access = Access(parse_remote(url).origin, token="tok_tls")
        await engine.fetch(replace(panel.fetch_spec(url), access=access), panel.report)
        server.credentials.clear()
        begun = panel.git.url("upgrade")
        access = Access(parse_remote(begun).origin, token="tok_tls")
        with pytest.raises(EngineError) as caught:
            await engine.fetch(replace(panel.fetch_spec(begun), access=access), panel.report)
        assert caught.value.code == "source_auth_required"
        assert server.credentials == []
        monkeypatch.delenv("SSL_CERT_FILE")
        access = Access(parse_remote(url).origin, token="tok_tls")
        with pytest.raises(EngineError) as untrusted:
            await engine.fetch(replace(panel.fetch_spec(url), access=access), panel.report)
        assert untrusted.value.parameters["detail"] == "certificate"
        assert server.credentials == []


async def test_servers_that_talk_nonsense(panel: Panel) -> None:
    """Each begins well enough, then sends what no git server would; without end, or slowly."""
    heads = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n"

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(heads + b"001e# service=git-upload-pack\n0000")
        while True:
            writer.write(b"003f" + b"a" * 40 + b" refs/heads/aaaaaaaaaaaaaaaaaa\n")
            await writer.drain()

    async def dripping(writer: asyncio.StreamWriter) -> None:
        writer.write(heads)
        for sign in "001e# service=git-upload-pack\n" * 100:
            writer.write(sign.encode())
            await writer.drain()
            await asyncio.sleep(0.2)

    async def nonsense(writer: asyncio.StreamWriter) -> None:
        writer.write(heads + b"zzzz" + os.urandom(1000))

    async def silent(writer: asyncio.StreamWriter) -> None:
        return

    async def not_http(writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")

    for behaviour, codes in (
        (endless, {"source_too_large", "source_unreachable"}),
        (dripping, {"source_timeout"}),
        (nonsense, {"source_unreachable"}),
        (silent, {"source_unreachable"}),
        (not_http, {"source_unreachable"}),
    ):

        async def serve(
            reader: asyncio.StreamReader,
            writer: asyncio.StreamWriter,
            behaviour: Callable[[asyncio.StreamWriter], Awaitable[None]] = behaviour,
        ) -> None:
            with contextlib.suppress(ConnectionError):
                await reader.readuntil(b"\r\n\r\n")
                await behaviour(writer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        engine = panel.with_settings(
            allowed_private=(address,),
            fetch_timeout=2 if behaviour is dripping else 100,
            fetch_max_bytes=1 << 20,
        )
        with pytest.raises(EngineError) as caught:
            await engine.fetch(panel.fetch_spec(f"http://{address}/x.git"), panel.report)
        assert caught.value.code in codes, behaviour.__name__
        server.close()


BACKEND = "/usr/lib/git-core/git-http-backend"


class _GitBackend(BaseHTTPRequestHandler):
    """git's own http-backend, which speaks protocol version 2."""

    def log_message(self, format: str, *args: object) -> None: ...

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        env = {
            "PATH": os.defpath,
            "GIT_PROJECT_ROOT": str(self.server.root),  # type: ignore[attr-defined]
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        answer = subprocess.run([BACKEND], input=body, env=env, capture_output=True, check=False).stdout
        head, _, content = answer.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET


@pytest.fixture
def real_git(tmp_path: Path) -> Iterator[str]:
    if not shutil.which("git") or not os.path.exists(BACKEND):
        pytest.skip("git is not installed here")
    work = tmp_path / "work"
    work.mkdir()
    env = {
        "PATH": os.defpath,
        "HOME": str(tmp_path),
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.org",
    }

    def run(*words: str) -> None:
        subprocess.run(["git", *words], cwd=work, env=env, check=True, capture_output=True)

    run("init", "-b", "trunk")
    for number in range(3):
        (work / "file.txt").write_text(f"{number}\n" * 1000)
        run("add", ".")
        run("commit", "-m", f"Change {number}")
    run("tag", "-a", "v1", "-m", "one")
    run("clone", "--bare", ".", str(tmp_path / "real.git"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _GitBackend)
    server.root = tmp_path  # type: ignore[attr-defined]
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


async def test_git_itself_as_the_server(panel: Panel, real_git: str) -> None:
    engine = panel.with_settings(allowed_private=(real_git,))
    for ref in (None, "trunk", "v1"):
        spec = panel.fetch_spec(f"http://{real_git}/real.git", ref=ref)
        fetched = await engine.fetch(spec, panel.report)
        assert fetched.subject == "Change 2"
        assert (source(panel, spec.deployment_id) / "file.txt").read_text() == "2\n" * 1000
    old = replace(panel.fetch_spec(f"http://{real_git}/real.git"), commit=fetched.commit)
    assert await engine.fetch(old, panel.report) == fetched
