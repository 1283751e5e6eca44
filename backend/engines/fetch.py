"""The child process that fetches a git source: `python -m backend.engines.fetch`.

Reads one JSON request from stdin and prints JSON lines: `{"line"}` for the deployment's log, at
last `{"fetched": {"commit", "subject"}}` or `{"error": {"code", "message", "parameters", "retry"}}`. It
runs apart so that it can be killed and bounded: what a hostile server sends is parsed here and nowhere else.
"""

from __future__ import annotations

import ctypes
import errno
import http.client
import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.engines.addresses import Allowed, Resolver, check_url, system_resolver
from backend.engines.errors import EngineError, Retry

if TYPE_CHECKING:
    from dulwich.objects import ObjectID, ShaFile

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
    from backend.engines.gitremote import too_large, unreachable

    try:
        return {"fetched": fetch(request, say, resolver)}
    except EngineError as error:
        failure = error
    except MemoryError:
        failure = too_large(request["max_bytes"])
    except TimeoutError:
        failure = unreachable("The server stopped answering.", "stopped_answering")
    except (OSError, http.client.HTTPException) as error:
        failure = unreachable("The connection to the server was lost.", "connection_lost")
        if isinstance(error, OSError) and error.errno in (errno.EFBIG, errno.ENOSPC):
            failure = too_large(request["max_bytes"])
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    except Exception as error:
        failure = unreachable("The server does not answer like a git server.", "not_git", retry=False)
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    said = {"code": failure.code, "message": failure.message, "parameters": failure.parameters}
    return {"error": said | {"retry": failure.retry == Retry.BACKOFF}}


def fetch(request: dict[str, Any], say: Callable[[str], None], resolver: Resolver) -> dict[str, str]:
    """Put the tree into `request["folder"]/tree`; the objects are gone when this returns."""
    from dulwich.object_store import DiskObjectStore

    from backend.engines.checkout import find_commit, write_tree
    from backend.engines.gitremote import GuardedGitClient
    from backend.engines.gitwants import DumbServer, Wants
    from backend.engines.text import clean_line, human_size

    url, folder = request["url"], Path(request["folder"])
    allowed = Allowed.parse(request["allowed_private"])
    check_url(url, allowed)
    client = GuardedGitClient(url, max_bytes=request["max_bytes"], allowed=allowed, resolver=resolver)
    wants = Wants(client, request.get("branch"), request.get("commit"))
    say(f"Fetching {url}" + (f", branch {wants.branch}" if wants.branch else ""))
    objects = DiskObjectStore.init(os.fspath(folder / "objects"))
    try:
        try:
            wanted = wants.receive(objects)
            read: Callable[[ObjectID], ShaFile] = objects.__getitem__
        except DumbServer as server:
            wanted, read = server.wanted, server.read
        commit = find_commit(read, wanted)
        say(f"Received {human_size(client.received)}")
        subject = clean_line(commit.message.split(b"\n", 1)[0])[:200]
        size = write_tree(read, commit.tree, folder / "tree", request["max_bytes"], say)
        if not any((folder / "tree").iterdir()):
            message = "The repository has no files on this branch."
            raise EngineError("source_empty", message, detail="no_files")
        say(f"Commit {commit.id.decode()[:10]} “{subject}”, {human_size(size)}")
        return {"commit": commit.id.decode(), "subject": subject}
    finally:
        objects.close()
        shutil.rmtree(folder / "objects", ignore_errors=True)


if __name__ == "__main__":
    main()
