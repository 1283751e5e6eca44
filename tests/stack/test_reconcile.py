"""What runs is held to what is wanted, and what is said to what runs, whoever interfered."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from uuid import UUID

import asyncpg

from backend.config import Settings
from backend.database import Database
from backend.services.reconcile import LOCK
from backend.services.routing import Edge
from tests.stack.scenes import (
    Fresh,
    held,
    nothing_left,
    served,
    serves_nothing,
    serves_once,
    soon_and_still,
)
from tests.support.customer import Customer
from tests.support.stack import Stack, until


async def test_a_killed_app_comes_back_once(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    case = await served(stack, customer, fresh("killed"))
    (pid,) = stack.running_scripts(case.app.script)
    os.kill(pid, signal.SIGKILL)
    await until(lambda: pid not in stack.running_scripts(case.app.script), 30, "it is dead")
    await soon_and_still(stack, [partial(serves_once, stack, customer, case)], "it serves again")


async def test_a_stopped_one_stays_stopped(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    case = await served(stack, customer, fresh("quiet"))
    stopping = await customer.post(f"/services/{case.service_id}/stop")
    await customer.finished(stopping["job_id"])
    await stack.kill("apps", group=False)
    await stack.healthy()
    check = partial(serves_nothing, stack, customer, case)
    await soon_and_still(stack, [check], "nothing runs")
    assert (await customer.service(case.service_id))["status"] == "stopped"


async def test_one_that_was_stopped_behind_our_back(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    """By somebody at the machine; the customer asked for it to run."""
    case = await served(stack, customer, fresh("poked"))
    (pid,) = stack.running_scripts(case.app.script)
    # Not waited for: started again at once, it may never be seen stopped.
    stack.call_apps("stopProcessGroup", case.deployment_id, False)
    await until(lambda: pid not in stack.running_scripts(case.app.script), 30, "it was stopped")
    await soon_and_still(stack, [partial(serves_once, stack, customer, case)], "it serves again")


async def test_while_the_apps_supervisor_is_away(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    """Nobody knows how they are, so none is said to run; when it is back, so are they."""
    case = await served(stack, customer, fresh("away"))
    stack.call_panel("stopProcess", "apps")
    service = await customer.has_status(case.service_id, "crashed")
    assert "engine" in service["status_reason"]
    assert service["status_reason_code"] == "engine_unavailable"
    assert service["status_reason_parameters"] == {"detail": "away"}
    assert stack.running_scripts(case.app.script) == []
    restart = await customer.post(f"/services/{case.service_id}/restart")
    stack.call_panel("startProcess", "apps")
    job = await customer.finished(restart["job_id"])
    assert job["state"] == "succeeded", job
    await soon_and_still(stack, [partial(serves_once, stack, customer, case)], "it serves again")


async def test_what_nobody_wants_is_removed(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    """A service that the database knows no more, as after a backup was restored."""
    case = await served(stack, customer, fresh("unwanted"))
    await stack.rows("UPDATE services SET deleted_at = now() WHERE id = $1", UUID(case.service_id))
    await nothing_left(stack, case)

    async def unknown() -> bool:
        return (await stack.visit(case.name)).status_code == 404

    await until(unknown, 30, "the edge knows it no more")


async def test_routes_are_repaired(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    case = await served(stack, customer, fresh("routed"))
    routes = stack.layout.edge / "routes.map"
    right = routes.read_text()
    for wrong in ("", right.replace(case.name, "somebody-else"), None):
        if wrong is None:
            routes.unlink()
        else:
            routes.write_text(wrong)
        await until(lambda: routes.exists() and routes.read_text() == right, 30, "the routes are right again")
    assert (await stack.visit(case.name)).text == case.app.text


async def test_a_new_route_holds_for_every_visitor(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    """For a tenth of a second after a reload nginx's workers of before still take visitors."""
    case = await served(stack, customer, fresh("each"))
    settings = Settings(_env_file=None, **{name.lower(): value for name, value in stack.env.items()})  # type: ignore[call-arg, arg-type]
    database = Database(settings)
    edge = Edge(settings, database)
    routing = "UPDATE services SET routed_deployment_id = $1 WHERE id = $2"
    reconciler = await asyncpg.connect(stack.env["DATABASE_URL"])
    await reconciler.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", LOCK)
    for routed, status in [(None, 503), (UUID(case.deployment_id), 200)] * 3:
        await stack.rows(routing, routed, UUID(case.service_id))
        await edge.publish()
        for _ in range(5):
            visits = await asyncio.gather(*(stack.visit(case.name) for _ in range(4)))
            assert [visit.status_code for visit in visits] == [status] * 4
    await reconciler.close()
    await database.close()


async def test_down_and_up_in_the_midst_of_a_deployment(
    stack: Stack, customer: Customer, fresh: Fresh
) -> None:
    """`make down` and `make up`: what ran runs, and what was under way is finished."""
    steady = await served(stack, customer, fresh("steady"))
    case = await held(stack, customer, "building", fresh("midst"))
    done = await asyncio.to_thread(stack.cli, "down")
    assert done.returncode == 0, done.stdout + done.stderr
    assert stack.left_processes() == []
    stack.git.open(case.gate)
    done = await asyncio.to_thread(stack.cli, "up")
    assert done.returncode == 0, done.stdout + done.stderr
    await customer.live(case.accepted)
    checks = [partial(serves_once, stack, customer, one) for one in (steady, case)]
    await soon_and_still(stack, checks, "both serve")
