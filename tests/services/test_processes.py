"""Scaling a service: what is accepted and what refused, what is charged, and what the page says of units."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from backend.engines.base import Reason, Unit, UnitState
from backend.processes.truth import addresses_of, truth
from backend.processes.wanted import chosen
from backend.services.dao import DeploymentDAO, ServiceDAO
from backend.services.models import ServiceStatus
from tests.services.releases import Harbour


async def ordered(harbour: Harbour, **processes: str) -> None:
    await harbour.order()
    async with harbour.database.transaction() as session:
        row = await DeploymentDAO(session).get_locked(UUID(harbour.made[0]))
        service = await ServiceDAO(session).get_locked(UUID(harbour.service_id))
        assert row
        assert service
        row.processes, row.scale = processes, {"web": 1}
        service.becomes(ServiceStatus.RUNNING)


async def scale(harbour: Harbour, *processes: dict[str, Any], **rest: Any) -> Any:
    path = f"/services/{harbour.service_id}/processes"
    return await harbour.ask("PUT", path, {"processes": list(processes), **rest})


async def wanted(harbour: Harbour) -> dict[str, int]:
    async with harbour.database.transaction() as session:
        row = await DeploymentDAO(session).get(UUID(harbour.made[-1]))
        assert row
        return {one.name: one.replicas for one in await chosen(session, row)}


async def test_scaling_is_a_job_and_is_said(harbour: Harbour) -> None:
    await ordered(harbour, worker="sh work.sh", release="migrate")
    shown = (await harbour.ask("GET", f"/services/{harbour.service_id}/processes")).json()
    assert [(one["name"], one["replicas"]) for one in shown["processes"]] == [("web", 1), ("worker", 0)]
    assert shown["processes"][1]["found_command"] == "sh work.sh"
    answer = await scale(harbour, {"name": "web", "replicas": 2}, {"name": "worker", "replicas": 1})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["plan_units"] == 3
    job = (await harbour.ask("GET", f"/jobs/{body['job_id']}")).json()
    assert (job["kind"], job["state"]) == ("service.scale", "queued")
    assert await wanted(harbour) == {"web": 2, "worker": 1}
    # One that waits does what is wanted when it begins.
    again = (await scale(harbour, {"name": "web", "replicas": 3})).json()
    assert again["job_id"] == body["job_id"]
    assert (await scale(harbour, {"name": "web", "replicas": 3})).json()["job_id"] is None
    assert await wanted(harbour) == {"web": 3}


async def test_a_process_of_the_customers_own(harbour: Harbour) -> None:
    await ordered(harbour)
    refused = await scale(harbour, {"name": "mail", "replicas": 1})
    assert (refused.status_code, refused.json()["code"]) == (422, "process_without_command")
    taken = await scale(harbour, {"name": "mail", "replicas": 1, "command": "sh mail.sh"})
    assert taken.status_code == 200, taken.text
    assert await wanted(harbour) == {"web": 1, "mail": 1}
    # A rollback brings back the commands of its release, the next deployment has the present ones.
    await harbour.deploy()
    assert (await harbour.row(harbour.made[-1])).commands == {"mail": "sh mail.sh"}


async def test_the_policy_is_of_the_next_deployment(harbour: Harbour) -> None:
    await ordered(harbour)
    answer = await scale(harbour, {"name": "web", "replicas": 1}, restart_policy="on-failure")
    assert (answer.json()["restart_policy"], answer.json()["job_id"]) == ("on-failure", None)
    assert (await harbour.row(harbour.made[0])).restart_policy == "always"
    await harbour.deploy()
    assert (await harbour.row(harbour.made[-1])).restart_policy == "on-failure"


@pytest.mark.parametrize(
    ("processes", "code"),
    [
        ([{"name": "web", "replicas": 11}], "too_many_replicas"),
        ([{"name": "web", "replicas": 0}], "no_units"),
        ([{"name": "web", "replicas": -1}], None),
        ([{"name": "web", "replicas": "many"}], None),
        ([{"name": "release", "replicas": 1, "command": "x"}], None),
        ([{"name": "web", "replicas": 1}, {"name": "web", "replicas": 2}], None),
        ([{"name": "../x", "replicas": 1, "command": "x"}], None),
        ([{"name": "веб", "replicas": 1, "command": "x"}], None),
        ([{"name": "w" * 31, "replicas": 1, "command": "x"}], None),
        ([{"name": "w", "replicas": 1, "command": "x" * 4001}], None),
        ([{"name": f"w{at}", "replicas": 10, "command": "x"} for at in range(3)], "too_many_units"),
    ],
)
async def test_what_cannot_be(harbour: Harbour, processes: list[dict[str, Any]], code: str | None) -> None:
    await ordered(harbour)
    answer = await scale(harbour, *processes)
    assert answer.status_code == 422, answer.text
    assert code in (None, answer.json()["code"], *(one.get("code") for one in answer.json()["errors"]))
    assert await wanted(harbour) == {"web": 1}


async def test_someone_elses(harbour: Harbour) -> None:
    await ordered(harbour)
    harbour.service_id = str(uuid4())
    assert (await scale(harbour, {"name": "web", "replicas": 2})).status_code == 404


async def test_health_settings(harbour: Harbour) -> None:
    await ordered(harbour)
    path = f"/services/{harbour.service_id}"
    refused = await harbour.ask("PATCH", path, {"health_kind": "command"})
    assert refused.status_code == 422
    body = {"health_kind": "command", "health_command": "sh check.sh", "health_timeout_seconds": 20}
    answer = await harbour.ask("PATCH", path, body)
    assert answer.status_code == 200, answer.text
    assert {name: answer.json()[name] for name in body} == body
    await harbour.deploy()
    row = await harbour.row(harbour.made[-1])
    assert {name: getattr(row, name) for name in body} == body
    assert (await harbour.ask("PATCH", path, {"health_timeout_seconds": 1})).status_code == 422


def unit(name: str, state: UnitState = UnitState.RUNNING, **rest: Any) -> Unit:
    process, _, replica = name.partition(".")
    address = f"127.0.0.1:2000{replica}" if process == "web" else ""
    return Unit("d", "s", state, address, process=process, replica=int(replica), **rest)


DOWN: dict[str, Any] = {
    "state": UnitState.BACKOFF,
    "reason": Reason("unit_exited", "It ended.", {"because": "exit_other"}),
}


def test_one_of_three_down_is_said() -> None:
    units = [unit("web.1"), unit("web.2", **DOWN), unit("web.3")]
    assert truth(units[:1], {"web": 1}) == (ServiceStatus.RUNNING, None)
    found = truth(units, {"web": 3})
    assert found
    status, reason = found
    assert reason
    assert (status, reason.code, reason.message) == (
        ServiceStatus.RUNNING,
        "units_down",
        "2 of 3 units run. web.2: It ended.",
    )
    assert addresses_of(units) == ["127.0.0.1:20001", "127.0.0.1:20003"]


def test_all_of_web_down_is_crashed() -> None:
    found = truth([unit("web.1", **DOWN), unit("web.2", **DOWN), unit("worker.1")], {"web": 2, "worker": 1})
    assert found
    assert found[0] is ServiceStatus.CRASHED


def test_a_unit_that_is_gone_is_missed() -> None:
    found = truth([unit("web.1")], {"web": 2})
    assert found
    assert found[1]
    assert found[1].parameters == {"up": 1, "total": 2, "detail": "units_missing"}
