"""The real edge's log, counted: what visitors sent and got, and nothing of the panel's own."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from backend.billing.traffic import counting, logs
from backend.billing.traffic.models import TrafficDay
from backend.config import Settings
from backend.database import Database
from backend.utils.crypto import edge_check
from tests.billing.meters import Fleet
from tests.embedded.conftest import RunningEdge, run_edge, until
from tests.support.people import UserFactory

REQUESTS = 20


@pytest.fixture(scope="module")
def own_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEdge]:
    with run_edge(tmp_path_factory.mktemp("edge")) as running:
        yield running


@pytest.fixture
def settings(settings_of: Callable[..., Settings], own_edge: RunningEdge) -> Settings:
    routes, pid = (Path(own_edge.env[name]) for name in ("EDGE_ROUTES_FILE", "EDGE_PID_FILE"))
    return settings_of(edge_routes_file=routes, edge_pid_file=pid)


async def test_the_edge_is_counted_over_a_new_file(
    own_edge: RunningEdge,
    settings: Settings,
    database: Database,
    user_factory: UserFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet = Fleet(database, settings, (await user_factory()).project_id)
    ship = await fleet.ship(name="tug")
    upstream, host = f"127.0.0.1:{own_edge.upstream_port}", "tug.localhost"
    own_edge.route(f"routes.generation one;\ntug.localhost {upstream};\nother.localhost {upstream};\n")
    until(lambda: own_edge.text("/", "other.localhost")[0] == 200)
    log = settings.edge_traffic_log

    async def days() -> list[TrafficDay]:
        await counting.run(settings, database)
        async with database.transaction() as session:
            return list(await session.scalars(select(TrafficDay)))

    def written() -> int:
        return sum(path.read_bytes().count(b" " + host.encode() + b"\n") for path in logs.files(log))

    for _ in range(REQUESTS - 1):
        own_edge.text("/some?secret=1", host)
    # Nobody else can say that it is the panel.
    own_edge.text("/", host, **{"X-Gavan-Check": "1"})
    # The panel's own question, a host that is no service, and the panel itself.
    own_edge.text("/", host, **{"X-Gavan-Check": edge_check(base64.b64decode(own_edge.env["SECRET_KEY"]))})
    own_edge.text("/", "nobody.localhost")
    own_edge.text("/")
    until(lambda: written() == REQUESTS)
    (day,) = await days()
    assert (day.service_id, day.requests) == (ship.id, REQUESTS)
    assert day.sent > 100 * REQUESTS
    assert day.received > 40 * REQUESTS
    assert b"secret" not in log.read_bytes()
    # Put away: the edge opens a new file, and nothing is lost or counted again.
    monkeypatch.setattr(logs, "LONGEST", 1)
    await counting.run(settings, database)
    until(log.exists)
    for _ in range(REQUESTS):
        own_edge.text("/", host)
    until(lambda: written() == 2 * REQUESTS)
    (day,) = await days()
    assert day.requests == 2 * REQUESTS
