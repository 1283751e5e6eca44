"""The child process that fetches a source: `python -m backend.engines.fetch`.

Reads one JSON request from stdin, secrets included, and prints JSON lines: `{"line"}` for the deployment's
log, at last `{"fetched"}`, for a request without a folder `{"found"}`, or `{"error"}`. It runs apart so that
it can be killed and bounded: what a hostile server sends is parsed here and nowhere else.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import http.client
import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dulwich.object_store import DiskObjectStore
from dulwich.objects import Commit, ObjectID

from backend.engines import submodules
from backend.engines.access import Access
from backend.engines.addresses import Allowed, Remote, Resolver, check_url, system_resolver
from backend.engines.archivefetch import ArchiveFetch
from backend.engines.checkout import Checkout, Read, find_commit, find_folder
from backend.engines.errors import EngineError, Retry
from backend.engines.gitguard import Guard, too_large, unreachable
from backend.engines.gitremote import GuardedGitClient
from backend.engines.gitwants import DumbServer, Wants
from backend.engines.imagefetch import ImageFetch
from backend.engines.text import clean_line, human_size

MEMORY = 1 << 30
_PR_SET_PDEATHSIG = 1


def main() -> None:
    request = json.load(sys.stdin)
    _bound(request)
    _emit(answer(request, lambda text: _emit({"line": text})))


def _emit(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def _bound(request: dict[str, Any]) -> None:
    """Die with the worker that asked, even when that was killed; never outlive the time-out."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != request["parent"]:
        sys.exit(1)
    signal.alarm(int(request["timeout"]) + 5)
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, MEMORY),
        (resource.RLIMIT_FSIZE, request["max_bytes"] + (1 << 20)),
    ):
        _, hard = resource.getrlimit(kind)
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, limit))


def answer(
    request: dict[str, Any], say: Callable[[str], None], resolver: Resolver = system_resolver
) -> dict[str, Any]:
    """The last message for a request; a failure is an answer too."""
    try:
        source = _source(request, say, resolver)
        return {"fetched": source.fetch()} if "folder" in request else {"found": source.look()}
    except Exception as error:
        failure = _explained(error, request["max_bytes"])
    said = {"code": failure.code, "message": failure.message, "parameters": failure.parameters}
    return {"error": said | {"retry": failure.retry == Retry.BACKOFF}}


def _explained(error: Exception, max_bytes: int) -> EngineError:
    if isinstance(error, EngineError):
        return error
    if isinstance(error, MemoryError):
        return too_large(max_bytes)
    if isinstance(error, TimeoutError):
        return unreachable("The server stopped answering.", "stopped_answering")
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    if isinstance(error, OSError) and error.errno in (errno.EFBIG, errno.ENOSPC):
        return too_large(max_bytes)
    if isinstance(error, OSError | http.client.HTTPException):
        return unreachable("The connection to the server was lost.", "connection_lost")
    return unreachable("The server does not answer like a git server.", "not_git", retry=False)


def _source(
    request: dict[str, Any], say: Callable[[str], None], resolver: Resolver
) -> GitFetch | ImageFetch | ArchiveFetch:
    if request.get("kind") == "image":
        return ImageFetch(request, say, resolver)
    if request.get("kind") == "archive":
        return ArchiveFetch(request, say)
    return GitFetch(request, say, resolver)


class GitFetch:
    def __init__(self, request: dict[str, Any], say: Callable[[str], None], resolver: Resolver) -> None:
        self._request, self._say = request, say
        access = Access(**request["access"]) if request.get("access") else None
        allowed = Allowed.parse(request["allowed_private"])
        self._remote = check_url(request["url"], allowed)
        self._guard = Guard(
            source=self._remote,
            allowed=allowed,
            max_bytes=request["max_bytes"],
            access=access,
            resolver=resolver,
        )
        self._guard.check_secrecy(self._remote)

    def look(self) -> dict[str, str | None]:
        """What a fetch would bring, without bringing it."""
        wants = self._wants(self._remote, self._request.get("ref"), None)
        commit = wants.look()
        host_key = self._guard.new_host_key
        return {"commit": commit.decode() if commit else None, "kind": wants.kind, "host_key": host_key}

    def fetch(self) -> dict[str, str | None]:
        """Put the tree into `request["folder"]/tree`; the objects are gone when this returns."""
        request, root = self._request, self._request.get("root") or ""
        ref = request.get("ref")
        self._say(f"Fetching {self._remote.url}" + (f", {ref}" if ref else ""))
        wants = self._wants(self._remote, ref, request.get("commit"))
        with self._received(wants) as (commit, read):
            self._say(f"Received {human_size(self._guard.received)}")
            subject = clean_line(commit.message.split(b"\n", 1)[0])[:200]
            checkout = Checkout(Path(request["folder"]) / "tree", request["max_bytes"], self._say)
            named = checkout.write(read, find_folder(read, commit.tree, root))
            inner = self._located(read, commit, named, os.fsencode(root), self._remote)
        self._add_submodules(checkout, inner)
        checkout.finish()
        if not any((Path(request["folder"]) / "tree").iterdir()):
            message = "The repository has no files on this branch."
            raise EngineError("source_empty", message, detail="no_files")
        where = f", folder {root}" if root else ""
        self._say(f"Commit {commit.id.decode()[:10]} “{subject}”{where}, {human_size(checkout.written)}")
        host_key = self._guard.new_host_key
        return {"commit": commit.id.decode(), "subject": subject, "host_key": host_key}

    def _wants(self, remote: Remote, ref: str | None, commit: str | None) -> Wants:
        if remote.scheme != "ssh":
            return Wants(GuardedGitClient(remote.url, self._guard), ref, commit)
        from backend.engines.gitssh import GuardedSshClient

        return Wants(GuardedSshClient(remote, self._guard, self._say), ref, commit)

    @contextlib.contextmanager
    def _received(self, wants: Wants) -> Iterator[tuple[Commit, Read]]:
        """The wanted commit, and what reads its objects while the context lasts."""
        folder = os.path.join(self._request["folder"], "objects")
        objects = DiskObjectStore.init(folder)
        try:
            try:
                wanted = wants.receive(objects)
                read: Read = objects.__getitem__
            except DumbServer as server:
                wanted, read = server.wanted, server.read
            yield find_commit(read, wanted), read
        finally:
            objects.close()
            shutil.rmtree(folder, ignore_errors=True)

    def _located(
        self, read: Read, commit: Commit, named: dict[bytes, ObjectID], root: bytes, parent: Remote
    ) -> list[_Submodule]:
        """Of the submodules in the written folder `root` of a commit, those that have an address."""
        urls = submodules.addresses(read, commit.tree) if named else {}
        found = []
        for path, commit_id in named.items():
            if (url := urls.get(root + b"/" + path if root else path)) is None:
                self._say(f"{clean_line(path)} is a submodule without an address; it is left out")
                continue
            with _about_submodule(path):
                found.append(_Submodule(path, commit_id, submodules.locate(url, parent)))
        return found

    def _add_submodules(self, checkout: Checkout, waiting: list[_Submodule]) -> None:
        count = 0
        while waiting:
            one, count = waiting.pop(0), count + 1
            if count > submodules.MOST or one.depth > submodules.DEPTH:
                raise _too_many(deep=count <= submodules.MOST)
            self._say(f"Submodule {clean_line(one.path)}: fetching {one.remote.url}")
            with _about_submodule(one.path):
                check_url(one.remote.url, self._guard.allowed)
                self._guard.check_secrecy(one.remote)
                wants = self._wants(one.remote, None, one.commit.decode())
                with self._received(wants) as (commit, read):
                    named = checkout.write(read, commit.tree, one.path)
                    inner = self._located(read, commit, _below(one.path, named), b"", one.remote)
            waiting += [
                replace(deeper, path=one.path + b"/" + deeper.path, depth=one.depth + 1) for deeper in inner
            ]


@dataclass(frozen=True, slots=True)
class _Submodule:
    path: bytes
    """From the top of what is written."""
    commit: ObjectID
    remote: Remote
    depth: int = 1


def _too_many(*, deep: bool) -> EngineError:
    limit = submodules.DEPTH if deep else submodules.MOST
    message = (
        f"Submodules are nested more than {limit} deep." if deep else f"There are over {limit} submodules."
    )
    return EngineError(
        "source_submodule_failed",
        message,
        detail="submodules_deep" if deep else "submodules_many",
        limit=limit,
    )


def _below(folder: bytes, paths: dict[bytes, ObjectID]) -> dict[bytes, ObjectID]:
    return {path.removeprefix(folder + b"/"): commit for path, commit in paths.items()}


@contextlib.contextmanager
def _about_submodule(path: bytes) -> Iterator[None]:
    """Failures name the submodule that they are about, and keep their reason."""
    try:
        yield
    except EngineError as error:
        if error.code in ("source_too_large", "source_submodule_failed"):
            raise
        name = clean_line(path)[:200]
        values = {**error.parameters, "because": error.parameters.get("detail", error.code)}
        values.pop("detail", None)
        raise EngineError(
            "source_submodule_failed",
            f"The submodule {name} could not be fetched. {error.message}",
            retry=error.retry,
            **{**values, "submodule": name},
        ) from None


if __name__ == "__main__":
    main()
