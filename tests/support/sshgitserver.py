"""A real ssh server on loopback that serves the repositories of a `GitServer`, to those with a known key.

with GitServer() as git, SshGitServer(git) as ssh:
    git.commit("app", {"index.html": "hello"})
    ssh.allow("app", public_key)
    ssh.url("app")                       # ssh://git@127.0.0.1:<port>/app.git
    ssh.renew_host_key()
"""

from __future__ import annotations

import io
import shlex
import socket
import threading

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dulwich.errors import GitProtocolError
from dulwich.protocol import Protocol
from dulwich.server import UploadPackHandler

from backend.engines.knownhosts import fingerprint
from tests.support.gitserver import GitServer


class KeyPair:
    """`private` in the form that a deploy key has at rest, `public` in that of `authorized_keys`."""

    def __init__(self) -> None:
        made = Ed25519PrivateKey.generate()
        self.private = made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
        self.key = paramiko.Ed25519Key(file_obj=io.StringIO(self.private))
        self.public = f"{self.key.get_name()} {self.key.get_base64()}"
        self.fingerprint = fingerprint(self.key.asbytes())


class SshGitServer:
    """`commands` records what was run, `users` who came with an accepted key."""

    def __init__(self, git: GitServer, host: str = "127.0.0.1") -> None:
        self._git, self.host = git, host
        self._listener = socket.create_server((host, 0))
        self.port = int(self._listener.getsockname()[1])
        self._host_key = KeyPair()
        self._allowed: dict[str, set[bytes]] = {}
        self._wires: list[paramiko.Transport] = []
        self.commands: list[str] = []
        self.users: list[str] = []

    def __enter__(self) -> SshGitServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for wire in self._wires:
            wire.close()

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def fingerprint(self) -> str:
        return self._host_key.fingerprint

    def url(self, name: str) -> str:
        return f"ssh://git@{self.address}/{name}.git"

    def allow(self, name: str, public_key: str) -> None:
        """A deploy key of one repository, in the form of `authorized_keys`."""
        self._allowed.setdefault(name, set()).add(paramiko.PublicBlob.from_string(public_key).key_blob)

    def renew_host_key(self) -> None:
        self._host_key = KeyPair()

    def _accept(self) -> None:
        while True:
            try:
                wire, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._meet, args=(wire,), daemon=True).start()

    def _meet(self, wire: socket.socket) -> None:
        transport = paramiko.Transport(wire)
        self._wires.append(transport)
        transport.add_server_key(self._host_key.key)
        try:
            transport.start_server(server=_Guest(self))
        except (paramiko.SSHException, EOFError, OSError):
            transport.close()


class _Guest(paramiko.ServerInterface):
    def __init__(self, server: SshGitServer) -> None:
        self._server = server
        self._key = b""

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = any(key.asbytes() in keys for keys in self._server._allowed.values())
        if username != "git" or not known:
            return paramiko.AUTH_FAILED
        self._key = key.asbytes()
        self._server.users.append(username)
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return (
            paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        )

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        # A moment later: the client has to learn first that the command was accepted.
        later = threading.Timer(0.02, self._serve, (channel, command.decode()))
        later.daemon = True
        later.start()
        return True

    def _serve(self, channel: paramiko.Channel, command: str) -> None:
        self._server.commands.append(command)
        program, path = shlex.split(command)
        name = path.strip("/").removesuffix(".git")
        repositories = self._server._git.backend()
        status = 1
        if program != "git-upload-pack" or self._key not in self._server._allowed.get(name, set()):
            channel.sendall_stderr(b"ERROR: Repository not found.\n")
        else:
            incoming = channel.makefile("rb")
            handler = UploadPackHandler(
                repositories, [f"/{name}.git"], Protocol(incoming.read, channel.sendall)
            )
            try:
                handler.handle()
                status = 0
            except (GitProtocolError, OSError, EOFError):
                pass
        try:
            channel.send_exit_status(status)
            channel.close()
        except (OSError, EOFError):
            pass
