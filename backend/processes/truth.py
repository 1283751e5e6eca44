"""What the units of a release together say of their service; never better than what the engine says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from backend.engines.base import Reason, Unit, UnitState
from backend.engines.errors import Parameters
from backend.engines.scale import WEB
from backend.services.models import ServiceStatus

FILES_GONE = Reason("release_missing", "The files of the release are gone from the machine. Deploy again.")
ENDED = Reason("unit_exited", "The app stopped by itself.")


def is_well(unit: Unit) -> bool:
    if unit.state is UnitState.RUNNING:
        return unit.listening is not False
    return unit.process != WEB and did_its_work(unit)


def did_its_work(unit: Unit) -> bool:
    """It ended with exit status 0, and its restart policy leaves it alone then."""
    parameters = unit.reason.parameters if unit.reason else {}
    return unit.state is UnitState.EXITED and parameters.get("exit_status") == 0


def addresses_of(units: Iterable[Unit]) -> list[str]:
    """Where visitors are led to: units of `web` that are not known not to answer; all of them if none is."""
    web = [unit for unit in units if unit.address]
    return [unit.address for unit in web if is_well(unit) or unit.state is UnitState.STARTING] or [
        unit.address for unit in web
    ]


def truth(
    units: Sequence[Unit], scale: Mapping[str, int] | None
) -> tuple[ServiceStatus, Reason | None] | None:
    """Status and reason of a service; None while it is just starting."""
    if not units:
        return ServiceStatus.CRASHED, FILES_GONE
    serving = [unit for unit in units if unit.process == WEB] or list(units)
    well = [unit for unit in units if is_well(unit)]
    total = max(len(units), sum((scale or {}).values()))
    if not any(is_well(unit) for unit in serving):
        if any(unit.state is UnitState.STARTING for unit in serving):
            return None
        return ServiceStatus.CRASHED, _why(serving[0])
    if len(well) == total:
        return ServiceStatus.RUNNING, None
    down = [unit for unit in units if not is_well(unit)]
    if down and all(unit.state is UnitState.STARTING for unit in down):
        return None
    return ServiceStatus.RUNNING, _some_down(len(well), total, down)


def _some_down(well: int, total: int, down: Sequence[Unit]) -> Reason:
    words = f"{well} of {total} units run."
    parameters: Parameters = {"up": well, "total": total}
    first = next((unit for unit in down if unit.state is not UnitState.STARTING), None)
    if first is None:
        return Reason(
            "units_down", f"{words} The others are not there.", {**parameters, "detail": "units_missing"}
        )
    why = _why(first)
    kept = {name: value for name, value in why.parameters.items() if name != "detail"}
    return Reason(
        "units_down", f"{words} {first.name}: {why.message}", {**kept, **parameters, "unit": first.name}
    )


def _why(unit: Unit) -> Reason:
    if unit.state is UnitState.RUNNING and unit.listening is False:
        return deaf(unit.reason)
    return unit.reason or ENDED


def deaf(before: Reason | None) -> Reason:
    message = "The app runs, but does not listen on its port."
    parameters: Parameters = {"detail": "deaf"}
    if before is not None:
        message += f" Before that: {before.message}"
        parameters = {**before.parameters, **parameters}
    return Reason("unit_not_listening", message, parameters)
