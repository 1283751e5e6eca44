"""What goes through the edge: counted once, from lines that anybody may have written anything into."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from backend.billing.traffic import counting, logs
from backend.billing.traffic.lines import Sums, address_of
from backend.billing.traffic.models import TrafficDay, TrafficLog
from backend.config import Settings, use
from backend.database import Database, now
from backend.domains.models import Domain
from backend.services.models import Service
from tests.billing.edge_log import counted, line, old, write
from tests.billing.meters import Fleet, at


@pytest.fixture
def settings(settings_of: Callable[..., Settings], tmp_path: Path) -> Settings:
    return settings_of(credit_limit_minor=0, edge_routes_file=tmp_path / "routes.map")


@pytest.fixture
def log(settings: Settings) -> Path:
    return settings.edge_traffic_log


async def test_once_however_often_it_is_looked_at(
    fleet: Fleet, settings: Settings, database: Database, log: Path
) -> None:
    await fleet.ship(name="tug")
    write(log, line("tug.localhost", 100, 7), line("TUG.localhost.", 10), line("other.localhost", 5))
    for _ in range(3):
        await counting.run(settings, database)
    assert await counted(database) == (2, 7, 110)
    write(log, line("tug.localhost", 1))
    await counting.run(settings, database)
    assert await counted(database) == (3, 7, 111)


async def test_a_line_that_is_cut_in_half_waits(
    fleet: Fleet, settings: Settings, database: Database, log: Path
) -> None:
    await fleet.ship(name="tug")
    whole = line("tug.localhost", 100)
    write(log, line("tug.localhost", 1), whole[:30])
    await counting.run(settings, database)
    assert await counted(database) == (1, 0, 1)
    write(log, whole[30:])
    await counting.run(settings, database)
    assert await counted(database) == (2, 0, 101)
    # The edge was killed in the middle of a line, and the next one wrote on behind it.
    write(log, line("tug.localhost", 500)[:40], line("tug.localhost", 1000))
    await counting.run(settings, database)
    assert await counted(database) == (3, 0, 1101)


async def test_renamed_emptied_and_copied(
    fleet: Fleet, settings: Settings, database: Database, log: Path
) -> None:
    await fleet.ship(name="tug")
    write(log, line("tug.localhost", 1))
    await counting.run(settings, database)
    write(log, line("tug.localhost", 10))
    log.rename(log.with_name("traffic.log.1"))
    write(log, line("tug.localhost", 100))
    await counting.run(settings, database)
    assert await counted(database) == (3, 0, 111)
    # As a logrotate with copytruncate would.
    log.with_name("traffic.log.2").write_bytes(log.read_bytes())
    log.write_bytes(b"")
    write(log, line("tug.localhost", 1000))
    await counting.run(settings, database)
    assert await counted(database) == (4, 0, 1111)


async def test_a_long_file_is_put_away_and_removed(
    fleet: Fleet, settings: Settings, database: Database, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fleet.ship(name="tug")
    signals = []
    monkeypatch.setattr(os, "kill", lambda pid, sent: signals.append((pid, sent)))
    monkeypatch.setattr(logs, "LONGEST", 1000)
    settings.edge_pid_file.write_text("4711\n")
    write(log, *(line("tug.localhost", 1) for _ in range(40)))
    await counting.run(settings, database)
    (away,) = log.parent.glob("traffic.log.*")
    assert signals == [(4711, signal.SIGUSR1)]
    # Nobody began a new file: whoever was to be told was not.
    await counting.run(settings, database)
    assert len(signals) == 2
    # The edge that is on its way out may yet write into the old one.
    write(log, line("tug.localhost", 1))
    write(away, line("tug.localhost", 1))
    await counting.run(settings, database)
    assert away.exists()
    past = time.time() - logs.QUIET_SECONDS - 1
    os.utime(away, (past, past))
    await counting.run(settings, database)
    assert not away.exists()
    assert log.exists()
    assert await counted(database) == (42, 0, 42)


HOSTILE = [
    b"",
    b"garbage",
    b"\xff\xfe\x00\x01",
    "1700000000.123 0123456789abcdef0123456789abcdef 1 1 пример.localhost".encode(),
    b"1700000000.123 0123456789abcdef0123456789abcdef 99999999999999999999 1 tug.localhost",
    b"1700000000.123 0123456789abcdef0123456789abcdef -5 1 tug.localhost",
    b"1700000000.123 0123456789abcdef0123456789abcdef 1.5 1 tug.localhost",
    b"1700000000.123 0123456789abcdef0123456789abcdef 1 1 tug.localhost evil",
    b"1700000000.123 0123456789ABCDEF 1 1 tug.localhost",
    b"99999999999999.123 0123456789abcdef0123456789abcdef 1 1 " + b"a" * 5000,
    b"1700000000.123 0123456789abcdef0123456789abcdef 1 1 ",
]


async def test_hostile_lines_are_passed_over(
    fleet: Fleet, settings: Settings, database: Database, log: Path
) -> None:
    ship = await fleet.ship(name="tug")
    await old(ship)
    fine = [
        line("tug.localhost", 1),
        # Hosts that are odd, but hosts.
        line("*.localhost", 10),
        line("tug.localhost'; DROP", 10)[:-7] + b"\n",
        line("%s%n{}\\x00.localhost", 10),
        line("-", 10),
        line("." * 200, 10),
        # The clock stands at the end of time: it counts as now.
        b"9999999999.000 " + uuid4().hex.encode() + b" 100 0 tug.localhost\n",
        b"1700000000.000 " + uuid4().hex.encode() + b" 999999999999999 0 nobody.localhost\n",
    ]
    write(log, *fine, *(one + b"\n" for one in HOSTILE), line("tug.localhost", 1000))
    await counting.run(settings, database)
    assert await counted(database) == (3, 0, 1101)
    async with database.transaction() as session:
        latest = await session.scalar(select(func.max(TrafficDay.day)))
    assert latest is not None
    assert latest <= (now() + timedelta(days=1)).date()


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_break_the_reading(noise: bytes) -> None:
    sums = Sums()
    sums.take([noise, *noise.splitlines()])
    sums.columns(address_of("0service0.example.org"), now())


async def test_names_are_given_anew(fleet: Fleet, settings: Settings, database: Database, log: Path) -> None:
    """A line belongs to the service that had the name when it was written, however late it is read."""
    first, second = await fleet.ship(name="was"), await fleet.ship(name="is")
    async with database.transaction() as session:
        for ship, begun, ended in ((first, "2026-03-01", "2026-03-10"), (second, "2026-03-12", None)):
            values = {"name": "tug", "created_at": at(begun), "deleted_at": ended and at(ended)}
            await session.execute(update(Service).where(Service.id == ship.id).values(**values))
    for day, sent in ((5, 1), (11, 10), (13, 100)):
        write(log, line("tug.localhost", sent, when=at(f"2026-03-{day:02d} 12:00")))
    await counting.run(settings, database)
    async with database.transaction() as session:
        rows = {row.service_id: row.sent for row in await session.scalars(select(TrafficDay))}
    assert rows == {first.id: 1, second.id: 100}


async def test_custom_domains_count_for_their_service(
    fleet: Fleet, settings: Settings, database: Database, log: Path
) -> None:
    tug, yacht = await fleet.ship(name="tug"), await fleet.ship(name="yacht")
    async with database.transaction() as session:
        for ship, name, proven in (
            (tug, "www.example.org", now()),
            (yacht, "*.example.org", now()),
            (yacht, "stolen.example.net", None),
        ):
            session.add(
                Domain(
                    project_id=fleet.project_id,
                    service_id=ship.id,
                    name=name,
                    token=uuid4().hex,
                    verified_at=proven,
                    look="here",
                )
            )
    hosts = ("www.example.org", "shop.example.org", "a.b.example.org", "example.org", "stolen.example.net")
    write(log, *(line(host, 10**at_) for at_, host in enumerate(hosts)))
    await counting.run(settings, database)
    async with database.transaction() as session:
        rows = {row.service_id: row.sent for row in await session.scalars(select(TrafficDay))}
    assert rows == {tug.id: 1, yacht.id: 10}


async def test_two_at_once_count_once(
    fleet: Fleet, settings: Settings, database: Database, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fleet.ship(name="tug")
    monkeypatch.setattr(logs, "AT_ONCE", 2000)
    write(log, *(line("tug.localhost", 1) for _ in range(500)))
    await asyncio.gather(*(counting.run(settings, database) for _ in range(5)))
    await counting.run(settings, database)
    assert await counted(database) == (500, 0, 500)


def _count(settings: Settings) -> None:
    logs.AT_ONCE = 20_000
    asyncio.run(counting.run(use(settings), Database(settings, pool_size=1)))


async def test_killed_again_and_again(
    fleet: Fleet, settings: Settings, database: Database, log: Path
) -> None:
    """SIGKILL in the middle: every request is counted once."""
    await fleet.ship(name="tug")
    chance = random.Random(7)
    amounts = [chance.randrange(10**6) for _ in range(200_000)]
    write(log, *(line("tug.localhost", sent, 1) for sent in amounts))
    before = 0
    for _ in range(3):
        worker = multiprocessing.get_context("spawn").Process(target=_count, args=(settings,), daemon=True)
        worker.start()
        async with asyncio.timeout(120):
            while (done := (await counted(database))[0]) <= before:
                await asyncio.sleep(0.002)
        worker.kill()
        assert worker.exitcode is None
        worker.join()
        before = done
    assert before < len(amounts)
    await counting.run(settings, database)
    assert await counted(database) == (len(amounts), len(amounts), sum(amounts))
    async with database.transaction() as session:
        (kept,) = await session.scalars(select(TrafficLog))
    assert kept.counted == log.stat().st_size
