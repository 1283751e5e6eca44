"""`kill -9` of every part at every step of a deployment: it ends well by itself, once, and nothing is lost.

Each step is held by a gate, so the part dies exactly there; the gates open right after the kill, when the
part is still away, so that whatever lives goes on without it.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Any

import httpx
import pytest

from tests.stack.scenes import Case, Fresh, held, order, served, serves_once, soon_and_still
from tests.support.customer import Customer
from tests.support.stack import Stack

CREW = "crew"
"""Each worker by itself, while whoever forks them lives."""
# (part, whether its children are killed with it)
VICTIMS = [
    *(("workers", False), (CREW, True), ("api", True)),
    *(("redis", True), ("postgres", False), ("apps", False), ("edge", True), ("edge", False)),
]
IDS = [f"{part}{'' if group else '-alone'}" for part, group in VICTIMS]
BOUND = 120.0


async def kill(stack: Stack, part: str, group: bool) -> None:
    await (stack.kill_crew() if part == CREW else stack.kill(part, group=group))


async def ends_well(customer: Customer, case: Case) -> None:
    """One final state, by itself, and every line of the log."""
    job = await customer.finished(case.job_id, BOUND)
    lines = await customer.log_lines(case.deployment_id)
    texts = [line["text"] for line in lines]
    assert job["state"] == "succeeded", (job, texts)
    assert (job["error"], job["progress"]) == (None, 100)
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert texts[-1] == "Live."
    for begin in ("Fetching ", "Commit ", "Recognised: ", "Built in ", "Started on port ", "Answers 200 at "):
        assert any(text.startswith(begin) for text in texts), (begin, texts)


async def all_settle(stack: Stack, customer: Customer, cases: list[Case]) -> None:
    await stack.healthy()
    checks = [partial(serves_once, stack, customer, case) for case in cases]
    await soon_and_still(stack, checks, f"one running release of each of {[case.name for case in cases]}")


@pytest.mark.parametrize(("part", "group"), VICTIMS, ids=IDS)
async def test_while_queued_fetching_building_and_checking(
    stack: Stack, customer: Customer, fresh: Fresh, part: str, group: bool
) -> None:
    steps = ("fetching", "building", "checking")
    cases = list(await asyncio.gather(*(held(stack, customer, step, fresh(step)) for step in steps)))
    # Three run, which is as many as the deployer takes: the fourth has to wait for its turn.
    name = fresh("queued")
    waiting = await order(stack, customer, stack.git.app(f"page of {name}", name), name)
    assert (await customer.get(f"/jobs/{waiting.job_id}"))["state"] == "queued"

    await kill(stack, part, group)
    stack.git.open(*(case.gate for case in cases))

    cases.append(waiting)
    await asyncio.gather(*(ends_well(customer, case) for case in cases))
    await all_settle(stack, customer, cases)
    for case in cases:
        assert len(await customer.jobs_of(case.service_id)) == 1


@pytest.mark.parametrize(("part", "group"), VICTIMS, ids=IDS)
async def test_while_releasing_and_retiring(
    stack: Stack, customer: Customer, fresh: Fresh, part: str, group: bool
) -> None:
    git, name, other = stack.git, fresh("retiring"), fresh("releasing")
    old = git.waiting_stop(git.app("the old one", f"{name}-old"), f"stop-{name}")
    first = await order(stack, customer, old, name)
    await customer.live(first.accepted)
    new = git.app("the new one", f"{name}-new")
    git.commit(name, new.files)
    redeployed = Case(name, new, await customer.deploy(first.service_id))
    # The new one is live; the old one was asked to end and takes its time.
    await git.reached(f"stop-{name}")
    assert (await customer.deployment(redeployed.deployment_id))["is_live"] is True
    assert (await customer.get(f"/jobs/{redeployed.job_id}"))["state"] == "running"

    go_on = stack.pause("apps")
    released = await order(stack, customer, git.app(f"page of {other}", other), other)
    await customer.in_state(released.deployment_id, "releasing")

    await kill(stack, part, group)
    go_on()
    git.open(f"stop-{name}")

    cases = [redeployed, released]
    await asyncio.gather(*(ends_well(customer, case) for case in cases))
    await all_settle(stack, customer, cases)
    assert stack.running_scripts(old.script) == []


@pytest.mark.parametrize("part", ["api", "postgres", "redis", "edge"])
async def test_orders_are_taken_once(stack: Stack, customer: Customer, fresh: Fresh, part: str) -> None:
    """Killed while orders come in: whoever sends the same again with its key has one service, not two."""
    names = [fresh(f"once{number}") for number in range(6)]
    apps = [stack.git.app(f"page of {name}", name) for name in names]
    for name, app in zip(names, apps, strict=True):
        stack.git.commit(name, app.files)
    sent = asyncio.Event()

    async def insist(name: str) -> dict[str, Any]:
        body, key = customer.order_body(name, stack.git.url(name)), {"Idempotency-Key": f"key-{name}"}
        async with asyncio.timeout(BOUND):
            while True:
                sent.set()
                with contextlib.suppress(httpx.TransportError):
                    answer = await customer.ask("POST", "/orders", json=body, headers=key)
                    if answer.status_code == 202:
                        return dict(answer.json())
                    assert answer.status_code in (502, 503), answer.text
                await asyncio.sleep(0.05)

    asking = [asyncio.create_task(insist(name)) for name in names]
    await sent.wait()
    await asyncio.sleep(0.02)
    await stack.kill(part)
    accepted = await asyncio.gather(*asking)
    cases = [Case(*found) for found in zip(names, apps, accepted, strict=True)]
    listed = (await customer.get("/services", size=100))["items"]
    assert sorted(one["name"] for one in listed) == sorted(names)
    await asyncio.gather(*(ends_well(customer, case) for case in cases))
    await all_settle(stack, customer, cases)
    for case in cases:
        assert len(await customer.jobs_of(case.service_id)) == 1


@pytest.mark.parametrize("part", ["apps", "edge", "redis", "postgres", "api"])
async def test_what_runs_goes_on_running(stack: Stack, customer: Customer, fresh: Fresh, part: str) -> None:
    """No deployment is under way; afterwards the same release serves, once."""
    case = await served(stack, customer, fresh("steady"))
    await stack.kill(part, group=part == "edge")
    await all_settle(stack, customer, [case])
