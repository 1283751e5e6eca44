"""Asks a unit whether it serves: HTTP/1.1 by hand, since a client library costs more than the question."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from backend.engines.base import CheckSpec, EngineError, Report, Unit, UnitState

NEEDED = 2
"""Good answers in a row."""
PAUSE, PATIENT_PAUSE, PAUSE_AFTER_BAD = 0.02, 0.1, 0.5
"""Seconds between questions: at first, later, and after a bad answer, each of which is a line in its log."""
ANSWER_TIMEOUT = 10.0


class _Bad(Exception):
    """It listens, but does not answer as it should."""


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
        raise _Bad("it closes the connection without an answer") from None
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if len(line) < 2 or not line[0].startswith(b"HTTP/") or not line[1].isdigit():
        raise _Bad("its answer is not HTTP" if line else "it closes the connection without an answer")
    return int(line[1])


async def _told(last_exit: Callable[[], str | None]) -> str | None:
    """How it ended is written down a moment after it ended."""
    for _ in range(20):
        if words := last_exit():
            return words
        await asyncio.sleep(PATIENT_PAUSE)
    return None


async def wait_healthy(
    spec: CheckSpec,
    report: Report,
    *,
    timeout: float,
    inspect: Callable[[], Awaitable[Unit | None]],
    last_lines: Callable[[], Awaitable[list[str]]],
    listened: Callable[[Unit], Awaitable[list[int]]],
    last_exit: Callable[[], str | None],
) -> Unit:
    """See `Engine.wait_healthy`."""
    path = _request_path(spec.health_path)
    began = time.monotonic()
    good, trouble, first_pid, connected, said = 0, "", 0, False, ""
    while True:
        unit = await inspect()
        if unit is None:
            raise EngineError("release_missing", "The release was removed while it was being checked.")
        first_pid = first_pid or unit.pid or 0
        if unit.state not in (UnitState.STARTING, UnitState.RUNNING) or (unit.pid and unit.pid != first_pid):
            reason = unit.reason or await _told(last_exit) or "It was started again."
            raise EngineError("unit_exited", await _with_lines(f"The app ended. {reason}", last_lines))
        remaining = timeout - (time.monotonic() - began)
        if remaining <= 0:
            break
        try:
            async with asyncio.timeout(min(ANSWER_TIMEOUT, remaining)):
                status = await ask(unit.address, path)
            connected, trouble = True, ""
            if status < 500:
                good += 1
                if good >= NEEDED:
                    await report(f"GET {path} answered {status} after {time.monotonic() - began:.1f} s")
                    return unit
            else:
                trouble = f"it answers {status}"
        except _Bad as error:
            connected, trouble = True, str(error)
        except TimeoutError:
            connected = True
            # Cut off by the end of the whole check, the last question says less than the one before.
            if remaining >= ANSWER_TIMEOUT or not trouble:
                trouble = f"it does not answer within {min(ANSWER_TIMEOUT, remaining):.0f} seconds"
        except OSError:
            good, trouble = 0, ""
        pause = PAUSE if time.monotonic() - began < 5 else PATIENT_PAUSE
        if trouble:
            good, pause = 0, PAUSE_AFTER_BAD
            if trouble != said:
                await report(f"GET {path}: {trouble}; asking again")
                said = trouble
        await asyncio.sleep(pause)
    if connected:
        trouble = trouble or "it stopped listening"
        message = f"GET {path} did not answer as it should within {timeout:.0f} seconds: {trouble}."
        raise EngineError("health_failed", await _with_lines(message, last_lines))
    port = unit.address.rpartition(":")[2]
    others = ", ".join(str(other) for other in await listened(unit))
    message = (
        f"Nothing listens on port {port} after {timeout:.0f} seconds"
        + (f"; the app listens on {others} instead" if others else "")
        + ". The app has to listen on the port that the environment variable PORT names."
    )
    raise EngineError("unit_not_listening", await _with_lines(message, last_lines))


def _request_path(path: str) -> str:
    """What may stand in a request line; anything else was refused long before."""
    clean = "".join(sign for sign in path if "!" <= sign <= "~")
    return clean if clean.startswith("/") else "/" + clean


async def _with_lines(message: str, last_lines: Callable[[], Awaitable[list[str]]]) -> str:
    lines = await last_lines()
    return message + ("\nIts last lines:\n" + "\n".join(lines) if lines else "")
