"""Talks to the supervisord that runs customers' apps: its configuration, and XML-RPC over its unix socket.

The client is asyncio-native (one connection per call, as supervisord answers in order anyway),
so that a cancelled task leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import os
import resource
import xmlrpc.client
from http import HTTPStatus
from pathlib import Path
from typing import Any

from backend.engines.base import EngineError, Retry

CALL_TIMEOUT = 30.0
STOP_GRACE = 10
"""Seconds between SIGTERM and SIGKILL."""
DESCRIPTORS = 2048
"""Three for each unit. Not more than needed: before each start supervisord closes as many, one by one."""

NO_FILE, BAD_NAME, BAD_SIGNAL, NOT_EXECUTABLE = 20, 10, 11, 21
FAILED, ABNORMAL_TERMINATION, SPAWN_ERROR, ALREADY_STARTED, NOT_RUNNING = 30, 40, 50, 60, 70
ALREADY_ADDED, STILL_RUNNING, CANT_REREAD = 90, 91, 92
SHUTDOWN_STATE = 6
"""Fault codes of `supervisor.xmlrpc.Faults`."""


def render_config(home: Path, socket: Path) -> str:
    """The configuration of the apps' supervisord; units are added as files under `home`/units.

    Whoever starts it puts ENGINE_SECRET in its environment and gives it time to stop
    (more than `STOP_GRACE`), and creates `home`/units and `home`/logs first.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    descriptors = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    return "\n".join(
        [
            "[unix_http_server]",
            f"file={_quoted(socket)}",
            "chmod=0600",
            "",
            "[supervisord]",
            "identifier=gavan-apps",
            "nodaemon=true",
            f"directory={_quoted(home)}",
            f"pidfile={_quoted(home / 'supervisord.pid')}",
            f"logfile={_quoted(home / 'supervisord.log')}",
            "logfile_maxbytes=5MB",
            "logfile_backups=2",
            "loglevel=info",
            f"minfds={descriptors}",
            f"childlogdir={_quoted(home / 'logs')}",
            "nocleanup=true",
            "",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
            "",
            "[include]",
            f"files={_quoted(home / 'units')}/*.conf",
            "",
        ]
    )


def _quoted(path: Path) -> str:
    """supervisord expands `%(…)s`, and takes ` ;` for a comment."""
    text = str(path)
    if any(sign in text for sign in (" ", ";", "\n")):
        raise ValueError(f"supervisord cannot be configured for a path with blanks or semicolons: {text!r}")
    return text.replace("%", "%%")


class SupervisorFault(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def _unavailable() -> EngineError:
    return EngineError(
        "engine_unavailable",
        "The service that runs apps is not answering; this is tried again by itself.",
        retry=Retry.BACKOFF,
        detail="supervisor_silent",
    )


class Supervisor:
    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def call(self, method: str, *arguments: Any, ignore: tuple[int, ...] = ()) -> Any:
        """The answer of `supervisor.<method>`; None for a fault named in `ignore`.

        Raises `SupervisorFault`, or `engine_unavailable` when supervisord does not answer.
        """
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                body = await self._post(xmlrpc.client.dumps(arguments, f"supervisor.{method}").encode())
        except (OSError, TimeoutError, ValueError, EOFError) as error:
            raise _unavailable() from error
        try:
            return xmlrpc.client.loads(body.decode())[0][0]
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in ignore:
                return None
            if fault.faultCode == SHUTDOWN_STATE:
                raise _unavailable() from None
            raise SupervisorFault(fault.faultCode, fault.faultString) from None

    async def _post(self, body: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(os.fspath(self._socket))
        try:
            writer.write(
                b"POST /RPC2 HTTP/1.0\r\nHost: supervisord\r\nContent-Type: text/xml\r\n"
                b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body)
            )
            await writer.drain()
            answer = await reader.read(-1)
        finally:
            writer.close()
        head, separator, content = answer.partition(b"\r\n\r\n")
        status = head.split(b"\r\n", 1)[0].split()
        if not separator or len(status) < 2:
            raise EOFError("supervisord hung up")
        if int(status[1]) != HTTPStatus.OK:
            raise ValueError(f"supervisord answered {int(status[1])}")
        return content
