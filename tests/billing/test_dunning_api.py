"""Money that runs out, as the API tells of it: to customers, to forges, to administrators."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from backend.config import Settings
from backend.database import Database, now
from tests.billing.dunning import Tide
from tests.billing.meters import DAY, Fleet, Ship
from tests.billing.purse import Purse
from tests.hooks import senders
from tests.support.people import Person


@pytest.fixture
async def tide(database: Database, settings: Settings, purse: Purse) -> Tide:
    return Tide(database, settings, purse, now=now())


@pytest.fixture
async def ship(fleet: Fleet, tide: Tide) -> Ship:
    ship = await fleet.ship()
    await ship.start(tide.now)
    return ship


async def ask(
    client: httpx.AsyncClient, who: Person, method: str, path: str, body: Any = None
) -> httpx.Response:
    return await client.request(method, f"/api/v1{path}", json=body, headers=who.headers)


@pytest.fixture
async def suspended(tide: Tide, ship: Ship) -> Ship:
    await tide.owe(250)
    await tide.look()
    await tide.days(3)
    assert (await tide.service(ship)).suspended_at is not None
    return ship


async def test_the_overview(client: httpx.AsyncClient, ada: Person, tide: Tide, ship: Ship) -> None:
    path = f"/projects/{ada.project_id}/billing/overview"
    await tide.purse.top_up(1000)
    await tide.purse.charge(200)
    await tide.purse.hold(300)
    found = (await ask(client, ada, "GET", path)).json()
    amounts = ("balance_minor", "held_minor", "due_minor", "available_minor", "month_rate_minor")
    assert [found[name] for name in amounts] == [500, 300, 0, 500, 2800]
    assert found["days_left"] == pytest.approx(8, abs=0.1)
    assert (found["stage"], found["since"], found["paid_services"]) == ("ok", None, 1)
    assert found["spent_minor"] == pytest.approx(200, abs=1)
    assert found["rules"]["warn_days"] == [7, 3, 1]
    await tide.owe(50)
    await tide.look()
    found = (await ask(client, ada, "GET", path)).json()
    assert (found["stage"], found["due_minor"]) == ("grace", 50)
    assert found["next_at"] is not None
    (project,) = (await ask(client, ada, "GET", "/me")).json()["projects"]
    assert project["billing_stage"] == "grace"


async def test_a_suspended_service_says_so_and_does_nothing(
    client: httpx.AsyncClient, ada: Person, tide: Tide, suspended: Ship
) -> None:
    path = f"/services/{suspended.id}"
    assert (await ask(client, ada, "GET", path)).json()["suspended_at"] is not None
    (listed,) = (await ask(client, ada, "GET", "/services")).json()["items"]
    assert listed["suspended_at"] is not None
    live = (await tide.service(suspended)).live_deployment_id
    for method, what, body in (
        ("POST", "start", None),
        ("POST", "restart", None),
        ("POST", "deployments", {}),
        ("POST", "rollbacks", {"deployment_id": str(live)}),
    ):
        answer = await ask(client, ada, method, f"{path}/{what}", body)
        assert (answer.status_code, answer.json()["code"]) == (409, "suspended"), what
    before = await tide.jobs(suspended)
    assert before == [("service.suspend", "queued")]
    # What does not make it run is theirs to decide.
    assert (await ask(client, ada, "POST", f"{path}/stop")).status_code == 202
    assert (await ask(client, ada, "PATCH", path, {"health_path": "/health"})).status_code == 200
    assert (await ask(client, ada, "DELETE", path)).status_code == 202


async def test_pushes_are_noted(client: httpx.AsyncClient, ada: Person, suspended: Ship) -> None:
    path = f"/services/{suspended.id}/push"
    made = (await ask(client, ada, "POST", f"{path}/secret")).json()
    hook = (await ask(client, ada, "POST", f"{path}/deploy-hook")).json()
    await ask(client, ada, "PATCH", path, {"enabled": True})
    body = senders.github()
    body["repository"] = {"default_branch": "main"}
    headers, content = senders.from_github(made["secret"], body)
    calls: tuple[tuple[str, dict[str, Any]], ...] = (
        (made["url"], {"content": content, "headers": headers}),
        (hook["url"], {}),
    )
    for url, sent in calls:
        answer = await client.post(httpx.URL(url).path, **sent)
        assert answer.status_code == 202, answer.text
        said = answer.json()
        assert (said["outcome"], said["reason_code"], said["job_id"]) == ("ignored", "suspended", None)
    deliveries = (await ask(client, ada, "GET", f"{path}/deliveries")).json()["items"]
    assert [one["reason_code"] for one in deliveries] == ["suspended"] * 2


async def test_an_administrator_sees_and_decides(
    client: httpx.AsyncClient, ada: Person, admin: Person, tide: Tide, suspended: Ship
) -> None:
    found = (await ask(client, admin, "GET", "/admin/billing/overview")).json()
    (euros,) = found["money"]
    assert (euros["currency"], euros["due_minor"], euros["debtors"]) == ("EUR", 250, 1)
    assert euros["revenue_minor"] == 250
    assert (found["stages"], found["suspended_services"]) == ({"suspended": 1}, 1)
    for query, count in (("", 1), ("?troubled=true", 1), ("?stage=suspended", 1), ("?stage=grace", 0)):
        listed = (await ask(client, admin, "GET", f"/admin/billing/dunning{query}")).json()["items"]
        assert len(listed) == count, query
    one = (await ask(client, admin, "GET", f"/admin/billing/dunning/{ada.project_id}")).json()
    assert (one["owner_email"], one["due_minor"], one["override"]) == (ada.email, 250, None)
    path = f"/admin/billing/dunning/{ada.project_id}/override"
    await tide.work(suspended)
    answer = await ask(client, admin, "PUT", path, {"never_suspend": True, "reason": "Pays by the quarter"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["stage"], answer.json()["override"]["set_by"]) == ("grace", admin.email)
    assert (await tide.service(suspended)).suspended_at is None
    assert (await tide.jobs(suspended))[-1] == ("service.start", "queued")
    await tide.days(8)
    assert (await tide.service(suspended)).suspended_at is None
    assert (await ask(client, admin, "DELETE", path)).status_code == 204
    assert (await ask(client, admin, "DELETE", path)).status_code == 404
    await tide.days(1)
    assert await tide.stage() == "suspended"


async def test_an_exception_ends_by_itself(
    client: httpx.AsyncClient, ada: Person, admin: Person, tide: Tide, ship: Ship
) -> None:
    body = {"grace_days": 30, "until": (tide.now + 5 * DAY).isoformat(), "reason": "Ticket 204"}
    path = f"/admin/billing/dunning/{ada.project_id}/override"
    assert (await ask(client, admin, "PUT", path, body)).status_code == 200
    await tide.owe(10)
    await tide.look()
    await tide.days(4.5)
    assert await tide.stage() == "grace"
    await tide.days(0.5)
    assert await tide.stage() == "suspended"


async def test_the_rules(client: httpx.AsyncClient, admin: Person, tide: Tide, ship: Ship) -> None:
    path = "/admin/billing/dunning-rules"
    rules = {"warn_days": [2, 20, 2], "grace_days": 1, "terminate_days": 5, "notice_days": [2]}
    answer = await ask(client, admin, "PUT", path, rules)
    assert answer.json() == {**rules, "warn_days": [20, 2]}
    assert (await ask(client, admin, "GET", "/admin/billing/overview")).json()["rules"] == answer.json()
    await tide.purse.top_up(1500)
    await tide.look()
    assert await tide.letters() == ["money_low"]
    await tide.owe(10)
    await tide.look()
    await tide.days(6.5)
    assert await tide.stage() == "terminated"
    assert await tide.letters() == [
        *("money_low", "money_out", "services_suspended", "services_ending", "services_terminated")
    ]
    wrongs: tuple[dict[str, Any], ...] = (
        {"notice_days": [9]},
        {"notice_days": []},
        {"grace_days": -1},
        {"warn_days": [0]},
    )
    for wrong in wrongs:
        answer = await ask(client, admin, "PUT", path, {**rules, **wrong})
        assert answer.status_code == 422, wrong


async def test_what_resumes_is_what_is_said_to(
    client: httpx.AsyncClient, ada: Person, tide: Tide, suspended: Ship
) -> None:
    path = f"/projects/{ada.project_id}/billing/overview"
    enough = (await ask(client, ada, "GET", path)).json()["resume_minor"]
    assert enough >= 250
    await tide.pay(enough)
    assert (await tide.service(suspended)).suspended_at is None
    assert (await ask(client, ada, "GET", path)).json()["due_minor"] == 0
