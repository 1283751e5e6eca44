"""Releases that are put away while the panel is down; no daemon is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.engines.base import EngineError, Limits, ReleaseSpec, Unit, UnitState
from backend.engines.docker.parking import Parking
from backend.engines.layout import Layout

SPEC = ReleaseSpec(
    deployment_id="d",
    service_id="s",
    service_name="hello",
    project_id="p",
    build_id="b",
    command="python3 app.py",
    limits=Limits(1, 2, 3, 4),
    env={"TOKEN": "very secret"},
)
UNITS = [
    Unit("d", "s", UnitState.RUNNING, "127.0.0.1:20007"),
    Unit("d", "s", UnitState.RUNNING, "", process="worker", replica=2),
]


def test_what_was_started_comes_back_as_it_was(tmp_path: Path) -> None:
    parking = Parking(Layout(tmp_path), b"k" * 32)
    assert parking.park(UNITS) is False
    parking.remember(SPEC)
    assert parking.recall("d") is None
    assert parking.units() == []
    assert parking.park(UNITS)
    assert parking.recall("d") == SPEC
    units = parking.units()
    assert [(unit.name, unit.address) for unit in units] == [(unit.name, unit.address) for unit in UNITS]
    assert {(unit.state, unit.service_id) for unit in units} == {(UnitState.STOPPED, "s")}
    for path in (tmp_path / "deployments" / "d").iterdir():
        assert b"very secret" not in path.read_bytes()
    parking.leave("d")
    parking.leave("d")
    assert parking.of("d") == []


def test_with_another_key_it_has_to_be_deployed_again(tmp_path: Path) -> None:
    before = Parking(Layout(tmp_path), b"k" * 32)
    before.remember(SPEC)
    before.park(UNITS)
    with pytest.raises(EngineError) as caught:
        Parking(Layout(tmp_path), b"l" * 32).recall("d")
    assert caught.value.code == "release_missing"
