"""Live streams: everything in order, once, and an end, also when what feeds them is killed meanwhile."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.stack.scenes import Fresh, held, served
from tests.support.customer import Customer
from tests.support.stack import Stack, until

Event = tuple[str, Any]


async def events(customer: Customer, path: str, *, enough: int = 10_000, **params: Any) -> list[Event]:
    """(event, data) of a stream until its end, or until there are enough."""
    found: list[Event] = []
    async with (
        asyncio.timeout(60),
        customer.http.stream("GET", f"/api/v1{path}", params=params) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        kind = ""
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                found.append((kind, json.loads(value)))
                if len(found) >= enough:
                    break
    return found


def of(found: list[Event], kind: str) -> list[Any]:
    return [data for name, data in found if name == kind]


@pytest.mark.parametrize("killed", [None, "postgres", "redis", "workers"])
async def test_a_deployment_live(stack: Stack, customer: Customer, fresh: Fresh, killed: str | None) -> None:
    case = await held(stack, customer, "building", fresh("stream"))
    log = asyncio.create_task(events(customer, f"/deployments/{case.deployment_id}/log/stream"))
    job = asyncio.create_task(events(customer, f"/jobs/{case.job_id}/events"))
    await asyncio.sleep(0.3)
    if killed:
        await stack.kill(killed)
    stack.git.open(case.gate)
    if killed != "postgres":
        logged, told = await asyncio.gather(log, job)
        assert (logged[-1], told[-1]) == (("end", {}), ("end", {}))
        assert of(told, "job")[-1] == await customer.get(f"/jobs/{case.job_id}")
        progress = [one["progress"] for one in of(told, "job")]
        assert killed or progress == sorted(progress)
        assert of(logged, "deployment")[-1]["state"] == "live"
        lines = of(logged, "log")
    else:
        # The stream of before may end with its database; the next one goes on behind the last line seen.
        await customer.finished(case.job_id)
        early = await asyncio.gather(log, job, return_exceptions=True)
        first = of(early[0], "log") if isinstance(early[0], list) else []
        after = first[-1]["seq"] if first else 0
        path = f"/deployments/{case.deployment_id}/log/stream"
        lines = first + of(await events(customer, path, after=after), "log")
    assert lines == await customer.log_lines(case.deployment_id)
    assert lines[-1]["text"] == "Live."


async def test_of_what_has_ended(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    case = await served(stack, customer, fresh("ended"))
    logged = await events(customer, f"/deployments/{case.deployment_id}/log/stream")
    assert of(logged, "log") == await customer.log_lines(case.deployment_id)
    assert logged[-1] == ("end", {})
    rest = await events(customer, f"/deployments/{case.deployment_id}/log/stream", after=3)
    assert of(rest, "log") == of(logged, "log")[3:]
    told = await events(customer, f"/jobs/{case.job_id}/events")
    assert [name for name, _ in told] == ["job", "end"]


async def test_what_a_service_prints(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    name = fresh("prints")
    app = stack.git.app("hello", name)
    talking = "[print(f'line {number}', flush=True) for number in range(30)]"
    stack.git.commit(
        name, {**app.files, app.script: app.files[app.script].replace("\nwait(", f"\n{talking}\nwait(")}
    )
    accepted = await customer.order(name, stack.git.url(name))
    await customer.live(accepted)
    path = f"/services/{accepted['service_id']}/log"

    async def printed() -> dict[str, Any] | None:
        # What was printed comes to the log a moment later.
        page = await customer.get(path, size=1000)
        return page if any(line["text"] == "line 29" for line in page["lines"]) else None

    page = await until(printed, 30, "all lines are in the log")
    texts = [line["text"] for line in page["lines"] if line["text"].startswith("line ")]
    assert texts == [f"line {number}" for number in range(30)]
    streamed = of(await events(customer, f"{path}/stream", enough=len(page["lines"])), "log")
    assert streamed == page["lines"]
    middle = page["lines"][10]["cursor"]
    rest = await customer.get(path, after=middle, size=1000)
    assert rest["lines"] == page["lines"][11:]
    first = await customer.deployment(accepted["deployment_id"])
    started = next(step["started_at"] for step in first["steps"] if step["name"] == "releasing")
    assert {(line["deployment_id"], line["release"]) for line in page["lines"]} == {(first["id"], 1)}
    assert {line["release_started_at"] for line in page["lines"]} == {started}
    await customer.post(f"/services/{accepted['service_id']}/restart")
    again = of(await events(customer, f"{path}/stream", after=page["next"], enough=30), "log")
    assert [line["text"] for line in again if line["text"].startswith("line ")] != []
    assert not {line["cursor"] for line in again} & {line["cursor"] for line in page["lines"]}
    second = await customer.deploy(accepted["service_id"])
    await customer.live(second)

    async def second_speaks() -> list[dict[str, Any]] | None:
        lines: list[dict[str, Any]] = (await customer.get(path, size=1000))["lines"]
        return lines if lines[-1]["release"] == 2 else None

    lines = await until(second_speaks, 30, "the second release is in the log")
    assert [line["release"] for line in lines] == sorted(line["release"] for line in lines)
