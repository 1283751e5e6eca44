"""Two things at once: one sensible outcome each, and what is shown is what runs."""

from __future__ import annotations

import asyncio
import random
import uuid
from functools import partial

import httpx
import pytest

from tests.stack.scenes import (
    Case,
    Fresh,
    all_final,
    held,
    nothing_left,
    order,
    releases,
    served,
    serves_nothing,
    serves_once,
    soon_and_still,
)
from tests.support.customer import Customer
from tests.support.stack import Stack, until

STEPS = ("fetching", "building", "checking")


async def many(count: int, ask) -> list[httpx.Response]:  # type: ignore[no-untyped-def]
    return list(await asyncio.gather(*(ask() for _ in range(count))))


class TestOrders:
    async def test_with_one_name_at_once(self, stack: Stack, customer: Customer, fresh: Fresh) -> None:
        """By one customer and by another: one has it, the others are told, and nothing of them is left."""
        name, other = fresh("race"), await stack.customer()
        stack.git.commit(name, stack.git.app("hello", name).files)
        body = customer.order_body(name, stack.git.url(name), variables={"A": "b"})
        people = [customer, other] * 5
        before = await _counted(stack)
        answers = await asyncio.gather(*(one.ask("POST", "/orders", json=body) for one in people))
        won = [answer for answer in answers if answer.status_code == 202]
        lost = [answer for answer in answers if answer.status_code == 409]
        assert (len(won), len(lost)) == (1, len(people) - 1)
        assert {answer.json()["code"] for answer in lost} == {"name_taken"}
        after = await _counted(stack)
        assert {table: after[table] - before[table] for table in after} == dict.fromkeys(after, 1)
        owner = people[answers.index(won[0])]
        await owner.live(won[0].json())
        await other.delete_everything()
        await other.close()

    async def test_double_click(self, stack: Stack, customer: Customer, fresh: Fresh) -> None:
        name = fresh("click")
        stack.git.commit(name, stack.git.app("hello", name).files)
        body, key = customer.order_body(name, stack.git.url(name)), {"Idempotency-Key": fresh("key")}
        answers = await many(10, lambda: customer.ask("POST", "/orders", json=body, headers=key))
        assert {answer.status_code for answer in answers} == {202}
        accepted = answers[0].json()
        assert all(answer.json() == accepted for answer in answers)
        assert {answer.headers["location"] for answer in answers} == {f"/api/v1/jobs/{accepted['job_id']}"}
        assert len((await customer.get("/services"))["items"]) == 1
        assert len(await customer.jobs_of(accepted["service_id"])) == 1
        await customer.live(accepted)
        again = await customer.ask("POST", "/orders", json=body, headers=key)
        assert (again.status_code, again.json()) == (202, accepted)

        changed = await customer.ask("POST", "/orders", json=body | {"health_path": "/x"}, headers=key)
        assert (changed.status_code, changed.json()["code"]) == (409, "idempotency_key_reused")
        elsewhere = f"/services/{accepted['service_id']}/deployments"
        answer = await customer.ask("POST", elsewhere, json={}, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")
        assert len(await customer.jobs_of(accepted["service_id"])) == 1

    async def test_a_key_of_a_failed_request_can_be_used_again(
        self, stack: Stack, customer: Customer, fresh: Fresh
    ) -> None:
        name, key = fresh("again"), {"Idempotency-Key": fresh("key")}
        stack.git.commit(name, stack.git.app("hello", name).files)
        wrong = customer.order_body(name, stack.git.url(name)) | {"plan_id": "none-such"}
        answer = await customer.ask("POST", "/orders", json=wrong, headers=key)
        assert answer.status_code == 422
        right = customer.order_body(name, stack.git.url(name))
        assert (await customer.ask("POST", "/orders", json=right, headers=key)).status_code == 202

    async def test_keys_belong_to_their_user(self, stack: Stack, customer: Customer, fresh: Fresh) -> None:
        other, key = await stack.customer(), {"Idempotency-Key": fresh("key")}
        names = {customer: fresh("mine"), other: fresh("theirs")}
        answers = []
        for person, name in names.items():
            stack.git.commit(name, stack.git.app("hello", name).files)
            body = person.order_body(name, stack.git.url(name))
            answers.append(await person.ask("POST", "/orders", json=body, headers=key))
        assert [answer.json()["service"]["name"] for answer in answers] == list(names.values())
        await other.delete_everything()
        await other.close()


async def _counted(stack: Stack) -> dict[str, int]:
    tables = ("services", "deployments", "orders", "jobs", "service_variables")
    counts = ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in tables)
    return dict((await stack.rows(f"SELECT {counts}"))[0])


class TestDeployments:
    async def test_two_at_once(self, stack: Stack, customer: Customer, fresh: Fresh) -> None:
        case = await served(stack, customer, fresh("twice"))
        newer = stack.git.app("the newer one", f"{case.name}-newer")
        stack.git.commit(case.name, newer.files)
        answers = await many(4, lambda: customer.deploy(case.service_id))
        await all_final(customer, case)
        states = {item["number"]: item["state"] for item in await releases(customer, case)}
        assert sorted(states) == [1, 2, 3, 4, 5]
        # The newest always goes live; one before it may have begun, those that had not were superseded.
        assert states[5] == "live"
        assert set(states.values()) <= {"live", "superseded"}
        newest = max(answers, key=lambda one: str(one["deployment_id"]))
        last = Case(case.name, newer, newest)
        await soon_and_still(stack, [partial(serves_once, stack, customer, last)], "the newest serves")

    async def test_a_newer_one_supersedes_what_waits(
        self, stack: Stack, customer: Customer, fresh: Fresh
    ) -> None:
        running = await held(stack, customer, "building", fresh("super"))
        newest = stack.git.app("the newest one", f"{running.name}-newest")
        stack.git.commit(running.name, newest.files)
        skipped = await customer.deploy(running.service_id)
        last = Case(running.name, newest, await customer.deploy(running.service_id))
        deployment = await customer.deployment(skipped["deployment_id"])
        assert (deployment["state"], deployment["reason_code"]) == ("superseded", "superseded")
        job = await customer.get(f"/jobs/{skipped['job_id']}")
        assert (job["state"], job["attempts"]) == ("cancelled", 0)
        assert (await customer.deployment(running.deployment_id))["state"] == "building"
        stack.git.open(running.gate)
        await customer.live(running.accepted)
        await customer.live(last.accepted)
        await soon_and_still(stack, [partial(serves_once, stack, customer, last)], "the newest serves")

    async def test_double_click(self, stack: Stack, customer: Customer, fresh: Fresh) -> None:
        case = await served(stack, customer, fresh("click"))
        path, key = f"/services/{case.service_id}/deployments", {"Idempotency-Key": fresh("key")}
        answers = await many(8, lambda: customer.ask("POST", path, json={}, headers=key))
        assert {answer.status_code for answer in answers} == {202}
        assert all(answer.json() == answers[0].json() for answer in answers)
        await all_final(customer, case)
        assert len(await releases(customer, case)) == 2


class TestCancel:
    @pytest.mark.parametrize("step", STEPS)
    async def test_the_first_deployment(
        self, stack: Stack, customer: Customer, fresh: Fresh, step: str
    ) -> None:
        case = await held(stack, customer, step, fresh("cancel"))
        answer = await customer.ask("POST", f"/jobs/{case.job_id}/cancel")
        assert (answer.status_code, answer.json()["cancel_requested"]) == (202, True)
        job = await customer.finished(case.job_id)
        deployment = await customer.deployment(case.deployment_id)
        assert {job["state"], deployment["state"], deployment["reason_code"]} == {"cancelled"}
        service = await customer.service(case.service_id)
        assert (service["status"], service["live_deployment"]) == ("pending", None)
        await nothing_left(stack, case)
        stack.git.open(case.gate)
        assert await serves_nothing(stack, customer, case)

    @pytest.mark.parametrize("step", STEPS)
    async def test_a_later_one_leaves_the_old_serving(
        self, stack: Stack, customer: Customer, fresh: Fresh, step: str
    ) -> None:
        old = await served(stack, customer, fresh("keep"))
        case = await held(stack, customer, step, old.name, before=old)
        assert (await stack.visit(old.name)).text == old.app.text
        await customer.ask("POST", f"/jobs/{case.job_id}/cancel")
        job = await customer.finished(case.job_id)
        assert job["state"] == "cancelled"
        assert stack.running_scripts(case.app.script) == []
        assert stack.belongings(case.deployment_id, logs=False) == []
        await soon_and_still(stack, [partial(serves_once, stack, customer, old)], "the old one serves")

    async def test_what_waits(self, stack: Stack, customer: Customer, fresh: Fresh) -> None:
        case = await held(stack, customer, "building", fresh("wait"))
        waiting = await customer.deploy(case.service_id)
        answer = await customer.ask("POST", f"/jobs/{waiting['job_id']}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
        assert (await customer.deployment(waiting["deployment_id"]))["state"] == "cancelled"
        again = await customer.ask("POST", f"/jobs/{waiting['job_id']}/cancel")
        assert (again.status_code, again.json()["code"]) == (409, "job_ended")
        stack.git.open(case.gate)
        await customer.live(case.accepted)
        await soon_and_still(stack, [partial(serves_once, stack, customer, case)], "the first serves")

    async def test_against_the_end(self, stack: Stack, customer: Customer, fresh: Fresh) -> None:
        """Called off at the very moment at which it goes live: either is fine, both at once is not."""

        async def one(pause: float) -> None:
            case = await held(stack, customer, "checking", fresh("close"))
            stack.git.open(case.gate)
            await asyncio.sleep(pause)
            answer = await customer.ask("POST", f"/jobs/{case.job_id}/cancel")
            job = await customer.finished(case.job_id)
            deployment = await customer.deployment(case.deployment_id)
            agreed = (job["state"], deployment["state"], deployment["is_live"])
            assert agreed in [("cancelled", "cancelled", False), ("succeeded", "live", True)]
            if answer.status_code == 409:
                assert answer.json()["code"] == "job_ended"
                assert job["state"] == "succeeded"
            check = serves_once if deployment["is_live"] else serves_nothing
            await soon_and_still(stack, [partial(check, stack, customer, case)], f"{agreed} is the truth")

        await asyncio.gather(*(one(pause) for pause in (0.0, 0.15, 0.3)))


@pytest.mark.parametrize("what", ["cancel", "delete"])
async def test_while_it_is_handed_to_its_supervisor(
    stack: Stack, customer: Customer, fresh: Fresh, what: str
) -> None:
    """Called off while the supervisor of apps is slow to take it over."""
    name = fresh("slow")
    go_on = stack.pause("apps")
    case = await order(stack, customer, stack.git.app("hello", name), name)
    await customer.in_state(case.deployment_id, "releasing")
    if what == "cancel":
        answer = await customer.ask("POST", f"/jobs/{case.job_id}/cancel")
    else:
        answer = await customer.ask("DELETE", f"/services/{case.service_id}")
    assert answer.status_code == 202
    await until(lambda: cancel_was_seen(stack, case), 60, "the deployment is being called off")
    go_on()
    assert (await customer.finished(case.job_id))["state"] == "cancelled"
    if what == "cancel":
        assert (await customer.service(case.service_id))["status"] == "pending"
        await nothing_left(stack, case)
    else:
        await customer.finished(answer.json()["job_id"])
        await nothing_left(stack, case, case.deployment_id, case.service_id)


async def cancel_was_seen(stack: Stack, case: Case) -> bool:
    (row,) = await stack.rows("SELECT state FROM deployments WHERE id = $1", uuid.UUID(case.deployment_id))
    return bool(row["state"] == "cancelled")


class TestDelete:
    @pytest.mark.parametrize("step", STEPS)
    async def test_during_a_deployment(
        self, stack: Stack, customer: Customer, fresh: Fresh, step: str
    ) -> None:
        case = await held(stack, customer, step, fresh("gone"))
        waiting = await customer.deploy(case.service_id)
        job = await customer.delete(case.service_id)
        assert job["state"] == "succeeded"
        for job_id in (case.job_id, waiting["job_id"]):
            assert (await customer.finished(job_id))["state"] == "cancelled"
        for path in (f"/services/{case.service_id}", f"/deployments/{case.deployment_id}"):
            assert (await customer.ask("GET", path)).status_code == 404
        await nothing_left(stack, case, case.deployment_id, waiting["deployment_id"], case.service_id)
        left = await stack.rows(
            "SELECT 1 FROM service_variables WHERE service_id = $1 UNION ALL"
            " SELECT 1 FROM deployments WHERE service_id = $1 AND environment IS NOT NULL UNION ALL"
            " SELECT 1 FROM deployment_log_lines JOIN deployments d ON d.id = deployment_id"
            " WHERE d.service_id = $1",
            uuid.UUID(case.service_id),
        )
        assert left == []
        stack.git.open(case.gate)

    async def test_the_name_is_free_again(self, stack: Stack, customer: Customer, fresh: Fresh) -> None:
        first = await served(stack, customer, fresh("reuse"))
        await customer.delete(first.service_id)
        await until(partial(nobody_serves, stack, first.name), 30, "the edge knows it no more")
        app = stack.git.app("somebody new", f"{first.name}-2")
        second = await order(stack, customer, app, first.name)
        await customer.live(second.accepted)
        assert (await stack.visit(first.name)).text == "somebody new"
        await nothing_left_but(stack, first, second)

    async def test_twice_and_with_a_deploy(self, stack: Stack, customer: Customer, fresh: Fresh) -> None:
        case = await served(stack, customer, fresh("end"))
        path = f"/services/{case.service_id}"
        answers = await asyncio.gather(
            customer.ask("DELETE", path),
            customer.ask("POST", f"{path}/deployments", json={}),
            customer.ask("DELETE", path),
            customer.ask("POST", f"{path}/restart"),
        )
        deletions = [answers[0], answers[2]]
        accepted = [answer for answer in deletions if answer.status_code == 202]
        assert len(accepted) == 1
        for answer in answers:
            assert answer.status_code in (202, 404) or answer.json()["code"] == "service_deleting"
        job = await customer.finished(accepted[0].json()["job_id"])
        assert job["state"] == "succeeded"
        await nothing_left(stack, case, case.deployment_id, case.service_id)
        for job in await customer.jobs_of(case.service_id):
            assert job["state"] in ("succeeded", "cancelled")


async def nobody_serves(stack: Stack, name: str) -> bool:
    return (await stack.visit(name)).status_code == 404


async def nothing_left_but(stack: Stack, first: Case, second: Case) -> None:
    await until(
        lambda: not stack.belongings(first.deployment_id, first.service_id),
        30,
        "the first one's files are gone",
    )
    assert stack.running_scripts(first.app.script) == []
    assert len(stack.running_scripts(second.app.script)) == 1


class TestOperations:
    async def test_stop_during_a_deployment(self, stack: Stack, customer: Customer, fresh: Fresh) -> None:
        """What was asked last is what is so in the end."""
        old = await served(stack, customer, fresh("halt"))
        case = await held(stack, customer, "checking", old.name, before=old)
        stopping = await customer.post(f"/services/{case.service_id}/stop")
        assert (await customer.get(f"/jobs/{stopping['job_id']}"))["state"] == "queued"
        stack.git.open(case.gate)
        assert (await customer.finished(stopping["job_id"]))["state"] == "succeeded"
        assert (await customer.deployment(case.deployment_id))["state"] == "live"
        assert (await customer.service(case.service_id))["status"] == "stopped"
        checks = [partial(serves_nothing, stack, customer, case)]
        await soon_and_still(stack, checks, "the stopped service stays stopped")
        starting = await customer.post(f"/services/{case.service_id}/start")
        assert (await customer.finished(starting["job_id"]))["state"] == "succeeded"
        await soon_and_still(stack, [partial(serves_once, stack, customer, case)], "it serves again")

    async def test_many_mixed_on_one_service(self, stack: Stack, customer: Customer, fresh: Fresh) -> None:
        case = await served(stack, customer, fresh("storm"))
        newer = stack.git.app("after the storm", f"{case.name}-newer")
        stack.git.commit(case.name, newer.files)
        path = f"/services/{case.service_id}"
        asked = ["stop", "start", "restart", "deployments"] * 5
        random.Random(4).shuffle(asked)
        answers = await asyncio.gather(*(customer.ask("POST", f"{path}/{verb}", json={}) for verb in asked))
        assert {answer.status_code for answer in answers} == {202}
        jobs = await all_final(customer, case, 120)
        assert {job["state"] for job in jobs} <= {"succeeded", "cancelled"}, jobs
        service = await customer.service(case.service_id)
        live = await customer.deployment(service["live_deployment"]["id"])
        app = case.app if live["id"] == case.deployment_id else newer
        ended = Case(case.name, app, {**case.accepted, "deployment_id": live["id"]})
        assert service["status"] in ("running", "stopped")
        check = serves_once if service["status"] == "running" else serves_nothing
        await soon_and_still(stack, [partial(check, stack, customer, ended)], "what is shown is what runs")
