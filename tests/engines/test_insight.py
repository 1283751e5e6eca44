"""What engines tell of running units: their use, their ends, and a shell inside. For both engines."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from backend.engines.base import EngineError, Terminal, UnitExit, UnitStats
from tests.engines.conftest import Panel, every_engine

PATIENCE = 60
SERVER = (
    "import http.server, os, threading, hashlib\n"
    "class Handler(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self):\n"
    "        if self.path == '/die': os._exit(3)\n"
    "        if self.path == '/work':\n"
    "            for _ in range(60): hashlib.sha256(bytes(4_000_000)).digest()\n"
    "            kept.append(bytearray(b'x' * 64_000_000))\n"
    "        self.send_response(200); self.end_headers(); self.wfile.write(b'ok')\n"
    "    def log_message(self, *_): pass\n"
    "kept = []\n"
    "http.server.HTTPServer((os.environ.get('HOST', '0.0.0.0'), int(os.environ['PORT'])), Handler)"
    ".serve_forever()\n"
)
FILES = {"Procfile": "web: python3 app.py\n", "app.py": SERVER, "requirements.txt": ""}


async def until(found: Callable[[], Awaitable[object]]) -> object:
    async with asyncio.timeout(PATIENCE):
        while True:
            if value := await found():
                return value
            await asyncio.sleep(0.2)


async def use_of(panel: Panel, deployment_id: str) -> UnitStats | None:
    found = [one for one in await panel.engine.stats() if one.deployment_id == deployment_id]
    assert len(found) < 2
    return found[0] if found else None


async def ask(address: str, path: str) -> None:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    await reader.read()
    writer.close()


@contextlib.asynccontextmanager
async def shell(panel: Panel, deployment_id: str) -> AsyncIterator[Terminal]:
    terminal = await panel.engine.terminal(deployment_id, "web", 1, columns=100, rows=30)
    try:
        yield terminal
    finally:
        await terminal.close()


async def read_until(terminal: Terminal, sign: bytes) -> bytes:
    seen = b""
    async with asyncio.timeout(PATIENCE):
        while sign not in seen:
            part = await terminal.read()
            assert part, seen
            seen += part
    return seen


@every_engine
async def test_use_ends_and_shells(panel: Panel) -> None:
    release, unit = await panel.run(FILES, {"SECRET_WORD": "Гавань 'of' all"})
    name = release.deployment_id

    before = await use_of(panel, name)
    assert before is not None
    assert (before.service_id, before.process, before.replica) == (release.service_id, "web", 1)
    assert before.memory_bytes > 2**20
    await ask(unit.address, "/work")
    after = await use_of(panel, name)
    assert after is not None
    assert after.life == before.life
    assert after.cpu_seconds > before.cpu_seconds
    assert after.memory_bytes > before.memory_bytes + 48 * 2**20
    if panel.engine.name == "docker":
        assert after.memory_limit == release.limits.memory_bytes
        assert (after.received_bytes or 0) > (before.received_bytes or 0)

    # A shell: the unit's variables, what is typed and how large it is, bytes as they are.
    async with shell(panel, name) as terminal:
        await terminal.write(b'printf "%s|%s\\n" "$SECRET_WORD" "$((40 + 2))"\r')
        assert "Гавань 'of' all|42".encode() in await read_until(terminal, b"|42")
        await terminal.resize(123, 45)
        await terminal.write(b"stty size; printf '\\377\\000\\376-%s\\n' end\r")
        assert b"45 123" in (seen := await read_until(terminal, b"-end\r"))
        assert b"\xff\x00\xfe-end" in seen
        await terminal.write(b"sleep 31536000 & echo started $!\r")
        await read_until(terminal, b"started ")
        await terminal.write(b"exit\r")
        await terminal.write(b"exit\r")
        async with asyncio.timeout(PATIENCE):
            while await terminal.read():
                pass

    # Closing ends what was left in it; a flood that nobody reads waits.
    async with shell(panel, name) as terminal:
        await terminal.write(b"echo $$; exec yes flood\r")
        await read_until(terminal, b"flood\r\nflood")
        await asyncio.sleep(0.3)
        assert len(await terminal.read()) <= 64 * 1024
    quiet = await use_of(panel, name)
    assert quiet is not None

    async def flood_is_over() -> bool:
        earlier = await use_of(panel, name)
        await asyncio.sleep(0.5)
        now = await use_of(panel, name)
        return bool(earlier and now and now.cpu_seconds - earlier.cpu_seconds < 0.2)

    await until(flood_is_over)

    for process, replica in (("web", 2), ("worker", 1)):
        with pytest.raises(EngineError) as refused:
            await panel.engine.terminal(name, process, replica, columns=80, rows=24)
        assert refused.value.code == "unit_stopped"
    with pytest.raises(EngineError):
        await panel.engine.terminal(str(uuid.uuid4()), "web", 1, columns=80, rows=24)

    # It dies: known once, at one time, with the reason, and the next life counts from zero.
    with contextlib.suppress(OSError):
        await ask(unit.address, "/die")

    async def died() -> list[UnitExit]:
        return [one for one in await panel.engine.exits() if one.deployment_id == name]

    await until(died)
    (first,) = await died()
    assert first.reason.parameters["exit_status"] == 3
    assert (first.service_id, first.process, first.replica) == (release.service_id, "web", 1)

    async def anew() -> UnitStats | None:
        found = await use_of(panel, name)
        return found if found and found.life != before.life else None

    again = await until(anew)
    assert isinstance(again, UnitStats)
    assert again.cpu_seconds < after.cpu_seconds
    assert [one.at for one in await died()] == [first.at]

    await panel.engine.stop(name)
    assert await use_of(panel, name) is None
    with pytest.raises(EngineError):
        await panel.engine.terminal(name, "web", 1, columns=80, rows=24)
