"""Rolling back on a whole installation: what serves, what is killed meanwhile, and how long it takes."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from tests.stack.scenes import (
    Case,
    Fresh,
    all_final,
    held,
    nothing_left,
    releases,
    serves_once,
    soon_and_still,
)
from tests.support.customer import Customer
from tests.support.gates import App
from tests.support.stack import Stack, until

GREETING = "print('greeting', os.environ.get('GREETING'), flush=True)"


@dataclass
class Two:
    """A service with two releases: the first one's start can be held, the second one serves."""

    old: Case
    new: Case
    gate: str

    def back(self, accepted: dict[str, Any]) -> Case:
        """The rollback to the first one."""
        return Case(self.old.name, self.old.app, accepted, self.gate)


async def two(stack: Stack, customer: Customer, name: str, **changes: Any) -> Two:
    git, gate = stack.git, f"start-{name}"
    first = git.waiting_start(App(f"the old {name}", f"old_{name}.py", before=GREETING), gate)
    first = App(**{**first.__dict__, **changes})
    git.open(gate)
    git.commit(name, first.files)
    accepted = await customer.order(name, git.url(name), variables={"GREETING": "one"})
    old = Case(name, first, accepted)
    await customer.live(old.accepted)
    second = App(f"the new {name}", f"new_{name}.py")
    git.commit(name, second.files)
    answer = await customer.ask(
        "PUT", f"/services/{old.service_id}/variables", json={"variables": {"GREETING": "two", "MORE": "yes"}}
    )
    assert answer.status_code == 200, answer.text
    new = Case(name, second, await customer.deploy(old.service_id))
    await customer.live(new.accepted)
    return Two(old, new, gate)


async def roll_back(customer: Customer, pair: Two) -> Case:
    return pair.back(await customer.roll_back(pair.old.service_id, pair.old.deployment_id))


async def held_rollback(stack: Stack, customer: Customer, pair: Two) -> Case:
    """In `checking`: the old release starts again and does not listen yet."""
    stack.git.close(pair.gate)
    case = await roll_back(customer, pair)
    await stack.git.reached(pair.gate)
    await customer.in_state(case.deployment_id, "checking")
    return case


def seconds(deployment: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(deployment[name]) for name in ("created_at", "finished_at"))
    return (ended - began).total_seconds()


async def test_the_old_release_serves_again(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    pair = await two(stack, customer, fresh("back"))
    service_id, old_id, new_id = pair.old.service_id, pair.old.deployment_id, pair.new.deployment_id
    changes = await customer.get(f"/deployments/{old_id}/changes")
    assert changes["against"] == {"id": new_id, "number": 2}
    assert [one["name"] for one in changes["settings"]] == ["commit", "command"]
    assert changes["variables"] == [
        {"name": "GREETING", "change": "changed"},
        {"name": "MORE", "change": "removed"},
    ]
    answers: list[tuple[int, str]] = []
    done = asyncio.Event()

    async def visit_on() -> None:
        while not done.is_set():
            answer = await stack.visit(pair.old.name)
            answers.append((answer.status_code, answer.text))

    visiting = asyncio.create_task(visit_on())
    case = await roll_back(customer, pair)
    deployment = await customer.live(case.accepted)
    # One more visit may be on its way.
    before = len(answers) + 1
    await soon_and_still(stack, [partial(serves_once, stack, customer, case)], "the old release serves")
    done.set()
    await visiting
    # Nobody was turned away. While the edge changes over, either may answer; once it is said to be live,
    # only the old one.
    assert {status for status, _ in answers} == {200}
    texts = [text for _, text in answers]
    assert set(texts[:before]) <= {pair.new.app.text, pair.old.app.text}
    assert set(texts[before:]) == {pair.old.app.text}

    assert (deployment["restores"], deployment["trigger"]) == ({"id": old_id, "number": 1}, "rollback")
    lines = [line["text"] for line in await customer.log_lines(case.deployment_id)]
    assert lines[0].startswith("Bringing back release #1, commit ")
    assert not any(line.startswith(("Fetching", "Recognised", "Built in")) for line in lines)
    assert lines[-1] == "Live."
    left = await customer.deployment(new_id)
    assert (left["state"], left["reason_code"], left["reason_parameters"]) == (
        *("rolled_back", "rolled_back"),
        {"number": 1},
    )
    offered = {one["number"]: one["can_roll_back"] for one in await releases(customer, case)}
    assert offered == {1: True, 2: True, 3: False}
    log = await customer.get(f"/services/{service_id}/log", size=500)
    said = [(line["release"], line["text"]) for line in log["lines"] if line["text"].startswith("greeting")]
    assert said == [(1, "greeting one"), (3, "greeting one")]

    # And forward again, to what was rolled back from.
    forward = Case(case.name, pair.new.app, await customer.roll_back(service_id, new_id))
    await customer.live(forward.accepted)
    await soon_and_still(stack, [partial(serves_once, stack, customer, forward)], "the new release serves")
    assert (await customer.deployment(case.deployment_id))["state"] == "rolled_back"


async def test_takes_a_fraction_of_a_deployment(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    """With a build of two seconds, which is a short one."""
    app = App("built", "x.py", build="__import__('time').sleep(2)")
    pair = await two(stack, customer, fresh("quick"), build=app.build)
    stack.git.commit(pair.old.name, pair.old.app.files)
    redeployed = seconds(await customer.live(await customer.deploy(pair.old.service_id)))
    back = seconds(await customer.live((await roll_back(customer, pair)).accepted))
    print(f"redeployed in {redeployed:.2f} s, rolled back in {back:.2f} s")
    assert back < redeployed / 2


VICTIMS = [("workers", True), ("workers", False), ("apps", False), ("postgres", False)]


@pytest.mark.parametrize(("part", "group"), VICTIMS, ids=[f"{part}-{group}" for part, group in VICTIMS])
async def test_killed_in_the_middle(
    stack: Stack, customer: Customer, fresh: Fresh, part: str, group: bool
) -> None:
    pair = await two(stack, customer, fresh("kill"))
    case = await held_rollback(stack, customer, pair)
    await stack.kill(part, group=group)
    stack.git.open(pair.gate)
    job = await customer.finished(case.job_id)
    assert (job["state"], job["kind"]) == ("succeeded", "service.rollback"), job
    await stack.healthy()
    await soon_and_still(stack, [partial(serves_once, stack, customer, case)], "the old release serves")
    lines = [line["text"] for line in await customer.log_lines(case.deployment_id)]
    assert not any(line.startswith(("Fetching", "Built in")) for line in lines), lines
    assert (await customer.deployment(pair.new.deployment_id))["state"] == "rolled_back"


async def test_killed_while_it_is_handed_over(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    pair = await two(stack, customer, fresh("hand"))
    go_on = stack.pause("apps")
    case = await roll_back(customer, pair)
    await customer.in_state(case.deployment_id, "releasing")
    await stack.kill("workers")
    go_on()
    assert (await customer.finished(case.job_id))["state"] == "succeeded"
    await stack.healthy()
    await soon_and_still(stack, [partial(serves_once, stack, customer, case)], "the old release serves")


async def test_cancelled(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    """The release that serves goes on, and the one that was to come back is still there to be asked again."""
    pair = await two(stack, customer, fresh("stay"))
    case = await held_rollback(stack, customer, pair)
    assert (await customer.ask("POST", f"/jobs/{case.job_id}/cancel")).status_code == 202
    assert (await customer.finished(case.job_id, 20))["state"] == "cancelled"
    assert (await customer.deployment(case.deployment_id))["state"] == "cancelled"
    assert stack.belongings(case.deployment_id, logs=False) == []
    await soon_and_still(stack, [partial(serves_once, stack, customer, pair.new)], "the new one serves")
    stack.git.open(pair.gate)
    again = await roll_back(customer, pair)
    await customer.live(again.accepted)
    await soon_and_still(stack, [partial(serves_once, stack, customer, again)], "the old release serves")


async def test_during_a_deployment_and_twice(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    """It waits for its turn; of two that wait the later one is done."""
    pair = await two(stack, customer, fresh("turn"))
    running = await held(stack, customer, "checking", pair.old.name, before=pair.old)
    skipped = await roll_back(customer, pair)
    last = await roll_back(customer, pair)
    assert (await customer.deployment(skipped.deployment_id))["state"] == "superseded"
    assert (await customer.get(f"/jobs/{last.job_id}"))["state"] == "queued"
    stack.git.open(running.gate)
    await customer.live(last.accepted)
    states = {one["number"]: one["state"] for one in await releases(customer, last)}
    assert states == {1: "live", 2: "live", 3: "rolled_back", 4: "superseded", 5: "live"}
    await soon_and_still(stack, [partial(serves_once, stack, customer, last)], "the old release serves")


async def test_files_that_vanish_while_it_waits(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    pair = await two(stack, customer, fresh("lost"))
    running = await held(stack, customer, "building", pair.old.name, before=pair.old)
    case = await roll_back(customer, pair)
    (tree,) = (stack.layout.engine / "deployments").glob(f"{pair.old.deployment_id}/tree")
    shutil.rmtree(tree)
    stack.git.open(running.gate)
    job = await customer.finished(case.job_id)
    assert (job["state"], job["error"]["code"]) == ("failed", "release_missing")
    failed = await customer.deployment(case.deployment_id)
    assert (failed["state"], failed["reason_code"]) == ("failed", "release_missing")
    await soon_and_still(stack, [partial(serves_once, stack, customer, running)], "the newest serves")
    offered = {one["number"]: one["can_roll_back"] for one in await releases(customer, case)}
    assert offered == {1: False, 2: True, 3: False, 4: False}
    refused = await customer.ask(
        "POST", f"/services/{case.service_id}/rollbacks", json={"deployment_id": pair.old.deployment_id}
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "release_not_kept")


async def test_deleted_in_the_middle(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    pair = await two(stack, customer, fresh("end"))
    case = await held_rollback(stack, customer, pair)
    assert (await customer.delete(case.service_id))["state"] == "succeeded"
    ids = [case.deployment_id, pair.old.deployment_id, pair.new.deployment_id, case.service_id]
    await nothing_left(stack, case, *ids)
    stack.git.open(pair.gate)


async def test_old_builds_go_and_needed_ones_stay(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    """Three builds are kept: going back to the oldest of them makes it the newest."""
    pair = await two(stack, customer, fresh("keep"))
    back = await roll_back(customer, pair)
    await customer.live(back.accepted)
    later = []
    for number in range(2):
        app = App(f"later {number}", f"later{number}_{back.name.replace('-', '_')}.py")
        stack.git.commit(back.name, app.files)
        later.append(Case(back.name, app, await customer.deploy(back.service_id)))
        await customer.live(later[-1].accepted)

    # Builds: 1 (served again as 3), 2, 4 and 5; the second served least lately.
    async def settled() -> bool:
        return not stack.belongings(pair.new.deployment_id, logs=False)

    await until(settled, 20, "the build that served least lately is gone")
    offered = {one["number"]: one["can_roll_back"] for one in await releases(customer, back)}
    assert offered == {1: True, 2: False, 3: True, 4: True, 5: False}
    assert stack.belongings(pair.old.deployment_id, logs=False)
    again = Case(back.name, pair.old.app, await customer.roll_back(back.service_id, back.deployment_id))
    await customer.live(again.accepted)
    await all_final(customer, again)
    await soon_and_still(stack, [partial(serves_once, stack, customer, again)], "the first build serves")
