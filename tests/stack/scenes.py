"""What tests of a whole installation share: orders held at a step, and what must be true afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.customer import FINAL_DEPLOYMENT, FINAL_JOB, Customer
from tests.support.gates import App
from tests.support.stack import Stack, until

Fresh = Callable[[str], str]
ALIVE = ("RUNNING", "STARTING", "BACKOFF", "STOPPING")


@dataclass
class Case:
    """An order, or a further deployment of it, and the gate at which it waits."""

    name: str
    app: App
    accepted: dict[str, Any]
    gate: str = ""

    @property
    def service_id(self) -> str:
        return str(self.accepted["service_id"])

    @property
    def deployment_id(self) -> str:
        return str(self.accepted["deployment_id"])

    @property
    def job_id(self) -> str:
        return str(self.accepted["job_id"])


async def order(stack: Stack, customer: Customer, app: App, name: str, gate: str = "") -> Case:
    stack.git.commit(name, app.files)
    return Case(name, app, await customer.order(name, stack.git.url(name)), gate)


async def served(stack: Stack, customer: Customer, name: str) -> Case:
    """A service that is live."""
    case = await order(stack, customer, stack.git.app(f"page of {name}", name), name)
    await customer.live(case.accepted)
    return case


async def held(stack: Stack, customer: Customer, step: str, name: str, *, before: Case | None = None) -> Case:
    """A deployment that has come to `step` and waits there: of a new service, or of the one of `before`."""
    git, tag = stack.git, f"{name}-next" if before else name
    gate, app = f"{step}-{tag}", git.app(f"page of {tag}", tag)
    if step == "fetching":
        gate = git.hold(name)
    elif step == "building":
        app = git.waiting_build(app, gate)
    elif step == "checking":
        app = git.waiting_start(app, gate)
    if before is None:
        case = await order(stack, customer, app, name, gate)
    else:
        git.commit(name, app.files)
        case = Case(name, app, await customer.deploy(before.service_id), gate)
    await git.reached(gate)
    await customer.in_state(case.deployment_id, step)
    return case


async def releases(customer: Customer, case: Case) -> list[dict[str, Any]]:
    """All deployments of the service, newest first."""
    page = await customer.get(f"/services/{case.service_id}/deployments", size=100)
    return list(page["items"])


async def serves_once(stack: Stack, customer: Customer, case: Case) -> bool:
    """Whether database, supervisor, kernel and edge agree on one running release."""
    deployment = await customer.deployment(case.deployment_id)
    service = await customer.service(case.service_id)
    units = {info["group"]: info["statename"] for info in stack.app_processes()}
    ids = [item["id"] for item in await releases(customer, case)]
    answer = await stack.visit(case.name)
    return (
        (deployment["state"], deployment["is_live"], service["status"]) == ("live", True, "running")
        and service["active_job_id"] is None
        and [one for one in ids if units.get(one) in ALIVE] == [case.deployment_id]
        and len(stack.running_scripts(case.app.script)) == 1
        and _kinds(stack, *ids) == {f"unit:{case.deployment_id}"}
        and (answer.status_code, answer.text) == (200, case.app.text)
    )


async def serves_nothing(stack: Stack, customer: Customer, case: Case) -> bool:
    """Whether all agree that no release of the service runs."""
    units = {info["group"]: info["statename"] for info in stack.app_processes()}
    ids = [item["id"] for item in await releases(customer, case)]
    answer = await stack.visit(case.name)
    return (
        not any(units.get(one) in ALIVE for one in ids)
        and not _kinds(stack, *ids)
        and answer.status_code in (404, 502, 503)
    )


def _kinds(stack: Stack, *deployments: str) -> set[str]:
    """`<kind>:<deployment>` of what runs for these deployments."""
    found = (mark.split()[1] for mark in stack.marked(*deployments))
    return {mark.removeprefix("GAVAN_WORK=").partition("@")[0] for mark in found}


async def soon_and_still(
    stack: Stack, checks: list[Callable[[], Any]], what: str, seconds: float = 60
) -> None:
    """Soon all is so, and it still is after two rounds of the reconciler."""

    async def agreed() -> bool:
        return all([await check() for check in checks])

    await until(agreed, seconds, what)
    await asyncio.sleep(2 * float(stack.env["RECONCILE_SECONDS"]) + 0.3)
    assert await agreed(), what


async def nothing_left(stack: Stack, case: Case, *deleted: str) -> None:
    """No unit, no process, no file, no route. Of a service that is still there, what its releases printed
    is kept; of one that was deleted (`deleted` names all its ids) not even that."""
    ids = deleted or (case.deployment_id,)

    def clean() -> bool:
        groups = {info["group"] for info in stack.app_processes()}
        return (
            not groups.intersection(ids)
            and not stack.marked(*ids)
            and not stack.belongings(*ids, logs=bool(deleted))
            and stack.running_scripts(case.app.script) == []
            and f"{case.name}.localhost" not in (stack.layout.edge / "routes.map").read_text()
        )

    await until(clean, 60, f"nothing is left of {case.name}")


async def all_final(customer: Customer, case: Case, seconds: float = 120) -> list[dict[str, Any]]:
    """The service's jobs, once each is final, with their deployments final too."""

    async def ended() -> list[dict[str, Any]]:
        jobs = await customer.jobs_of(case.service_id)
        return jobs if all(job["state"] in FINAL_JOB for job in jobs) else []

    jobs: list[dict[str, Any]] = await until(ended, seconds, f"all jobs of {case.name} are final")
    for deployment in await releases(customer, case):
        assert deployment["state"] in FINAL_DEPLOYMENT, deployment
    return jobs
