"""Fetching from a real git server: what works, and a clear code for everything that does not."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import shutil
import ssl
import subprocess
import time
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
from dulwich.objects import Blob, Tree

from backend.engines import fetch as child
from backend.engines import processes
from backend.engines.base import EngineError, Retry
from tests.engines.conftest import Panel
from tests.support.gitserver import EXECUTABLE, LINK, SUBMODULE, Behaviour, GitServer


async def refused(panel: Panel, url: str, **rest: str) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await panel.fetch(url, **rest)
    return caught.value


def source(panel: Panel, deployment_id: str) -> Path:
    return panel.apps.home / "deployments" / deployment_id / "source"


async def test_fetches_the_default_branch(panel: Panel) -> None:
    panel.git.commit("first", {"a.txt": "1"}, message="First")
    commit = panel.git.commit(
        "first",
        {"a.txt": "2", "deep/er/b.txt": "b", "run": (EXECUTABLE, "#!/bin/sh\n")},
        message="Second change\n\nWith details",
    )
    spec, fetched = await panel.fetch(panel.git.url("first"))
    assert (fetched.commit, fetched.subject) == (commit, "Second change")
    tree = source(panel, spec.deployment_id)
    assert (tree / "a.txt").read_text() == "2"
    assert (tree / "deep/er/b.txt").read_text() == "b"
    assert os.access(tree / "run", os.X_OK)
    assert not os.access(tree / "a.txt", os.X_OK)
    assert not (tree / ".git").exists()
    assert sorted(path.name for path in tree.parent.iterdir()) == ["deployment.json", "source"]
    assert any("Second change" in line for line in panel.lines)


async def test_a_second_call_starts_over(panel: Panel) -> None:
    panel.git.commit("again", {"old.txt": "1"})
    spec, _ = await panel.fetch(panel.git.url("again"))
    (source(panel, spec.deployment_id) / "stray").write_text("x")
    panel.git.commit("again", {"new.txt": "2"})
    await panel.engine.fetch(spec, panel.report)
    assert [path.name for path in source(panel, spec.deployment_id).iterdir()] == ["new.txt"]


async def test_branches_tags_and_pinned_commits(panel: Panel) -> None:
    old = panel.git.commit("branches", {"a": "main 1"})
    panel.git.commit("branches", {"a": "main 2"})
    panel.git.commit("branches", {"a": "feature"}, branch="feature/ünï")
    spec, _ = await panel.fetch(panel.git.url("branches"), branch="feature/ünï")
    assert (source(panel, spec.deployment_id) / "a").read_text() == "feature"
    pinned = replace(panel.fetch_spec(panel.git.url("branches")), commit=old)
    assert (await panel.engine.fetch(pinned, panel.report)).commit == old
    assert (source(panel, pinned.deployment_id) / "a").read_text() == "main 1"
    error = await refused(panel, panel.git.url("branches"), branch="nosuch")
    assert error.code == "source_branch_missing"
    assert "feature/ünï, main" in error.message
    for branch in ("", "../../etc", "a b", "-x", "\x00", "refs/heads/main", "main\n"):
        assert (
            await refused(panel, panel.git.url("branches"), branch=branch)
        ).code == "source_branch_missing"
    gone = replace(panel.fetch_spec(panel.git.url("branches")), commit="ab" * 20)
    with pytest.raises(EngineError) as caught:
        await panel.engine.fetch(gone, panel.report)
    assert caught.value.code == "source_branch_missing"


async def test_dumb_servers(panel: Panel) -> None:
    panel.git.commit("dumb", {"history.txt": "long ago"})
    commit = panel.git.commit("dumb", {"index.html": "dumb", "in/side": "x"}, message="Dumb")
    panel.git.behave("dumb", Behaviour.DUMB)
    spec, fetched = await panel.fetch(panel.git.url("dumb"))
    assert (fetched.commit, fetched.subject) == (commit, "Dumb")
    assert (source(panel, spec.deployment_id) / "in/side").read_text() == "x"
    assert (await refused(panel, panel.git.url("dumb"), branch="nosuch")).code == "source_branch_missing"


async def test_redirects_are_followed_where_allowed(panel: Panel) -> None:
    panel.git.commit("target", {"a": "1"})
    panel.git.behave("moved", panel.git.url("target"))
    _, fetched = await panel.fetch(panel.git.url("moved"))
    assert fetched.subject == "Change"
    panel.git.behave("circle", panel.git.url("circle"))
    error = await refused(panel, panel.git.url("circle"))
    assert error.code == "source_unreachable"
    assert "redirects" in error.message


async def test_redirects_to_internal_addresses_are_refused(panel: Panel) -> None:
    with GitServer() as internal:
        internal.commit("secret", {"a": "1"})
        for target in (
            internal.url("secret"),
            "http://169.254.169.254/latest",
            "file:///etc/passwd",
            f"http://u:p@{panel.git.address}/x.git",
        ):
            panel.git.behave("inward", target)
            assert (await refused(panel, panel.git.url("inward"))).code == "source_forbidden", target
        assert internal.requests == []


def test_rebinding_names_reach_nothing(tmp_path: Path) -> None:
    """The name is public when it is looked at, and this machine when it is connected to."""
    with GitServer() as internal:
        internal.commit("secret", {"a": "1"})
        answers = iter([["127.0.0.1"], ["93.184.216.34", "127.0.0.1"]])
        for _ in range(2):
            request = {
                "url": f"http://rebinding.example.org:{internal.port}/secret.git",
                "folder": str(tmp_path),
                "allowed_private": [],
                "max_bytes": 1 << 20,
            }
            answer = child.answer(request, lambda _: None, lambda *_: next(answers))
            assert answer["error"]["code"] == "source_forbidden"
        assert internal.requests == []


async def test_proxy_variables_do_not_matter(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    panel.git.commit("direct", {"a": "1"})
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    await panel.fetch(panel.git.url("direct"))


@pytest.mark.parametrize(
    ("behaviour", "code", "retry"),
    [
        (Behaviour.ASK_PASSWORD, "source_auth_required", Retry.NEVER),
        (Behaviour.FORBID, "source_auth_required", Retry.NEVER),
        (Behaviour.BREAK, "source_unreachable", Retry.BACKOFF),
        (Behaviour.WEB_PAGE, "source_not_found", Retry.NEVER),
    ],
)
async def test_servers_that_refuse(panel: Panel, behaviour: Behaviour, code: str, retry: Retry) -> None:
    name = f"refusing-{behaviour}"
    panel.git.commit(name, {"a": "1"})
    panel.git.behave(name, behaviour)
    error = await refused(panel, panel.git.url(name))
    assert (error.code, error.retry) == (code, retry)


async def test_nothing_there(panel: Panel) -> None:
    assert (await refused(panel, panel.git.url("nosuch"))).code == "source_not_found"
    panel.git.empty("empty")
    assert (await refused(panel, panel.git.url("empty"))).code == "source_empty"
    panel.git.commit("fileless", {})
    assert (await refused(panel, panel.git.url("fileless"))).code == "source_empty"
    with GitServer() as closed:
        address = closed.address
    engine = panel.with_settings(allowed_private=(address,))
    with pytest.raises(EngineError) as caught:
        await engine.fetch(panel.fetch_spec(f"http://{address}/x.git"), panel.report)
    assert (caught.value.code, caught.value.retry) == ("source_unreachable", Retry.BACKOFF)


async def test_a_hanging_server_times_out_and_nothing_is_left(panel: Panel) -> None:
    panel.git.behave("hanging", Behaviour.HANG)
    engine = panel.with_settings(fetch_timeout=1)
    spec = panel.fetch_spec(panel.git.url("hanging"))
    began = time.monotonic()
    with pytest.raises(EngineError) as caught:
        await engine.fetch(spec, panel.report)
    assert caught.value.code == "source_timeout"
    assert time.monotonic() - began < 4
    assert not list(source(panel, spec.deployment_id).parent.glob("fetching-*"))
    assert not processes.marked(lambda value: spec.deployment_id in value)


async def test_cancelling_ends_the_child(panel: Panel) -> None:
    panel.git.behave("cancelled", Behaviour.HANG)
    spec = panel.fetch_spec(panel.git.url("cancelled"))
    task = asyncio.create_task(panel.engine.fetch(spec, panel.report))
    while not processes.marked(lambda value: spec.deployment_id in value):
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not processes.marked(lambda value: spec.deployment_id in value)


async def test_too_large(panel: Panel) -> None:
    panel.git.commit("large", {f"{number}.bin": os.urandom(1 << 20) for number in range(10)})
    assert (await refused(panel, panel.git.url("large"))).code == "source_too_large"
    panel.git.behave("large", Behaviour.DUMB)
    assert (await refused(panel, panel.git.url("large"))).code == "source_too_large"
    # What is small on the way and large when unpacked.
    panel.git.commit("bomb", {f"{number}.bin": bytes(1 << 20) for number in range(2)})
    await panel.fetch(panel.git.url("bomb"))
    same = bytes(1 << 20)
    panel.git.commit("bomb", {f"{number}.bin": same for number in range(20)})
    assert (await refused(panel, panel.git.url("bomb"))).code == "source_too_large"


async def test_links_and_strange_names(panel: Panel) -> None:
    panel.git.commit(
        "links",
        {
            "good": (LINK, "deep/file"),
            "absolute": (LINK, "/etc/passwd"),
            "upward": (LINK, "../../../../etc/passwd"),
            "deep/file": "x",
            "deep/er/est/top": (LINK, "../../../zone"),
            "zone/keep": "x",
            "chained": (LINK, "deep/er/est/top/../../../etc/passwd"),
            "library": (SUBMODULE, "ab" * 20),
            "caf\udce9 \x1b[31m\n.txt": "strange",
            "-rf": "x",
            "$(touch pwned)": "x",
        },
    )
    spec, _ = await panel.fetch(panel.git.url("links"))
    tree = source(panel, spec.deployment_id)
    assert os.readlink(tree / "good") == "deep/file"
    for name in ("absolute", "upward", "chained", "library"):
        assert not os.path.lexists(tree / name), name
    assert (tree / "deep/er/est/top").is_symlink()
    assert os.path.exists(os.fsencode(tree) + b"/caf\xe9 \x1b[31m\n.txt")
    assert (tree / "$(touch pwned)").exists()
    log = "\n".join(panel.lines)
    assert log.count("leads out of the repository") == 3
    assert "library is a submodule" in log
    assert "\x1b" not in log


@pytest.mark.parametrize("name", [b".git", b".GIT", b"..", b"."])
async def test_forged_names_are_refused(panel: Panel, name: bytes) -> None:
    repo = f"forged{name.hex()}"
    panel.git.commit(repo, {"a": "1"})
    store = panel.git._repo(repo).object_store
    blob = Blob.from_string(b"[core]\n")
    inner = Tree()
    inner.add(b"config", 0o100644, blob.id)
    tree = Tree()
    tree.add(b"x", 0o100644, blob.id)
    tree._entries[name] = (0o040000, inner.id)
    tree._needs_serialization = True
    for item in (blob, inner, tree):
        store.add_object(item)
    panel.git.commit_tree(repo, tree.id)
    error = await refused(panel, panel.git.url(repo))
    assert error.code == "source_unreachable"
    assert "damaged" in error.message


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
            fetch_timeout=2 if behaviour is dripping else 20,
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
    for branch in (None, "trunk", "v1"):
        spec = panel.fetch_spec(f"http://{real_git}/real.git", branch=branch)
        fetched = await engine.fetch(spec, panel.report)
        assert fetched.subject == "Change 2"
        assert (source(panel, spec.deployment_id) / "file.txt").read_text() == "2\n" * 1000
    old = replace(panel.fetch_spec(f"http://{real_git}/real.git"), commit=fetched.commit)
    assert await engine.fetch(old, panel.report) == fetched
