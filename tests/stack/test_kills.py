"""`kill -9` of every part at every step of a deployment: it ends well by itself, once, and nothing is lost.

Each step is held by a gate, so the part dies exactly there; the gates open right after the kill, when the
part is still away, so that whatever lives goes on without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.customer import Customer
from tests.support.gates import App
from tests.support.stack import Stack, until

Fresh = Callable[[str], str]

# (part, whether its children are killed with it)
VICTIMS = [
    *(("deployer", True), ("deployer", False), ("worker", True), ("worker", False), ("api", True)),
    *(("beat", True), ("redis", True), ("postgres", False), ("apps", False), ("edge", True), ("edge", False)),
]
IDS = [f"{part}{'' if group else '-alone'}" for part, group in VICTIMS]
BOUND = 60.0


@dataclass
class Case:
    name: str
    app: App
    accepted: dict[str, Any]
    gate: str = ""


async def order(stack: Stack, customer: Customer, app: App, name: str, gate: str = "") -> Case:
    stack.git.commit(name, app.files)
    accepted = await customer.order(name, stack.git.url(name), variables={"COLOUR": "a deep sea green"})
    return Case(name, app, accepted, gate)


async def held(stack: Stack, customer: Customer, step: str, name: str) -> Case:
    """An order whose deployment has come to `step` and waits there."""
    git, gate = stack.git, f"{step}-{name}"
    app = git.app(f"page of {name}", name)
    if step == "fetching":
        gate = git.hold(name)
    elif step == "building":
        app = git.waiting_build(app, gate)
    elif step == "checking":
        app = git.waiting_start(app, gate)
    case = await order(stack, customer, app, name, gate)
    await git.reached(gate)
    await customer.in_state(case.accepted["deployment_id"], step)
    return case


async def ends_well(stack: Stack, customer: Customer, case: Case) -> None:
    job = await customer.finished(case.accepted["job_id"], BOUND)
    lines = await customer.log_lines(case.accepted["deployment_id"])
    texts = [line["text"] for line in lines]
    assert job["state"] == "succeeded", (job, texts)
    assert (job["error"], job["progress"]) == (None, 100)
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert texts[-1] == "Live."
    assert any(text.startswith("Recognised: ") for text in texts)
    assert any(text.startswith("Commit ") for text in texts)


async def serves_once(stack: Stack, customer: Customer, case: Case) -> bool:
    """Whether database, supervisor, kernel and edge agree on one running release."""
    deployment_id, service_id = case.accepted["deployment_id"], case.accepted["service_id"]
    deployment = await customer.deployment(deployment_id)
    service = await customer.service(service_id)
    units = {info["group"]: info["statename"] for info in stack.app_processes()}
    releases = await customer.get(f"/services/{service_id}/deployments", size=100)
    ids = [item["id"] for item in releases["items"]]
    answer = await stack.visit(case.name)
    return (
        (deployment["state"], deployment["is_live"], service["status"]) == ("live", True, "running")
        and service["active_job_id"] is None
        and [one for one in ids if units.get(one) in ("RUNNING", "STARTING")] == [deployment_id]
        and len(stack.running_scripts(case.app.script)) == 1
        and {mark.split()[1].partition("@")[0] for mark in stack.marked(*ids)}
        == {f"GAVAN_WORK=unit:{deployment_id}"}
        and (answer.status_code, answer.text) == (200, case.app.text)
    )


async def all_settle(stack: Stack, customer: Customer, cases: list[Case], seconds: float = 20) -> None:
    """Soon it is so for all of them, and two rounds of the reconciler later it still is."""

    async def agreed() -> bool:
        return all([await serves_once(stack, customer, case) for case in cases])

    await stack.healthy()
    await until(agreed, seconds, f"one running release of each of {[case.name for case in cases]}")
    await asyncio.sleep(2 * float(stack.env["RECONCILE_SECONDS"]) + 0.5)
    for case in cases:
        assert await serves_once(stack, customer, case), case.name


@pytest.mark.parametrize(("part", "group"), VICTIMS, ids=IDS)
async def test_while_queued_fetching_building_and_checking(
    stack: Stack, customer: Customer, fresh: Fresh, part: str, group: bool
) -> None:
    steps = ("fetching", "building", "checking")
    cases = list(await asyncio.gather(*(held(stack, customer, step, fresh(step)) for step in steps)))
    # Three run, which is as many as the deployer takes: the fourth has to wait for its turn.
    name = fresh("queued")
    waiting = await order(stack, customer, stack.git.app(f"page of {name}", name), name)
    assert (await customer.get(f"/jobs/{waiting.accepted['job_id']}"))["state"] == "queued"

    await stack.kill(part, group=group)
    stack.git.open(*(case.gate for case in cases))

    cases.append(waiting)
    await asyncio.gather(*(ends_well(stack, customer, case) for case in cases))
    await all_settle(stack, customer, cases)
    for case in cases:
        assert len(await customer.jobs_of(case.accepted["service_id"])) == 1


@pytest.mark.parametrize(("part", "group"), VICTIMS, ids=IDS)
async def test_while_releasing_and_retiring(
    stack: Stack, customer: Customer, fresh: Fresh, part: str, group: bool
) -> None:
    git, name = stack.git, fresh("retiring")
    old = git.waiting_stop(git.app("the old one", f"{name}-old"), f"stop-{name}")
    first = await order(stack, customer, old, name)
    await customer.live(first.accepted)
    new = git.app("the new one", f"{name}-new")
    git.commit(name, new.files)
    redeployed = Case(name, new, await customer.deploy(first.accepted["service_id"]))
    # The new one is live; the old one was asked to end and takes its time.
    await git.reached(f"stop-{name}")
    assert (await customer.deployment(redeployed.accepted["deployment_id"]))["is_live"] is True
    assert (await customer.get(f"/jobs/{redeployed.accepted['job_id']}"))["state"] == "running"

    go_on = stack.pause("apps")
    other = fresh("releasing")
    released = await order(stack, customer, git.app(f"page of {other}", other), other)
    await customer.in_state(released.accepted["deployment_id"], "releasing")

    await stack.kill(part, group=group)
    go_on()
    git.open(f"stop-{name}")

    cases = [redeployed, released]
    await asyncio.gather(*(ends_well(stack, customer, case) for case in cases))
    await all_settle(stack, customer, cases)
    assert stack.running_scripts(old.script) == []
