"""What is accepted of public ports, what is refused, and that no two services have the same."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from backend.billing.metering.meters import quantities
from backend.config import Settings
from backend.database import Database
from backend.ports import edgeports
from backend.ports.models import PublicPort
from tests.services.releases import Harbour
from tests.support.people import UserFactory


@pytest.fixture
def settings(settings_of: Callable[..., Settings], request: pytest.FixtureRequest) -> Settings:
    return settings_of(**getattr(request, "param", {}))


@pytest.fixture
async def service(harbour: Harbour) -> Harbour:
    await harbour.order()
    return harbour


async def port(harbour: Harbour, method: str = "GET") -> httpx.Response:
    return await harbour.ask(method, f"/services/{harbour.service_id}/public-port")


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def another(harbour: Harbour) -> Harbour:
    more = Harbour(harbour.client, harbour.database, harbour.settings, harbour.ada)
    await more.order(name=f"t-{uuid4().hex[:10]}")
    return more


async def test_opened_kept_and_closed(service: Harbour, database: Database) -> None:
    before = (await port(service)).json()
    assert (before["supported"], before["opened"]) == (True, None)
    refused(await port(service, "DELETE"), 404, "not_found")
    made = await port(service, "POST")
    assert made.status_code == 201, made.text
    number = made.json()["port"]
    assert 31000 <= number <= 31999
    assert made.json()["address"] == f"ports.example.org:{number}"
    refused(await port(service, "POST"), 409, "port_open")
    first = service.made[0]
    await service.deploy()
    back = await service.roll_back(first)
    await service.live(back.json()["deployment_id"])
    assert (await port(service)).json()["opened"]["port"] == number
    async with database.transaction() as session:
        assert (await quantities(session, UUID(service.service_id)))["address"] == 1
    assert (await port(service, "DELETE")).status_code == 204
    async with database.transaction() as session:
        assert "address" not in await quantities(session, UUID(service.service_id))
    events = (await service.ask("GET", "/audit?size=50")).json()["items"]
    assert {"service.port_opened", "service.port_closed"} <= {one["action"] for one in events}


@pytest.mark.parametrize("settings", [{"public_ports": "31500-31501"}], indirect=True)
async def test_never_the_same_even_at_once(service: Harbour, database: Database) -> None:
    """Of two ports, four services at once get both, once each."""
    fleet = [service, *[await another(service) for _ in range(3)]]
    answers = await asyncio.gather(*(port(one, "POST") for one in fleet))
    assert sorted(one.status_code for one in answers) == [201, 201, 409, 409]
    got = [one.json()["port"] for one in answers if one.status_code == 201]
    assert sorted(got) == [31500, 31501]
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            session.add(PublicPort(port=31500, service_id=UUID(fleet[0].service_id)))


@pytest.mark.parametrize("settings", [{"public_ports": ""}], indirect=True)
async def test_off_unless_the_operator_says_which(service: Harbour) -> None:
    assert not (await port(service)).json()["supported"]
    refused(await port(service, "POST"), 409, "not_supported_here")


async def test_a_strangers_is_not_there(service: Harbour, user_factory: UserFactory) -> None:
    assert (await port(service, "POST")).status_code == 201
    stranger = await user_factory()
    path = f"/api/v1/services/{service.service_id}/public-port"
    for method in ("GET", "POST", "DELETE"):
        answer = await service.client.request(method, path, headers=stranger.headers)
        assert answer.status_code == 404, (method, answer.text)
    async with service.database.transaction() as session:
        assert await session.scalar(select(PublicPort.service_id)) == UUID(service.service_id)


def test_a_port_of_somebody_elses_does_not_stop_the_edge(settings: Settings) -> None:
    routes = {"mine": ["127.0.0.1:1"], "other": ["127.0.0.1:2", "127.0.0.1:3"], "down": []}
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            free = probe.getsockname()[1]
        made = edgeports.render(settings, {taken: "mine", free: "other", 31001: "down"}, routes, "")
    assert f":{taken} " not in made
    assert f"listen 127.0.0.1:{free} " in made
    assert made.count("server 127.0.0.1:") == 2
    assert "31001" not in made
    assert edgeports.render(settings, {}, routes, made) == ""
