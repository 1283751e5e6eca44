"""A stack of images on the Docker engine: one order makes all of it, and its data outlives its releases."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from tests.stack.scenes import Fresh
from tests.support.containerstack import ContainerStack
from tests.support.customer import Customer
from tests.support.stack import until
from tests.support.templateimages import mirror

TEMPLATE = "n8n-queue"
FILES = Path(__file__).resolve().parents[2] / "backend" / "stacks" / "templates" / TEMPLATE
FIRST = FILES.joinpath("1.toml").read_text()
SECOND = FIRST.replace("version = 1\n", "version = 1000\n").replace("postgres:17.6", "postgres:17.7")
IMAGES = ("n8nio/n8n:2.20.9", "library/postgres:17.6", "library/postgres:17.7", "library/redis:8.2.1")


async def all_live(customer: Customer, stack_id: str, seconds: float = 150) -> dict[str, dict[str, Any]]:
    """Its services by part, once the newest deployment of each serves."""
    deadline = time.monotonic() + seconds
    while True:
        services = (await customer.get(f"/stacks/{stack_id}"))["services"]
        for one in services:
            if one["deployment_state"] == "failed":
                raise AssertionError((one, await customer.log_text(one["deployment_id"])))
        if {(one["deployment_state"], one["status"]) for one in services} == {("live", "running")}:
            return {one["part"]: one for one in services}
        assert time.monotonic() < deadline, services
        await asyncio.sleep(0.1)


async def test_n8n_with_workers_reaches_its_siblings_and_keeps_its_data(
    container_stack: ContainerStack, container_customer: Customer, fresh: Fresh, tmp_path: Path
) -> None:
    stack, customer, name = container_stack, container_customer, fresh("flows")
    with mirror(stack.docker, tmp_path, stack.template_registry, IMAGES):
        accepted = await customer.post("/stacks", {"template_id": TEMPLATE, "name": name})
        stack_id = accepted["stack_id"]
        first = await all_live(customer, stack_id)
        assert first["db"]["image"] == f"{stack.template_registry}/library/postgres:17.6"
        shown = (await stack.visit(name, "/?keep=a+log")).json()
        assert (shown["version"], shown["own"], shown["db"]["keep"]) == ("2.20.9", "a log", "a log")
        assert shown["WEBHOOK_URL"] == first["app"]["url"] + "/"
        # Nobody but the project reaches what is private.
        assert (await stack.visit(f"{name}-db")).status_code == 404

        async def worker() -> bool:
            return (await stack.visit(name)).json()["broker"].get("worker") == "2.20.9"

        await until(worker, 60, "a worker told the broker of itself")
        await offer_second(stack)
        answer = await customer.post(f"/stacks/{stack_id}/upgrade", {"version": 1000})
        assert len(answer["job_ids"]) == 1
        second = await all_live(customer, stack_id)
        assert second["app"]["deployment_id"] == first["app"]["deployment_id"]
        after = (await stack.visit(name)).json()
        assert after["db"] == {"version": "17.7", "keep": "a log"}
        assert after["broker"] == shown["broker"] | {"worker": "2.20.9"}

        restart = await customer.post(f"/services/{second['db']['id']}/restart")
        assert (await customer.finished(restart["job_id"]))["state"] == "succeeded"

        async def back() -> bool:
            answer = await stack.visit(name)
            return answer.status_code == 200 and answer.json()["db"] == after["db"]

        await until(back, 60, "the database has what it had")


async def offer_second(stack: ContainerStack) -> None:
    """As an operator adds a version: a file, and the panel begins anew."""
    folder = stack.layout.root / "backend" / "stacks" / "templates" / TEMPLATE
    (folder / "1000.toml").write_text(SECOND)
    await stack.kill("api")
    await stack.healthy()
