"""What happens to services, and what their people are told, when money runs out and when it comes."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from backend.billing.dunning import resume, running
from backend.billing.runs.models import BillingRun
from backend.config import Settings
from backend.database import Database
from backend.mail.models import Letter
from backend.mail.outbox import unseal
from backend.services.models import Desired, ServiceStatus
from tests.billing.dunning import START, Lost, Tide
from tests.billing.meters import DAY, Fleet, Ship
from tests.billing.purse import Purse
from tests.support.people import Person, UserFactory


@pytest.fixture
def tide(database: Database, settings: Settings, purse: Purse, monkeypatch: pytest.MonkeyPatch) -> Tide:
    tide = Tide(database, settings, purse)
    monkeypatch.setattr(resume, "now", lambda: tide.now)
    return tide


@pytest.fixture
async def ship(fleet: Fleet) -> Ship:
    """Costs 100 a day, and runs."""
    ship = await fleet.ship()
    await ship.start(START)
    return ship


async def drown(tide: Tide) -> None:
    """To the moment after the suspension."""
    await tide.owe(250)
    await tide.look()
    await tide.days(3)


async def test_money_that_lasts_is_not_spoken_of(tide: Tide, ship: Ship) -> None:
    await tide.purse.top_up(1000)
    await tide.days(2)
    assert await tide.state() is None
    assert await tide.letters() == []


async def test_from_the_first_warning_to_the_end(tide: Tide, ship: Ship) -> None:
    await tide.purse.top_up(650)
    await tide.look()
    assert (await tide.stage(), await tide.letters()) == ("warned", ["money_low"])
    await tide.purse.charge(400)
    await tide.look()
    await tide.purse.charge(200)
    await tide.look()
    assert await tide.letters() == ["money_low"] * 3
    await tide.owe(30)
    await tide.look()
    assert await tide.stage() == "grace"
    state = await tide.state()
    assert state is not None
    assert state.next_at == tide.now + 3 * DAY
    await tide.days(2.9)
    assert (await tide.service(ship)).suspended_at is None
    await tide.days(0.1)
    suspended = await tide.service(ship)
    assert suspended.suspended_at == tide.now
    assert suspended.desired == Desired.RUNNING
    assert await tide.jobs(ship) == [("service.suspend", "queued")]
    await tide.work(ship)
    stopped = await tide.service(ship)
    assert (stopped.status, stopped.status_reason_code) == (ServiceStatus.STOPPED, "suspended")
    assert tide.engine.stopped == [str(stopped.live_deployment_id)]
    await tide.days(30)
    assert await tide.letters() == [
        *["money_low"] * 3,
        "money_out",
        "services_suspended",
        *["services_ending"] * 2,
        "services_terminated",
    ]
    assert (await tide.service(ship)).status == ServiceStatus.DELETING
    assert (await tide.jobs(ship))[1:] == [("service.delete", "queued")]
    assert await tide.stage() == "terminated"
    await tide.days(5)
    assert len(await tide.jobs(ship)) == 2


async def test_metering_ends_with_the_suspension_and_begins_with_the_payment(tide: Tide, ship: Ship) -> None:
    await drown(tide)
    assert (await ship.meter()).price_id is None
    assert (await ship.events())[-1] == ("stopped", tide.now)
    await tide.work(ship)
    await tide.pay(1000)
    assert (await ship.meter()).price_id is None, "it does not run yet"
    await ship.start(tide.now)
    assert [kind for kind, _ in await ship.events()] == ["started", "stopped", "started"]


async def test_a_payment_starts_again_what_ran_in_its_own_transaction(tide: Tide, fleet: Fleet) -> None:
    ran, stopped = await fleet.ship(), await fleet.ship()
    await ran.start(START)
    await stopped.start(START)
    await stopped.stop(START)
    await drown(tide)
    assert (await tide.service(stopped)).suspended_at is not None
    await tide.work(ran)
    await tide.work(stopped)
    with pytest.raises(Lost):
        await tide.pay(500, lost=True)
    assert (await tide.service(ran)).suspended_at is not None
    await tide.pay(500)
    assert (await tide.service(ran)).suspended_at is None
    assert (await tide.service(ran)).status_reason_code is None
    assert (await tide.jobs(ran))[-1] == ("service.start", "queued")
    assert (await tide.service(stopped)).suspended_at is None
    assert [kind for kind, _ in await tide.jobs(stopped)] == ["service.suspend"]
    assert (await tide.letters())[-1] == "services_resumed"
    assert await tide.stage() == "ok"
    # The same message once more changes nothing.
    await tide.pay(500)
    assert (await tide.letters()).count("services_resumed") == 1
    assert [kind for kind, _ in await tide.jobs(ran)] == ["service.suspend", "service.start"]


async def test_exactly_what_is_due_is_enough_and_less_is_not(tide: Tide, ship: Ship) -> None:
    await drown(tide)
    await tide.work(ship)
    await tide.pay(249)
    assert await tide.stage() == "suspended"
    await tide.pay(1)
    assert (await tide.service(ship)).suspended_at is None
    await ship.start(tide.now)
    await tide.look()
    assert await tide.stage() == "grace"


async def test_a_payment_before_the_work_began_stops_nothing(tide: Tide, ship: Ship) -> None:
    await drown(tide)
    await tide.pay(1000)
    assert await tide.jobs(ship) == [("service.suspend", "cancelled")]
    assert (await tide.service(ship)).status == ServiceStatus.RUNNING


async def test_a_payment_while_the_work_is_done(tide: Tide, ship: Ship) -> None:
    """The suspension ends as it can, and what starts the service waits behind it."""
    await drown(tide)
    job_id = await tide.open_job(ship)
    await tide.execute("UPDATE jobs SET state = 'running', attempts = 1 WHERE id = :id", id=job_id)
    await tide.pay(1000)
    assert await tide.jobs(ship) == [("service.suspend", "running"), ("service.start", "queued")]


async def test_a_worker_that_died_in_the_middle_is_made_good(tide: Tide, ship: Ship) -> None:
    await drown(tide)
    job_id = await tide.open_job(ship)
    await tide.execute("UPDATE jobs SET attempts = 1 WHERE id = :id", id=job_id)
    await tide.work(ship)
    assert await tide.jobs(ship) == [("service.suspend", "succeeded")]
    assert (await tide.service(ship)).status == ServiceStatus.STOPPED


async def test_what_is_on_its_way_is_called_off(tide: Tide, ship: Ship, fleet: Fleet) -> None:
    await tide.owe(10)
    await tide.look()
    for kind in ("service.stop", "service.deploy", "service.start"):
        await tide.execute(
            "INSERT INTO jobs (id, project_id, service_id, kind, queue, state, progress, attempts, run_at,"
            " fence, created_at)"
            " VALUES (uuidv7(), :project, :service, :kind, 'deploy', 'queued', 0, 0, now(), 0, now())",
            project=fleet.project_id,
            service=ship.id,
            kind=kind,
        )
    await tide.days(3)
    assert await tide.jobs(ship) == [
        ("service.stop", "queued"),
        ("service.deploy", "cancelled"),
        ("service.start", "cancelled"),
        ("service.suspend", "queued"),
    ]


async def test_looks_at_once_do_what_one_does(tide: Tide, fleet: Fleet) -> None:
    ships = [await fleet.ship() for _ in range(3)]
    for ship in ships:
        await ship.start(START)
    await tide.owe(10)
    await tide.look()
    tide.now += 3 * DAY
    await asyncio.gather(*(tide.look_at() for _ in range(6)))
    assert (await tide.letters()) == ["money_out", "services_suspended"]
    assert await tide.jobs() == [("service.suspend", "queued")] * 3


async def test_payments_and_suspensions_at_once(tide: Tide, fleet: Fleet) -> None:
    """Whoever is later finds what the earlier one did; nobody waits for the other for ever."""
    for round in range(4):
        ship = await fleet.ship()
        await ship.start(tide.now)
        await tide.owe(10)
        await tide.look()
        tide.now += 3 * DAY
        await asyncio.gather(tide.look_at(), *(tide.pay(500, key=f"{round}.{at}") for at in range(3)))
        assert (await tide.service(ship)).suspended_at is None
        assert await tide.stage() != "suspended"
        assert ("service.suspend", "queued") not in await tide.jobs(ship)
        assert (await tide.purse.three())[2] == 0


async def test_trouble_with_one_project_is_not_everyones(
    tide: Tide, ship: Ship, ada: Person, user_factory: UserFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = await user_factory()
    theirs = Fleet(tide.database, tide.settings, bob.project_id)
    await (await theirs.ship()).start(START)
    advance = running.advance

    async def stumble(session: Any, settings: Settings, project_id: UUID, at: datetime) -> Any:
        if project_id == ada.project_id:
            raise ValueError
        return await advance(session, settings, project_id, at)

    monkeypatch.setattr(running, "advance", stumble)
    await tide.look()
    assert await tide.state() is None
    assert await Tide(tide.database, tide.settings, Purse(tide.database, bob.project_id)).stage() == "grace"
    async with tide.database.transaction() as session:
        (run,) = await session.scalars(select(BillingRun))
        assert (run.state, run.counts) == ("succeeded", {"projects": 2, "failed": 1, "grace": 1})


async def test_who_has_credit_or_pays_nothing_is_left_alone(tide: Tide, fleet: Fleet) -> None:
    free = await fleet.ship(await fleet.price(0))
    await free.start(START)
    await tide.days(20)
    assert await tide.letters() == []
    ship = await fleet.ship()
    await ship.start(tide.now)
    await tide.execute(
        "INSERT INTO billing_profiles (project_id, currency, credit_limit_minor) VALUES (:id, 'EUR', 3000)",
        id=fleet.project_id,
    )
    await tide.purse.charge(2000)
    await tide.days(2)
    assert await tide.stage() == "ok"
    await tide.purse.charge(2000)
    await tide.days(5)
    assert (await tide.service(ship)).suspended_at is not None
    assert (await tide.service(free)).suspended_at is None
    # A limit that is raised settles what is due, and that is enough.
    await tide.execute("UPDATE billing_profiles SET credit_limit_minor = 9000")
    await tide.look()
    assert (await tide.service(ship)).suspended_at is None
    assert (await tide.purse.standing()).due == 0


async def test_nothing_happens_where_nothing_is_charged(tide: Tide, ship: Ship, settings: Settings) -> None:
    await tide.owe(100)
    tide.settings = settings.model_copy(update={"billing_enabled": False})
    await tide.days(10)
    assert await tide.state() is None


async def test_letters_go_to_who_may_pay_in_their_language(
    tide: Tide, ship: Ship, database: Database, fleet: Fleet
) -> None:
    await tide.execute("UPDATE users SET locale = 'ru'")
    await drown(tide)
    async with database.transaction() as session:
        (letter,) = await session.scalars(select(Letter).where(Letter.template == "services_suspended"))
        assert letter.content is not None
        values = unseal(letter.id, letter.content)
        assert letter.locale == "ru"
        assert values["due"] == "2,50\xa0€"
        assert "апреля" in str(values["date"])


async def test_a_service_ordered_after_the_end_is_not_deleted_at_once(
    tide: Tide, fleet: Fleet, ship: Ship
) -> None:
    await drown(tide)
    await tide.days(31)
    assert await tide.stage() == "terminated"
    new = await fleet.ship(await fleet.price(0))
    await new.start(tide.now)
    # Its coupon ends, say.
    await new.resize(tide.now, await fleet.price(2800))
    await tide.look()
    assert await tide.stage() == "suspended"
    assert (await tide.service(new)).status != ServiceStatus.DELETING
    assert (await tide.letters())[-1] == "services_suspended"
    await tide.days(29)
    assert (await tide.service(new)).status != ServiceStatus.DELETING
    assert (await tide.letters())[-1] == "services_ending"
    await tide.days(1)
    assert (await tide.service(new)).status == ServiceStatus.DELETING


async def test_a_debt_of_another_currency_is_not_of_this_one(tide: Tide, ship: Ship) -> None:
    await tide.purse.top_up(10_000)
    await Purse(tide.database, tide.purse.project_id, "JPY").charge(5_000)
    await tide.look()
    assert await tide.stage() == "ok"
