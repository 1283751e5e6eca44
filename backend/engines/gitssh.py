"""git over ssh by dulwich and paramiko, on guarded connections: vetted, counted, to a known server only."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO, Any

import paramiko
from dulwich.client import FetchPackResult, TraditionalGitClient
from dulwich.errors import GitProtocolError
from dulwich.protocol import Protocol

from backend.engines.access import Access
from backend.engines.addresses import Remote, connect
from backend.engines.errors import EngineError
from backend.engines.gitguard import Guard, unreachable
from backend.engines.guardedhttp import SOCKET_TIMEOUT
from backend.engines.knownhosts import fingerprint, vouch
from backend.engines.text import clean_line

WINDOW = 16 * 2**20
"""Bytes under way at once; with ssh's usual two a distant server would be slow."""


class GuardedSshClient(TraditionalGitClient):
    dumb = False

    def __init__(self, remote: Remote, guard: Guard, say: Callable[[str], None]) -> None:
        super().__init__(quiet=True)
        self._remote, self._guard, self._say = remote, guard, say
        self._heard = False

    def fetch_pack(self, path: str | bytes, *rest: Any, **more: Any) -> FetchPackResult:
        try:
            return super().fetch_pack(path, *rest, **more)
        except GitProtocolError as error:
            if self._heard:
                raise
            raise self._turned_away(clean_line(str(error).encode("utf-8", "replace"))[:300]) from None

    def _connect(
        self, cmd: bytes, path: str | bytes, protocol_version: int | None = None
    ) -> tuple[Protocol, Callable[[], bool], IO[bytes] | None]:
        transport = self._transport()
        folder = self._remote.path
        folder = folder[1:] if folder.startswith("/~") else folder
        try:
            channel = transport.open_session(timeout=SOCKET_TIMEOUT)
            channel.settimeout(SOCKET_TIMEOUT)
            channel.exec_command("git-" + cmd.decode() + " '" + folder.replace("'", "'\\''") + "'")
        except (paramiko.SSHException, EOFError):
            transport.close()
            raise unreachable("The connection to the server was lost.", "connection_lost") from None
        incoming = channel.makefile("rb")

        def read(size: int) -> bytes:
            piece: bytes = incoming.read(size)
            self._heard = self._heard or bool(piece)
            return self._guard.count(piece)

        protocol = Protocol(
            read, channel.sendall, close=transport.close, shutdown_write=channel.shutdown_write
        )
        return protocol, channel.recv_ready, channel.makefile_stderr("rb")

    def _transport(self) -> paramiko.Transport:
        remote, guard = self._remote, self._guard
        if (owner := guard.withheld_from(remote)) is not None:
            raise EngineError(
                "source_auth_required",
                f"{remote.host} is asked over ssh, but the deploy key is shown for repositories of {owner} "
                "only.",
                detail="key_withheld",
                host=remote.host,
                owner=owner,
            )
        access = guard.access_to(remote)
        if access is None or not access.private_key:
            raise EngineError(
                "source_auth_required",
                f"{remote.host} is asked over ssh, but there is no deploy key for it.",
                detail="key_missing",
                host=remote.host,
            )
        wire = connect(remote.host, remote.port, SOCKET_TIMEOUT, guard.allowed, guard.resolver)
        try:
            transport = paramiko.Transport(wire, default_window_size=WINDOW)
        except paramiko.SSHException:
            wire.close()
            raise self._no_ssh() from None
        try:
            self._introduce(transport, access)
        except BaseException:
            transport.close()
            raise
        return transport

    def _introduce(self, transport: paramiko.Transport, access: Access) -> None:
        remote = self._remote
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = SOCKET_TIMEOUT
        options = transport.get_security_options()
        pinned = access.host_key or self._guard.new_host_key or ""
        known = pinned.partition(" ")[0]
        # A server has keys of several kinds: it has to show the one that is known, where one is.
        options.key_types = sorted(options.key_types, key=lambda kind: not _is_of(kind, known))
        try:
            transport.start_client(timeout=SOCKET_TIMEOUT)
        except (paramiko.SSHException, EOFError):
            raise self._no_ssh() from None
        shown = transport.get_remote_server_key()
        mark = fingerprint(shown.asbytes())
        if (pin := vouch(remote.host, shown.get_name(), mark, pinned)) is not None:
            self._guard.new_host_key = pin
            self._say(f"First visit to {remote.host}: its key is {mark}, no other is accepted from now on")
        key = paramiko.Ed25519Key(file_obj=io.StringIO(access.private_key))
        try:
            transport.auth_publickey(remote.user, key)
        except paramiko.AuthenticationException:
            mark = fingerprint(key.asbytes())
            raise EngineError(
                "source_auth_failed",
                f"{remote.host} does not accept the deploy key {mark}. Add its public half to the "
                "repository's deploy keys there.",
                detail="key_refused",
                host=remote.host,
                fingerprint=mark,
            ) from None
        except (paramiko.SSHException, EOFError):
            raise self._no_ssh() from None

    def _no_ssh(self) -> EngineError:
        host = self._remote.host
        return unreachable(f"{host} does not answer like an ssh server.", "not_ssh", host=host)

    def _turned_away(self, said: str) -> EngineError:
        """The server hung up before it named a branch: what it printed is all it says about why."""
        host = self._remote.host
        return EngineError(
            "source_not_found", f"{host} answers: {said}", detail="host_says", host=host, said=said
        )


def _is_of(algorithm: str, key_type: str) -> bool:
    """Whether a server proves with this algorithm that it has a key of that type."""
    return algorithm == key_type or (key_type == "ssh-rsa" and algorithm.startswith("rsa-sha2-"))
