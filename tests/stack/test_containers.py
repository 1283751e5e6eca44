"""A whole installation on the Docker engine: whatever happens to one release, another serves visitors."""

from __future__ import annotations

import pytest

from tests.stack.scenes import Case, Fresh, order
from tests.support.containerstack import ContainerStack
from tests.support.customer import Customer
from tests.support.gates import App
from tests.support.stack import until
from tests.support.visitors import visiting

LARGE_PLAN = "schooner"


async def next_release(stack: ContainerStack, customer: Customer, case: Case, app: App, end: str) -> str:
    """Push it and deploy; its deployment's id, once it ended as expected."""
    stack.git.commit(case.name, app.files)
    accepted = await customer.deploy(case.service_id)
    job = await customer.finished(accepted["job_id"])
    deployment_id = str(accepted["deployment_id"])
    assert (await customer.deployment(deployment_id))["state"] == end, (
        job,
        await customer.log_text(deployment_id),
    )
    return deployment_id


async def why_not_back(customer: Customer, case: Case) -> str:
    """The code of the refusal, or of the failure where the loss was not noticed yet."""
    body = {"deployment_id": case.deployment_id}
    answer = await customer.ask("POST", f"/services/{case.service_id}/rollbacks", json=body)
    if answer.status_code == 202:
        return str((await customer.finished(answer.json()["job_id"]))["error"]["code"])
    return str(answer.json()["code"])


async def test_nobody_notices_what_happens_behind_the_edge(
    container_stack: ContainerStack, container_customer: Customer, fresh: Fresh
) -> None:
    """An update, a release that ends at once, one that does not answer, and a build that is gone."""
    stack, customer, name = container_stack, container_customer, fresh("steady")
    first, second = stack.git.app("the first", name), stack.git.app("the second", f"{name}-2")
    case = await order(stack, customer, first, name)
    await customer.live(case.accepted)
    async with visiting(stack, name) as visits:
        await visits.see("the first")
        live = await next_release(stack, customer, case, second, "live")
        await visits.see("the second")

        ends = App("never seen", f"{name}-3.py", before="sys.exit('no harbour')")
        failed = await next_release(stack, customer, case, ends, "failed")
        assert "no harbour" in (await customer.deployment(failed))["reason"]
        assert stack.containers(failed) == []

        # It says that it is broken, and goes on saying so.
        broken = App("never seen", f"{name}-4.py", before="Page.do_GET = lambda page: page.send_error(500)")
        body = {"health_path": "/"}
        assert (await customer.ask("PATCH", f"/services/{case.service_id}", json=body)).status_code == 200
        failed = await next_release(stack, customer, case, broken, "failed")
        assert "500" in (await customer.deployment(failed))["reason"]

        (tag,) = [tag for tag in stack.images() if case.deployment_id in tag]
        stack.docker.remove_image(tag, force=True)
        assert await why_not_back(customer, case) in ("release_missing", "release_not_kept")

        await visits.see("the second")
    assert visits.failed == []
    assert set(visits.texts) == {"the first", "the second"}
    service = await customer.service(case.service_id)
    assert (service["status"], service["live_deployment"]["id"]) == ("running", live)


async def scaled_to(customer: Customer, case: Case, replicas: int) -> None:
    body = {"processes": [{"name": "web", "replicas": replicas}]}
    answer = await customer.ask("PUT", f"/services/{case.service_id}/processes", json=body)
    assert answer.status_code == 200, answer.text
    job = await customer.finished(answer.json()["job_id"])
    assert job["state"] == "succeeded", job


async def all_up(customer: Customer, case: Case, count: int) -> None:
    """So many units of `web` run and listen, as the panel sees it."""

    async def up() -> bool:
        shown = await customer.get(f"/services/{case.service_id}/processes")
        units = shown["processes"][0]["units"]
        return [(unit["state"], unit["listening"]) for unit in units] == [("running", True)] * count

    await until(up, 60, f"{count} units of {case.name} run")


async def test_nobody_notices_a_change_of_replicas(
    container_stack: ContainerStack, container_customer: Customer, fresh: Fresh
) -> None:
    """Three replicas under load: an update, one that is killed, and one that stays of three."""
    stack, customer, name = container_stack, container_customer, fresh("fleet")
    first, second = stack.git.app("the first fleet", name), stack.git.app("the second fleet", f"{name}-2")
    case = await order(stack, customer, first, name)
    await customer.live(case.accepted)
    async with visiting(stack, name) as visits:
        await scaled_to(customer, case, 3)
        live = await next_release(stack, customer, case, second, "live")
        await visits.see("the second fleet")
        assert len(stack.containers(live)) == 3

        victim = stack.containers(live)[0]["Id"]
        stack.docker.kill(victim)
        for _ in range(50):
            await visits.see("the second fleet")
        await until(lambda: victim not in [one["Id"] for one in stack.containers(live)], 60, "it is gone")
        await all_up(customer, case, 3)

        await scaled_to(customer, case, 1)
        for _ in range(50):
            await visits.see("the second fleet")
        assert len(stack.containers(live)) == 1
    assert visits.failed == []
    assert set(visits.texts) == {"the first fleet", "the second fleet"}


@pytest.mark.parametrize("step", ["building", "releasing", "checking"])
async def test_a_deployer_that_is_killed(
    container_stack: ContainerStack, container_customer: Customer, fresh: Fresh, step: str
) -> None:
    stack, customer, name = container_stack, container_customer, fresh(step)
    app = stack.git.app(f"page of {name}", name)
    case = await order(stack, customer, App(app.text, app.script, before="time.sleep(2)"), name)
    await customer.in_state(case.deployment_id, step)
    await stack.kill("workers")
    await stack.healthy()
    await customer.live(case.accepted)
    assert (await stack.visit(name)).text == f"page of {name}"
    assert len(stack.containers(case.deployment_id)) == 1
    assert len(await customer.jobs_of(case.service_id)) == 1


HOGS = {
    "forks": "import threading\nwhile os.fork() or True: pass",
    "memory": "held = []\nwhile True: held.append(bytearray(2**22))",
    "log": "line = 'x' * 4000\nwhile True: print(line, flush=True)",
}


@pytest.mark.parametrize("hog", HOGS)
async def test_hogs_harm_only_themselves(
    container_stack: ContainerStack, container_customer: Customer, fresh: Fresh, hog: str
) -> None:
    stack, customer = container_stack, container_customer
    quiet, loud = fresh("quiet"), fresh(hog)
    neighbour = await order(stack, customer, stack.git.app("still here", quiet), quiet)
    await customer.live(neighbour.accepted)
    greedy = HOGS[hog].replace("\n", "\n    ")
    before = (
        f"import threading\ndef hog():\n    time.sleep(3)\n    {greedy}\nthreading.Thread(target=hog).start()"
    )
    app = App("hungry", f"{loud}.py", before=before)
    async with visiting(stack, quiet) as visits:
        case = await order(stack, customer, app, loud)
        job = await customer.finished(case.job_id)
        assert job["state"] in ("succeeded", "failed")
        for _ in range(50):
            await visits.see("still here")
    assert visits.failed == []
    assert (await customer.service(neighbour.service_id))["status"] == "running"
    logs = stack.layout.engine / "logs"
    size = sum(file.stat().st_size for file in logs.rglob("*") if file.is_file())
    assert size < 64 * 2**20
    if hog == "memory":

        async def told() -> bool:
            service = await customer.service(case.service_id)
            return "memory" in str(service["status_reason"])

        await until(told, 90, "it is said that memory ran out")
