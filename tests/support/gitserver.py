"""A real git server on loopback: smart and dumb HTTP by dulwich, and the ways in which servers misbehave.

with GitServer() as server:
    server.commit("app", {"index.html": "hello"})
    server.url("app")                       # http://127.0.0.1:<port>/app.git
    server.behave("app", Behaviour.ASK_PASSWORD)
    server.protect("app", token="s3cret")   # any username, or the one that is given
"""

from __future__ import annotations

import base64
import enum
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from dulwich.objects import Blob, Commit, ObjectID, Tag, Tree
from dulwich.refs import Ref
from dulwich.repo import MemoryRepo
from dulwich.server import DictBackend
from dulwich.web import make_wsgi_chain

LINK = 0o120000
EXECUTABLE = 0o100755
SUBMODULE = 0o160000

Content = str | bytes | tuple[int, str | bytes]
"""A file's content, or (mode, content): LINK with its target, EXECUTABLE, SUBMODULE with a commit id."""


class Behaviour(enum.StrEnum):
    ASK_PASSWORD = "ask_password"
    FORBID = "forbid"
    HANG = "hang"
    BREAK = "break"
    WEB_PAGE = "web_page"
    DUMB = "dumb"


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None: ...


class GitServer:
    """`requests` records (method, path, host header) of all that was asked, `credentials` (path, header)."""

    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self._repos: dict[str, MemoryRepo] = {}
        self._behaviours: dict[str, Behaviour | str] = {}
        self._server = _Server((host, 0), _Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._scheme = "http" if tls is None else "https"
        self.host, self.port = host, int(self._server.server_address[1])
        self.requests: list[tuple[str, str, str]] = []
        self.credentials: list[tuple[str, str]] = []
        self._protected: dict[str, tuple[str | None, str]] = {}
        self._server.set_app(self._application)
        self._closing = threading.Event()
        self._smart: Any = None
        self._dumb: Any = None
        self._publish()

    def __enter__(self) -> GitServer:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def url(self, name: str) -> str:
        return f"{self._scheme}://{self.address}/{name}.git"

    def empty(self, name: str) -> None:
        self._repo(name)

    def commit(
        self, name: str, files: Mapping[str, Content], *, branch: str = "main", message: str = "Change"
    ) -> str:
        """A commit with exactly these files on a branch; the id. `HEAD` is the first branch committed to."""
        return self.commit_tree(name, self.write_tree(name, files), branch=branch, message=message)

    def commit_tree(
        self, name: str, tree_id: ObjectID, *, branch: str = "main", message: str = "Change"
    ) -> str:
        repo = self._repo(name)
        ref = Ref(b"refs/heads/" + branch.encode())
        commit = Commit()
        commit.tree = tree_id
        commit.author = commit.committer = b"A Customer <customer@example.org>"
        commit.author_time = commit.commit_time = int(time.time())
        commit.author_timezone = commit.commit_timezone = 0
        commit.message = message.encode()
        commit.parents = [repo.refs[ref]] if ref in repo.refs else []
        repo.object_store.add_object(commit)
        if not repo.refs.allkeys() - {Ref(b"HEAD")}:
            repo.refs.set_symbolic_ref(Ref(b"HEAD"), ref)
        repo.refs[ref] = commit.id
        return commit.id.decode()

    def write_tree(self, name: str, files: Mapping[str, Content]) -> ObjectID:
        store = self._repo(name).object_store
        folders: dict[str, dict[str, Content]] = {}
        tree = Tree()
        for path, content in files.items():
            first, slash, rest = path.partition("/")
            if slash:
                folders.setdefault(first, {})[rest] = content
                continue
            mode, data = content if isinstance(content, tuple) else (0o100644, content)
            raw = data.encode() if isinstance(data, str) else data
            if mode == SUBMODULE:
                tree.add(path.encode("utf-8", "surrogateescape"), mode, ObjectID(raw))
                continue
            blob = Blob.from_string(raw)
            store.add_object(blob)
            tree.add(path.encode("utf-8", "surrogateescape"), mode, blob.id)
        for folder, inner in folders.items():
            tree.add(folder.encode(), 0o040000, self.write_tree(name, inner))
        store.add_object(tree)
        return tree.id

    def behave(self, name: str, behaviour: Behaviour | str | None) -> None:
        """A `Behaviour`, the address to redirect to, or None to be good again."""
        if behaviour is None:
            self._behaviours.pop(name, None)
        else:
            self._behaviours[name] = behaviour

    def protect(self, name: str, *, token: str, username: str | None = None) -> None:
        """Let in by Basic authentication only."""
        self._protected[name] = (username, token)

    def tag(self, name: str, tag: str, commit: str, *, message: str | None = None) -> str:
        """A tag on a commit; annotated if it has a message. The id that the tag's ref names."""
        repo, target = self._repo(name), ObjectID(commit.encode())
        if message is not None:
            made = Tag()
            made.name, made.message = tag.encode(), message.encode()
            made.tagger, made.tag_time, made.tag_timezone = b"A Customer <customer@example.org>", 0, 0
            made.object = (Commit, target)
            repo.object_store.add_object(made)
            target = made.id
        repo.refs[Ref(b"refs/tags/" + tag.encode())] = target
        return target.decode()

    def _admits(self, name: str, header: str) -> bool:
        username, token = self._protected.get(name, (None, ""))
        if name not in self._protected:
            return True
        kind, _, encoded = header.partition(" ")
        if kind != "Basic":
            return False
        given, _, password = base64.b64decode(encoded).decode().partition(":")
        return password == token and given != "" and (username is None or username == given)

    def backend(self) -> DictBackend:
        # MemoryRepo is served well, though its stubs do not say that it may be.
        served: dict[str, Any] = {f"/{name}.git": repo for name, repo in self._repos.items()}
        return DictBackend(served)

    def _repo(self, name: str) -> MemoryRepo:
        if name not in self._repos:
            self._repos[name] = MemoryRepo.init_bare([], {})
            self._publish()
        return self._repos[name]

    def _publish(self) -> None:
        backend = self.backend()
        self._smart, self._dumb = make_wsgi_chain(backend), make_wsgi_chain(backend, dumb=True)

    def _application(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.requests.append((environ["REQUEST_METHOD"], path, environ.get("HTTP_HOST", "")))
        name = path.strip("/").partition(".git")[0]
        behaviour = self._behaviours.get(name)
        header = environ.get("HTTP_AUTHORIZATION", "")
        if header:
            self.credentials.append((path, header))
        if not self._admits(name, header):
            return _answer(start, "401 Unauthorized", ("WWW-Authenticate", 'Basic realm="git"'))
        match behaviour:
            case Behaviour.ASK_PASSWORD:
                return _answer(start, "401 Unauthorized", ("WWW-Authenticate", 'Basic realm="git"'))
            case Behaviour.FORBID:
                return _answer(start, "403 Forbidden")
            case Behaviour.BREAK:
                return _answer(start, "503 Service Unavailable")
            case Behaviour.WEB_PAGE:
                return _answer(start, "200 OK", ("Content-Type", "text/html; charset=utf-8"))
            case Behaviour.HANG:
                self._closing.wait(60)
                return _answer(start, "200 OK")
            case Behaviour.DUMB:
                return self._dumb_answer(environ, start)
            case str():
                rest = path.partition(".git")[2]
                query = f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else ""
                return _answer(start, "302 Found", ("Location", f"{behaviour}{rest}{query}"))
        answer: Iterable[bytes] = self._smart(environ, start)
        return answer

    def _dumb_answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        environ["QUERY_STRING"] = ""
        answer: Iterable[bytes] = self._dumb(environ, start)
        return answer


def _answer(start: Callable[..., Any], status: str, *headers: tuple[str, str]) -> Iterable[bytes]:
    start(status, [*headers, ("Content-Length", "2")])
    return [b"\r\n"]
