"""Asks a unit whether it serves: HTTP/1.1 by hand, since a client library costs more than the question."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence

from backend.engines.base import CheckSpec, EngineError, Reason, Report, Unit, UnitState
from backend.engines.errors import Parameters

NEEDED = 2
"""Good answers in a row."""
PAUSE, PATIENT_PAUSE, PAUSE_AFTER_BAD = 0.01, 0.1, 0.5
"""Seconds between questions: at first, later, and after a bad answer, each of which is a line in its log."""
ANSWER_TIMEOUT = 10.0
LAST_LINES = "\nIts last lines:\n"
LAST_TIMEOUT = 1.0
"""Of the question at the end of the check: less would judge how busy this machine is."""


def fit(path: str, status: int) -> bool:
    """Whether this answer shows that the app serves.

    A path that somebody chose has to be found; an app without a page at `/` serves all the same.
    """
    return status < (500 if path == "/" else 400)


class _Bad(Exception):
    """It listens, but does not answer as it should: in words, and the name of their translation."""

    def __init__(self, words: str, because: str) -> None:
        super().__init__(words)
        self.because = because


def _closes() -> _Bad:
    return _Bad("it closes the connection without an answer", "closes_connection")


async def ask(address: str, path: str) -> int:
    """The status of one GET. Raises `_Bad`, or OSError when nothing listens."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        head = (f"GET {path} HTTP/1.1", f"Host: {address}", "User-Agent: gavan-health", "Accept: */*")
        writer.write("\r\n".join([*head, "Connection: close", "", ""]).encode())
        await writer.drain()
        line = (await reader.readline()).split(None, 2)
    except (ConnectionError, ValueError):
        raise _closes() from None
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if len(line) < 2 or not line[0].startswith(b"HTTP/") or not line[1].isdigit():
        raise _Bad("its answer is not HTTP", "not_http") if line else _closes()
    return int(line[1])


async def _told(last_exit: Callable[[], Reason | None]) -> Reason:
    """How it ended is written down a moment after it ended."""
    for _ in range(20):
        if reason := last_exit():
            return reason
        await asyncio.sleep(PATIENT_PAUSE)
    return Reason("unit_exited", "It was started again.", {"because": "started_again"})


async def wait_healthy(
    spec: CheckSpec,
    report: Report,
    *,
    timeout: float,
    inspect: Callable[[], Awaitable[Unit | None]],
    last_lines: Callable[[], Awaitable[list[str]]],
    listened: Callable[[Unit], Awaitable[Sequence[int | str]]],
    last_exit: Callable[[], Reason | None],
    inner_port: int | None = None,
) -> Unit:
    """See `Engine.wait_healthy`. `inner_port` is the app's own, where another one is published for it."""
    path = _request_path(spec.health_path)
    began = time.monotonic()
    good, first_pid, connected, said = 0, 0, False, ""
    trouble, because, values = "", "", Parameters()
    while True:
        unit = await inspect()
        if unit is None:
            message = "The release was removed while it was being checked."
            raise EngineError("release_missing", message, detail="removed_while_checked")
        first_pid = first_pid or unit.pid or 0
        if unit.state not in (UnitState.STARTING, UnitState.RUNNING) or (unit.pid and unit.pid != first_pid):
            reason = unit.reason or await _told(last_exit)
            ended = EngineError("unit_exited", f"The app ended. {reason.message}").about(reason.parameters)
            raise await _with_lines(ended, last_lines)
        remaining = timeout - (time.monotonic() - began)
        if remaining <= 0:
            break
        try:
            if unit.listening is False:
                # Somebody else may take connections in its place, as a proxy does.
                raise ConnectionRefusedError
            patience = min(ANSWER_TIMEOUT, max(LAST_TIMEOUT, remaining))
            async with asyncio.timeout(patience):
                status = await ask(unit.address, path)
            connected, trouble = True, ""
            if fit(path, status):
                good += 1
                if good >= NEEDED:
                    await report(f"GET {path} answered {status} after {time.monotonic() - began:.1f} s")
                    if status >= 400:
                        await report("The app serves, but has no such page; name one to be checked.")
                    return unit
            else:
                trouble, because, values = f"it answers {status}", "answers_status", {"status": status}
        except _Bad as error:
            connected, trouble, because, values = True, str(error), error.because, {}
        except TimeoutError:
            connected = True
            # Cut off by the end of the whole check, the last question says less than the one before.
            if patience >= ANSWER_TIMEOUT or not trouble:
                trouble = f"it does not answer within {patience:.0f} seconds"
                because, values = "answers_late", {"patience": round(patience)}
        except OSError:
            good, trouble = 0, ""
        # A quick app is not kept waiting, a slow one not pestered.
        pause = min(max(PAUSE, (time.monotonic() - began) / 50), PATIENT_PAUSE)
        if trouble:
            good, pause = 0, PAUSE_AFTER_BAD
            if trouble != said:
                await report(f"GET {path}: {trouble}; asking again")
                said = trouble
        await asyncio.sleep(pause)
    if connected:
        if not trouble:
            trouble, because = "it stopped listening", "stopped_listening"
        message = f"GET {path} did not answer as it should within {timeout:.0f} seconds: {trouble}."
        values |= {"because": because, "path": path, "seconds": round(timeout)}
        raise await _with_lines(EngineError("health_failed", message).about(values), last_lines)
    port = str(inner_port or unit.address.rpartition(":")[2])
    others = ", ".join(str(other) for other in await listened(unit))
    values = {"port": port, "seconds": round(timeout)}
    if others:
        values |= {"because": "listens_elsewhere", "ports": others}
    message = (
        f"Nothing listens on port {port} after {timeout:.0f} seconds"
        + (f"; the app listens on {others} instead" if others else "")
        + ". The app has to listen on the port that the environment variable PORT names, "
        + "at the address in HOST."
    )
    raise await _with_lines(EngineError("unit_not_listening", message).about(values), last_lines)


def _request_path(path: str) -> str:
    """What may stand in a request line; anything else was refused long before."""
    clean = "".join(sign for sign in path if "!" <= sign <= "~")
    return clean if clean.startswith("/") else "/" + clean


async def _with_lines(error: EngineError, last_lines: Callable[[], Awaitable[list[str]]]) -> EngineError:
    lines = "\n".join(await last_lines())
    if not lines:
        return error
    message = f"{error.message}{LAST_LINES}{lines}"
    return EngineError(error.code, message, output=lines).about(error.parameters)
