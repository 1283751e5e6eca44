"""The way to the Docker daemon: docker-py is synchronous, so its calls run in threads."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import requests
import urllib3
from docker import APIClient
from docker.errors import APIError, DockerException
from docker.utils import kwargs_from_env

from backend.engines.base import EngineError, Retry
from backend.engines.docker.registrylogin import RegistryLogin

T = TypeVar("T")

CALLS_AT_ONCE = 32
CALL_TIMEOUT = 60
"""Seconds without a byte from the daemon after which a call is given up."""

AWAY = "docker_away"
"""The detail of errors of a daemon that does not answer at all."""
_AWAY_ERRORS = (
    DockerException,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
)
"""Other errors of the system are of files on this machine, which a call may use too."""
_CONFLICTS = ("update out of sequence", "in use by", "name conflicts")
"""What the daemon says with other statuses than 409, some with 500."""


class NotFound(EngineError):
    """The daemon has no such object: to most callers no error, but the end of their work."""


class Conflict(EngineError):
    """The object exists already, was changed meanwhile, or is in use."""


class NotASwarm(EngineError):
    """The daemon is in no swarm, or has not found its way back into it."""


class Daemon:
    """One daemon. Safe to use from several tasks, threads and event loops at once.

    Calls that wait, for a lock or for much work, have their own threads: of a second `Daemon`, or of
    `call_long`. Behind them nobody who watches a build or answers a visitor shall wait.
    """

    def __init__(self, host: str, threads: int = CALLS_AT_ONCE, login: RegistryLogin | None = None) -> None:
        """With a login, services that are made of the registry's images tell it to the nodes."""
        self.host, self._login = host, login
        self._local = threading.local()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="docker")

    async def call(self, function: Callable[[APIClient], T]) -> T:
        """Run `function` with a client of its own in a thread, and say what went wrong as an EngineError.

        `NotFound` and `Conflict` can be told from the rest; `engine_unavailable` may be tried again. A
        cancelled caller goes on at once, while the thread ends its call: keep calls short, or close
        what they stream from.
        """
        return await asyncio.wrap_future(self._threads.submit(self._run, function))

    async def call_long(self, function: Callable[[APIClient], T]) -> T:
        """The same in a thread that is made for it: for what takes as long as a build does."""
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(self._run(function))
            except BaseException as error:
                done.set_exception(error)
            finally:
                self._drop_client()

        # Its caller may give it up: what then ends here is told to nobody.
        done.set_running_or_notify_cancel()
        threading.Thread(target=run, name="docker-long", daemon=True).start()
        return await asyncio.wrap_future(done)

    async def find(self, function: Callable[[APIClient], T]) -> T | None:
        """The same, with None for what does not exist."""
        try:
            return await self.call(function)
        except NotFound:
            return None

    def connect(self) -> APIClient:
        """A client of the caller's own, as for a thread that follows a stream; close it."""
        # DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, as every client of Docker takes them.
        secured = kwargs_from_env().get("tls") if self.host.startswith("tcp:") else None
        client = APIClient(self.host, version="auto", timeout=CALL_TIMEOUT, tls=secured or False)
        if self._login is not None and self._login.user:
            client._auth_configs.add_auth(self._login.host, self._login.credentials())
        return client

    def _run(self, function: Callable[[APIClient], T]) -> T:
        try:
            return function(self._client())
        except APIError as error:
            raise _refused(error) from error
        except _AWAY_ERRORS as error:
            self._drop_client()
            raise _away() from error

    def _client(self) -> APIClient:
        client: APIClient | None = getattr(self._local, "client", None)
        if client is None:
            try:
                client = self._local.client = self.connect()
            except OSError as error:
                raise _away() from error
        return client

    def _drop_client(self) -> None:
        client: APIClient | None = self._local.__dict__.pop("client", None)
        if client is not None:
            with contextlib.suppress(OSError, DockerException):
                client.close()


def _away() -> EngineError:
    return unavailable("Docker does not answer", detail=AWAY)


def unavailable(what: str, *, detail: str) -> EngineError:
    message = f"{what}; this is tried again by itself."
    return EngineError("engine_unavailable", message, retry=Retry.BACKOFF, detail=detail)


def _refused(error: APIError) -> EngineError:
    status = error.status_code or 500
    words = str(error.explanation or error)[:500]
    kind, detail = EngineError, "docker_refused"
    if status == 404:
        # Never `release_missing`: it may be a network or a node that is not there just now.
        kind, detail = NotFound, "docker_missing"
    elif status == 503 and "swarm" in words:
        kind = NotASwarm
    elif status == 409 or any(sign in words for sign in _CONFLICTS):
        kind = Conflict
    message = f"Docker refused: {words}"
    return kind("engine_unavailable", message, retry=Retry.BACKOFF, detail=detail, output=words)
