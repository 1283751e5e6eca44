"""Units: one supervisord program each. Files say what should be; supervisord says what is."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from backend.engines import processes, sandbox, supervisor
from backend.engines.base import (
    EngineError,
    ProcessEngineSettings,
    ProcessSpec,
    Reason,
    ReleaseSpec,
    Restart,
    Retry,
    Unit,
    UnitState,
)
from backend.engines.exits import by_policy, exited
from backend.engines.launch import read_status
from backend.engines.layout import Deployment, Layout
from backend.engines.places import Place, place_of, places
from backend.engines.scale import unit_names
from backend.engines.supervisor import Supervisor, SupervisorFault
from backend.engines.unitfiles import LAUNCHER as LAUNCHER
from backend.engines.unitfiles import UnitFiles

_STATES = {
    0: UnitState.STOPPED,
    10: UnitState.STARTING,
    20: UnitState.RUNNING,
    30: UnitState.BACKOFF,
    40: UnitState.STOPPED,
    100: UnitState.EXITED,
    200: UnitState.FATAL,
    1000: UnitState.FATAL,
}
_UP = (UnitState.STARTING, UnitState.RUNNING)


class Units:
    def __init__(self, settings: ProcessEngineSettings, layout: Layout, instance: str) -> None:
        self._layout, self._instance = layout, instance
        self._files = UnitFiles(settings, layout, instance)
        self._supervisor = Supervisor(settings.supervisor_socket)

    # What is ------------------------------------------------------------------------------------

    async def of(self, deployment_id: str) -> list[Unit]:
        """The units of one release, the first of `web` at the beginning."""
        found = []
        for place in await asyncio.to_thread(places, self._layout.deployment(deployment_id)):
            if facts := place.facts():
                found.append(self._unit(place, facts, await self._info(place)))
        return found

    async def inspect(self, deployment_id: str, process: str, replica: int) -> Unit | None:
        place = Place(self._layout.deployment(deployment_id), process, replica)
        facts = place.facts()
        return self._unit(place, facts, await self._info(place)) if facts else None

    async def all(self) -> list[Unit]:
        infos = {info["group"]: info for info in await self._supervisor.call("getAllProcessInfo")}
        started = await asyncio.to_thread(self._files.started)
        return [self._unit(place, facts, infos.get(place.name)) for place, facts in started]

    async def groups(self) -> set[str]:
        """Names of the programs that supervisord has, whoever added them."""
        return {info["group"] for info in await self._supervisor.call("getAllProcessInfo")}

    async def _info(self, place: Place) -> dict[str, Any] | None:
        info: dict[str, Any] | None = await self._supervisor.call(
            "getProcessInfo", f"{place.name}:{place.name}", ignore=(supervisor.BAD_NAME,)
        )
        return info

    def _unit(self, place: Place, facts: dict[str, Any], info: dict[str, Any] | None) -> Unit:
        state = _STATES[info["state"]] if info else UnitState.STOPPED
        status = read_status(place.status)
        if facts["stopped"] and state not in _UP:
            state = UnitState.STOPPED
        elif state in _UP and status.get("waiting"):
            state = UnitState.BACKOFF
        elif state is UnitState.EXITED and not (facts["stopped"] or _stays_down(facts, status)):
            # supervisord restarts it within the second.
            state = UnitState.BACKOFF
        alive = state in _UP
        return Unit(
            deployment_id=place.at.id,
            service_id=facts["service_id"],
            state=state,
            address=f"127.0.0.1:{facts['port']}" if facts["port"] else "",
            pid=info["pid"] if info and alive and info["pid"] else None,
            started_at=datetime.fromtimestamp(info["start"], UTC)
            if info and alive and info["start"]
            else None,
            reason=None if alive else _reason(state, place, facts, status, info),
            process=place.process,
            replica=place.replica,
        )

    def place(self, unit: Unit) -> Place:
        return Place(self._layout.deployment(unit.deployment_id), unit.process, unit.replica)

    def last_exit(self, unit: Unit) -> Reason | None:
        """How the life before the present one ended."""
        code = read_status(self.place(unit).status).get("previous_exit")
        return None if code is None else exited(int(code), unit.process)

    def marker(self, place: Place) -> str:
        return processes.mark("unit", place.name, self._instance)

    def has_begun(self, unit: Unit) -> bool:
        """Before that, its launcher ends what an earlier life left; whatever runs inside it would be that."""
        return unit.pid is not None and read_status(self.place(unit).status).get("pid") == unit.pid

    def inside(self, unit: Unit) -> dict[str, Any]:
        """What the unit was started with; see `UnitFiles.sealable`."""
        return self._files.release(self.place(unit))

    # What should be -----------------------------------------------------------------------------

    async def start(self, spec: ReleaseSpec, isolation: sandbox.Isolation) -> list[Unit]:
        at = self._layout.deployment(spec.deployment_id)
        by_name = {process.name: process for process in spec.processes}
        # Ports are chosen under one lock, and each start takes but milliseconds: no need to hurry.
        return [
            await self._start(Place(at, name, replica), spec, by_name[name], isolation)
            for name, replica in unit_names(spec.processes)
        ]

    async def _start(
        self, place: Place, spec: ReleaseSpec, process: ProcessSpec, isolation: sandbox.Isolation
    ) -> Unit:
        info = await self._info(place)
        facts = place.facts()
        if info and facts:
            unit = self._unit(place, facts, info)
            # What its restart policy let end is as it should be.
            if _STATES[info["state"]] in _UP or unit.state is UnitState.EXITED:
                return unit
        if info:
            await self._halt(place)
        facts = await asyncio.to_thread(self._files.write, place, spec, process, isolation)
        await self._run(place, known=info is not None)
        return self._unit(place, facts, await self._info(place))

    async def _run(self, place: Place, *, known: bool) -> None:
        """Have supervisord start the program, which it learns from the file when it does not know it."""
        try:
            if not known:
                await self._supervisor.call("reloadConfig")
                await self._supervisor.call("addProcessGroup", place.name, ignore=(supervisor.ALREADY_ADDED,))
            await self._supervisor.call(
                "startProcess", f"{place.name}:{place.name}", False, ignore=(supervisor.ALREADY_STARTED,)
            )
        except SupervisorFault as fault:
            raise EngineError(
                "engine_unavailable",
                f"The app could not be handed to its supervisor ({fault.code}); this is tried again.",
                retry=Retry.BACKOFF,
                detail="supervisor_refused",
                fault=fault.code,
            ) from fault

    async def _halt(self, place: Place) -> None:
        """SIGTERM, SIGKILL after the grace; also what left the process group."""
        await self._supervisor.call(
            "stopProcess",
            f"{place.name}:{place.name}",
            True,
            ignore=(supervisor.BAD_NAME, supervisor.NOT_RUNNING),
        )
        status = read_status(place.status)
        await asyncio.to_thread(
            processes.end_leftovers, self.marker(place), status.get("pid"), status.get("ticks"), grace=1
        )

    async def restart(self, deployment_id: str) -> Unit:
        at = self._layout.deployment(deployment_id)
        there = [place for place in await asyncio.to_thread(places, at) if place.facts()]
        if not there:
            message = "This release was never started; deploy again."
            raise EngineError("release_missing", message, detail="never_started")
        return (await asyncio.gather(*(self._restart(place) for place in there)))[0]

    async def _restart(self, place: Place) -> Unit:
        info = await self._info(place)
        if info:
            await self._halt(place)
        facts = await asyncio.to_thread(self._files.revive, place)
        await self._run(place, known=info is not None)
        return self._unit(place, facts, await self._info(place))

    async def stop(self, deployment_id: str) -> None:
        at = self._layout.deployment(deployment_id)
        await asyncio.gather(*(self._stop(place) for place in await asyncio.to_thread(places, at)))

    async def _stop(self, place: Place) -> None:
        facts = place.facts()
        if facts is None:
            return
        facts["stopped"] = True
        # First on disk: a supervisord that dies now must not bring it back.
        await asyncio.to_thread(place.write_facts, facts)
        await asyncio.to_thread(self._files.write_conf, place, facts)
        await self._halt(place)

    async def forget(self, deployment_id: str) -> None:
        """Stop all units of a release and take them from supervisord; its files stay."""
        at = self._layout.deployment(deployment_id)
        known = {place_of(self._layout, name) for name in await self._of_supervisor(at)}
        there = known | set(await asyncio.to_thread(places, at))
        await asyncio.gather(*(self._forget(place) for place in there))

    async def keep_only(self, deployment_id: str, names: Collection[tuple[str, int]]) -> None:
        """Forget those units of a release that are not named (process and replica)."""
        found = await asyncio.to_thread(places, self._layout.deployment(deployment_id))
        superfluous = [place for place in found if (place.process, place.replica) not in names]
        await asyncio.gather(*(self._forget(place) for place in superfluous))

    async def _of_supervisor(self, at: Deployment) -> list[str]:
        return [name for name in await self.groups() if name.partition(".")[0] == at.id]

    async def _forget(self, place: Place) -> None:
        await asyncio.to_thread(place.conf.unlink, missing_ok=True)
        await self._halt(place)
        for _ in range(50):
            try:
                await self._supervisor.call("removeProcessGroup", place.name, ignore=(supervisor.BAD_NAME,))
                break
            except SupervisorFault as fault:
                if fault.code != supervisor.STILL_RUNNING:
                    raise
                await self._halt(place)
        place.forget_facts()


def _stays_down(facts: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Whether its restart policy leaves a unit alone that ended like this."""
    policy = facts.get("restart", Restart.ALWAYS)
    return policy == Restart.NEVER or (policy == Restart.ON_FAILURE and status.get("exit-code") == 0)


def _reason(
    state: UnitState,
    place: Place,
    facts: Mapping[str, Any],
    status: Mapping[str, Any],
    info: Mapping[str, Any] | None,
) -> Reason:
    if state is UnitState.STOPPED:
        words = "It was stopped." if facts["stopped"] else "It is not running."
        return Reason("unit_stopped", words, {} if facts["stopped"] else {"detail": "not_running"})
    if why := status.get("failed"):
        return Reason("unit_exited", f"It was not started: {why}.", {"detail": "not_started", "why": why})
    code = status.get("exit-code", status.get("previous_exit"))
    if code is None:
        return Reason("unit_exited", (info or {}).get("spawnerr") or "It ended.")
    reason = exited(int(code), place.process)
    return by_policy(reason) if state is UnitState.EXITED else reason
