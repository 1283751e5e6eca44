"""Whether a release is well: each unit of `web` is asked (`probes.py`), the others have to stay up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from backend.engines.base import CheckSpec, EngineError, Reason, Report, Unit, UnitState
from backend.engines.errors import Parameters
from backend.engines.probes import LAST_TIMEOUT, Bad, Probe, Run, probe_of
from backend.engines.probes import fit as fit
from backend.engines.scale import WEB

NEEDED = 2
"""Good answers in a row."""
STAYS_UP = 3.0
"""Seconds for which a unit that nobody can ask has to run."""
PAUSE, PATIENT_PAUSE, PAUSE_AFTER_BAD = 0.01, 0.1, 0.5
"""Seconds between questions: at first, later, and after a bad answer, each of which is a line in its log."""
LAST_LINES = "\nIts last lines:\n"
_UP = (UnitState.STARTING, UnitState.RUNNING)


@dataclass(frozen=True, slots=True)
class Looks:
    """What an engine can tell of a release that is checked."""

    units: Callable[[], Awaitable[list[Unit]]]
    inspect: Callable[[Unit], Awaitable[Unit | None]]
    last_lines: Callable[[Unit], Awaitable[list[str]]]
    listened: Callable[[Unit], Awaitable[Sequence[int | str]]]
    last_exit: Callable[[Unit], Reason | None]
    run: Run
    inner_port: int | None = None
    """The app's own, where another one is published for it."""


async def wait_healthy(spec: CheckSpec, report: Report, looks: Looks, *, timeout: float) -> Unit:
    """See `Engine.wait_healthy`."""
    units = await looks.units()
    if not units:
        raise _removed()
    # Whoever has but one is not bothered with its name.
    checks = [
        asyncio.ensure_future(_Check(spec, report, looks, unit, timeout, named=len(units) > 1).run())
        for unit in units
    ]
    try:
        return (await asyncio.gather(*checks))[0]
    finally:
        for check in checks:
            check.cancel()
        await asyncio.gather(*checks, return_exceptions=True)


def _removed() -> EngineError:
    message = "The release was removed while it was being checked."
    return EngineError("release_missing", message, detail="removed_while_checked")


class _Check:
    def __init__(
        self, spec: CheckSpec, report: Report, looks: Looks, unit: Unit, timeout: float, *, named: bool
    ) -> None:
        self._spec, self._looks, self._unit, self._timeout = spec, looks, unit, timeout
        self._report_line, self._named = report, named
        self._began = time.monotonic()
        self._first_pid = 0

    async def run(self) -> Unit:
        return await (self._answers() if self._unit.process == WEB else self._stays_up())

    @property
    def _passed(self) -> float:
        return time.monotonic() - self._began

    async def _report(self, line: str) -> None:
        await self._report_line(f"{self._unit.name}: {line}" if self._named else line)

    async def _alive(self) -> Unit:
        """The unit as it is now. Raises when it ended, even if it was started again."""
        unit = await self._looks.inspect(self._unit)
        if unit is None:
            raise _removed()
        self._first_pid = self._first_pid or unit.pid or 0
        if unit.state not in _UP or (unit.pid and unit.pid != self._first_pid):
            reason = unit.reason or await self._told()
            raise await self._failed("unit_exited", f"The app ended. {reason.message}", reason.parameters)
        return unit

    async def _told(self) -> Reason:
        """How it ended is written down a moment after it ended."""
        for _ in range(20):
            if reason := self._looks.last_exit(self._unit):
                return reason
            await asyncio.sleep(PATIENT_PAUSE)
        return Reason("unit_exited", "It was started again.", {"because": "started_again"})

    async def _stays_up(self) -> Unit:
        since = None
        while True:
            found = await self._looks.inspect(self._unit)
            if found is not None and _did_its_work(found):
                await self._report("ended well")
                return found
            unit = await self._alive()
            if unit.state is UnitState.RUNNING:
                since = since or time.monotonic()
                if time.monotonic() - since >= STAYS_UP:
                    await self._report(f"runs for {STAYS_UP:.0f} s")
                    return unit
            elif self._passed > self._timeout:
                message = f"It did not start within {self._timeout:.0f} seconds."
                raise await self._failed("unit_exited", message, {"detail": "not_started", "why": "timeout"})
            await asyncio.sleep(PATIENT_PAUSE)

    async def _answers(self) -> Unit:
        probe = probe_of(self._spec, self._looks.run)
        good, connected, said = 0, False, ""
        trouble: Bad | None = None
        while True:
            unit = await self._alive()
            remaining = self._timeout - self._passed
            if remaining <= 0:
                break
            patience = min(probe.patience, max(LAST_TIMEOUT, remaining))
            try:
                if unit.listening is False:
                    # Somebody else may take connections in its place, as a proxy does.
                    raise ConnectionRefusedError
                async with asyncio.timeout(patience):
                    answer = await probe.ask(unit)
                connected, trouble = True, None
                good += 1
                if good >= NEEDED:
                    await self._report(f"{probe.name} {answer.words} after {self._passed:.1f} s")
                    if answer.note:
                        await self._report(answer.note)
                    return unit
            except Bad as error:
                connected, trouble = True, error
            except TimeoutError:
                connected = True
                # Cut off by the end of the whole check, the last question says less than the one before.
                if patience >= probe.patience or trouble is None:
                    words = f"it does not answer within {patience:.0f} seconds"
                    trouble = Bad(words, "answers_late", patience=round(patience))
            except OSError:
                good, trouble = 0, None
            # A quick app is not kept waiting, a slow one not pestered.
            pause = min(max(PAUSE, self._passed / 50), PATIENT_PAUSE)
            if trouble is not None:
                good, pause = 0, PAUSE_AFTER_BAD
                if str(trouble) != said:
                    await self._report(f"{probe.name}: {trouble}; asking again")
                    said = str(trouble)
            await asyncio.sleep(pause)
        raise await (self._unhealthy(probe, trouble) if connected else self._deaf(unit))

    async def _unhealthy(self, probe: Probe, trouble: Bad | None) -> EngineError:
        if trouble is None:
            trouble = Bad("it stopped listening", "stopped_listening")
        words = f"{probe.name} did not answer as it should within {self._timeout:.0f} seconds: {trouble}."
        values = {**trouble.values, **probe.parameters}
        return await self._failed(
            "health_failed", words, {**values, "because": trouble.because, "seconds": round(self._timeout)}
        )

    async def _deaf(self, unit: Unit) -> EngineError:
        port = str(self._looks.inner_port or unit.address.rpartition(":")[2])
        others = ", ".join(str(other) for other in await self._looks.listened(unit))
        values: Parameters = {"port": port, "seconds": round(self._timeout)}
        if others:
            values |= {"because": "listens_elsewhere", "ports": others}
        message = (
            f"Nothing listens on port {port} after {self._timeout:.0f} seconds"
            + (f"; the app listens on {others} instead" if others else "")
            + ". The app has to listen on the port that the environment variable PORT names, "
            + "at the address in HOST."
        )
        return await self._failed("unit_not_listening", message, values)

    async def _failed(self, code: str, message: str, values: Parameters) -> EngineError:
        """With its last lines, and its name where there are others."""
        if self._named:
            message, values = f"{self._unit.name}: {message}", {**values, "unit": self._unit.name}
        lines = "\n".join(await self._looks.last_lines(self._unit))
        if not lines:
            return EngineError(code, message).about(values)
        return EngineError(code, f"{message}{LAST_LINES}{lines}", output=lines).about(values)


def _did_its_work(unit: Unit) -> bool:
    """It ended with exit status 0, and is to be left alone then."""
    return (
        unit.state is UnitState.EXITED
        and unit.reason is not None
        and unit.reason.parameters.get("exit_status") == 0
    )
