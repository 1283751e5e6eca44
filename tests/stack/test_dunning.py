"""A real service stands still when money runs out, and runs again with the payment."""

from __future__ import annotations

import asyncio
from functools import partial
from uuid import UUID

from tests.stack.scenes import Case, Fresh, held, served, serves_nothing, serves_once, soon_and_still
from tests.support.coffer import Coffer
from tests.support.customer import Customer
from tests.support.stack import Stack, until


async def project_of(customer: Customer, case: Case) -> UUID:
    return UUID((await customer.service(case.service_id))["project_id"])


async def stands_still(stack: Stack, customer: Customer, case: Case) -> bool:
    service = await customer.service(case.service_id)
    said = (service["status"], service["suspended_at"] is not None, service["active_job_id"])
    return said == ("stopped", True, None) and await serves_nothing(stack, customer, case)


async def test_money_out_and_in(stack: Stack, customer: Customer, fresh: Fresh, coffer: Coffer) -> None:
    case = await served(stack, customer, fresh("unpaid"))
    project_id = await project_of(customer, case)
    await coffer.drain(project_id)
    await soon_and_still(stack, [partial(stands_still, stack, customer, case)], "it stands still")
    for what in ("start", "restart", "deployments"):
        answer = await customer.ask("POST", f"/services/{case.service_id}/{what}", json={})
        assert (answer.status_code, answer.json()["code"]) == (409, "suspended"), answer.text
    await coffer.pay(project_id, 1_000)
    await soon_and_still(stack, [partial(serves_once, stack, customer, case)], "it serves again")


async def test_a_deployment_in_flight_and_a_worker_that_dies(
    stack: Stack, customer: Customer, fresh: Fresh, coffer: Coffer
) -> None:
    case = await served(stack, customer, fresh("sinking"))
    project_id = await project_of(customer, case)
    following = await held(stack, customer, "building", case.name, before=case)
    await asyncio.gather(coffer.drain(project_id), stack.kill("workers"))
    await stack.healthy()
    job = await customer.finished(following.job_id)
    assert job["state"] == "cancelled", job
    ended = await customer.deployment(following.deployment_id)
    assert (ended["state"], ended["reason_code"]) == ("cancelled", "suspended")
    await soon_and_still(stack, [partial(stands_still, stack, customer, case)], "it stands still")
    # Stopped by its customer meanwhile: it is paid for, and stays as they want it.
    stopping = await customer.post(f"/services/{case.service_id}/stop")
    await customer.finished(stopping["job_id"])
    await coffer.pay(project_id, 1_000)

    async def free() -> bool:
        return (await customer.service(case.service_id))["suspended_at"] is None

    await until(free, 30, "nothing holds it any more")
    await soon_and_still(stack, [partial(serves_nothing, stack, customer, case)], "nothing runs")
    starting = await customer.post(f"/services/{case.service_id}/start")
    await customer.finished(starting["job_id"])
    await soon_and_still(stack, [partial(serves_once, stack, customer, case)], "it serves again")
