"""A service's port through the real edge: open only as asked, to its own app only, and counted as traffic."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from backend.billing.traffic import counting
from backend.billing.traffic.models import TrafficDay
from backend.config import Settings
from backend.database import Database
from backend.ports.models import PublicPort
from backend.services.models import Deployment, Desired, Service, ServiceStatus
from backend.services.routing import Edge
from tests.billing.meters import Fleet
from tests.embedded.conftest import RunningEdge, run_edge, until
from tests.support.people import UserFactory
from tests.support.ports import edge_port


@contextmanager
def echo(word: bytes) -> Iterator[str]:
    """A TCP server that says its word before each line that it is sent; its address."""

    class Echo(StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                self.wfile.write(word + line)

    class Server(ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Echo) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def said(port: int, line: bytes = b"ahoy\n") -> bytes | None:
    """None if nobody takes the connection."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(line)
        with connection.makefile("rb") as answer:
            return answer.readline() or None
    return None


@pytest.fixture(scope="module")
def own_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEdge]:
    with run_edge(tmp_path_factory.mktemp("edge")) as running:
        yield running


@pytest.fixture
def settings(settings_of: Callable[..., Settings], own_edge: RunningEdge) -> Settings:
    routes, pid = (Path(own_edge.env[name]) for name in ("EDGE_ROUTES_FILE", "EDGE_PID_FILE"))
    edge = own_edge.env["EDGE_ADDRESS"]
    return settings_of(edge_routes_file=routes, edge_pid_file=pid, edge_address=edge)


async def test_open_as_asked_and_never_to_another(
    settings: Settings, database: Database, user_factory: UserFactory
) -> None:
    fleet = Fleet(database, settings, (await user_factory()).project_id)
    tug, ferry = await fleet.ship(name="tug"), await fleet.ship(name="ferry")
    edge, low, high = Edge(settings, database), edge_port(), edge_port()

    async def lead(service_id: UUID, *addresses: str) -> None:
        """As a release that takes over leaves it."""
        async with database.transaction() as session:
            service = await session.get(Service, service_id)
            assert service
            deployment = await session.get(Deployment, service.live_deployment_id)
            assert deployment
            deployment.addresses, service.routed_deployment_id = list(addresses), deployment.id
            service.desired, service.status = Desired.RUNNING, ServiceStatus.RUNNING
        await edge.publish()

    async def change(*rows: Any, gone: int | None = None) -> None:
        async with database.transaction() as session:
            session.add_all(rows)
            if gone:
                await session.delete(await session.get(PublicPort, gone))
        await edge.publish()

    with echo(b"tug: ") as first, echo(b"tug too: ") as second, echo(b"ferry: ") as other:
        await lead(tug.id, first)
        await lead(ferry.id, other)
        assert said(low) is None
        await change(PublicPort(port=low, service_id=tug.id), PublicPort(port=high, service_id=ferry.id))
        assert (said(low), said(high)) == (b"tug: ahoy\n", b"ferry: ahoy\n")
        # Another release, as after a deployment or a rollback, and one of two units that is away.
        await lead(tug.id, second)
        assert said(low) == b"tug too: ahoy\n"
        await lead(tug.id, second, "127.0.0.1:1")
        assert {said(low) for _ in range(4)} == {b"tug too: ahoy\n"}
        # A stop keeps the port and closes it.
        await lead(tug.id)
        assert said(low) is None
        await lead(tug.id, first)
        assert said(low) == b"tug: ahoy\n"
        with socket.create_connection(("127.0.0.1", low), 10) as kept, kept.makefile("rb") as lines:
            kept.sendall(b"one\n")
            assert lines.readline() == b"tug: one\n"
            # Who is connected notices nothing of what changes for others.
            await change(gone=high)
            kept.sendall(b"two\n")
            assert lines.readline() == b"tug: two\n"
        assert said(high) is None
        sent = await fleet_traffic(settings, database, tug.id)
        assert sent > len(b"tug: ahoy\n")


async def fleet_traffic(settings: Settings, database: Database, service_id: UUID) -> int:
    def written() -> bool:
        return b" tug." in settings.edge_traffic_log.read_bytes()

    until(written)
    await counting.run(settings, database)
    async with database.transaction() as session:
        days = await session.scalars(select(TrafficDay).where(TrafficDay.service_id == service_id))
        return sum(day.sent for day in days)
