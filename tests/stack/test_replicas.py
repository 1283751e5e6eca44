"""Three replicas under steady requests through the edge: an update and a killed replica cost none of them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx

from backend.engines import processes
from tests.stack.scenes import Case, order
from tests.support.customer import Customer
from tests.support.gates import App
from tests.support.stack import Stack, until

VISITORS = 4


@asynccontextmanager
async def visitors(stack: Stack, name: str) -> AsyncIterator[Counter[str]]:
    """What each request got, one after the other on connections of their own."""
    seen: Counter[str] = Counter()
    ended = asyncio.Event()

    async def visit() -> None:
        while not ended.is_set():
            try:
                answer = await stack.visit(name)
                seen["ok" if answer.status_code == 200 else str(answer.status_code)] += 1
            except httpx.HTTPError as error:
                seen[type(error).__name__] += 1

    tasks = [asyncio.create_task(visit()) for _ in range(VISITORS)]
    try:
        yield seen
    finally:
        ended.set()
        await asyncio.gather(*tasks)


async def enough(seen: Counter[str], more: int = 100) -> None:
    wanted = seen.total() + more

    async def there() -> bool:
        return seen.total() >= wanted

    await until(there, 120, "more requests")


async def scaled(customer: Customer, case: Case, replicas: int) -> None:
    answer = await customer.ask(
        "PUT",
        f"/services/{case.service_id}/processes",
        json={"processes": [{"name": "web", "replicas": replicas}]},
    )
    assert answer.status_code == 200, answer.text
    job = await customer.finished(answer.json()["job_id"])
    assert job["state"] == "succeeded", job


async def units(customer: Customer, case: Case) -> list[dict[str, object]]:
    shown = await customer.get(f"/services/{case.service_id}/processes")
    return [unit for process in shown["processes"] for unit in process["units"]]


async def test_no_request_is_lost(stack: Stack, customer: Customer) -> None:
    case = await order(stack, customer, App("three of them", "three.py"), "three")
    await customer.live(case.accepted)
    async with visitors(stack, "three") as seen:
        await scaled(customer, case, 3)
        assert [unit["name"] for unit in await units(customer, case)] == ["web.1", "web.2", "web.3"]
        await enough(seen)
        await customer.live(await customer.deploy(case.service_id))
        await enough(seen)
        assert len(await units(customer, case)) == 3
        live = (await customer.service(case.service_id))["live_deployment"]["id"]
        mark = f"unit:{live}.web.2@"
        victims = processes.marked(lambda value: value.startswith(mark))
        assert victims
        for pid in victims:
            # The sandbox ends with the first of them.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await enough(seen, 300)

        async def healed() -> bool:
            return {unit["state"] for unit in await units(customer, case)} == {"running"}

        await until(healed, 60, "all units run again")
        await scaled(customer, case, 1)
        await enough(seen)
    assert set(seen) == {"ok"}, seen
