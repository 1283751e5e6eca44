"""Looking inside a service of the whole installation: a console through the edge, numbers, events."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from tests.stack.scenes import Fresh, served
from tests.support.customer import Customer
from tests.support.stack import Stack

PATIENCE = 60


async def console(customer: Customer, service_id: str) -> ClientConnection:
    """Open, through the edge."""
    answer = await customer.ask("POST", f"/services/{service_id}/consoles")
    assert answer.status_code == 201, answer.text
    base = httpx.URL(str(customer.http.base_url))
    host = customer.http.headers["Host"]
    socket = await connect(
        f"ws://{host}{answer.json()['url']}",
        host=base.host,
        port=base.port,
        origin=f"http://{host}",  # type: ignore[arg-type]
        proxy=None,
        max_size=None,
    )
    await socket.send(json.dumps({"ticket": answer.json()["ticket"], "columns": 90, "rows": 20}))
    async with asyncio.timeout(PATIENCE):
        assert json.loads(await socket.recv()) == {"open": True}
    return socket


async def read_until(socket: ClientConnection, sign: bytes) -> None:
    seen = b""
    async with asyncio.timeout(PATIENCE):
        while sign not in seen:
            message = await socket.recv()
            assert isinstance(message, bytes), message
            seen += message


async def end_of(socket: ClientConnection) -> str:
    async with asyncio.timeout(PATIENCE):
        while isinstance(message := await socket.recv(), bytes):
            pass
    why: str = json.loads(message)["end"]
    return why


async def test_a_console_numbers_and_events(stack: Stack, customer: Customer, fresh: Fresh) -> None:
    case = await served(stack, customer, fresh("looking"))
    socket = await console(customer, case.service_id)
    await socket.send(b"echo $((6 * 7))-$COLUMNS; stty size\r")
    await read_until(socket, b"20 90")
    await socket.send(b"cat\r")
    await socket.send("эхо в гавани\r".encode())
    await read_until(socket, "эхо в гавани".encode())
    # The service is stopped under it.
    accepted = await customer.post(f"/services/{case.service_id}/stop")
    assert await end_of(socket) == "ended"
    await customer.finished(accepted["job_id"])
    accepted = await customer.post(f"/services/{case.service_id}/start")
    await customer.finished(accepted["job_id"])

    async def measured() -> dict[str, Any]:
        while True:
            found = await customer.get(f"/services/{case.service_id}/metrics")
            if found["now"] and found["series"]:
                return found
            await asyncio.sleep(0.5)

    async with asyncio.timeout(PATIENCE):
        found = await measured()
    assert [(one["process"], one["replica"]) for one in found["now"]] == [("web", 1)]
    assert found["now"][0]["memory_bytes"] > 2**20
    kinds = [one["kind"] for one in (await customer.get(f"/services/{case.service_id}/events"))["items"]]
    assert kinds[:2] == ["started", "stopped"]
    assert "live" in kinds
    assert "exited" not in kinds, "nothing ended by itself"

    socket = await console(customer, case.service_id)
    await customer.ask("DELETE", f"/services/{case.service_id}")
    assert await end_of(socket) in ("ended", "service")
