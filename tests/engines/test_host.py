"""What an app must not get from the machine: the kernel's switches, and another app's visitors."""

from __future__ import annotations

import json
import socket

import pytest

from backend.engines import sandbox
from tests.engines.app import get, until
from tests.engines.conftest import Panel

PROBE = """
import http.server, json, os
SWITCHES = ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger")

def opens(path):
    try:
        os.close(os.open(path, os.O_WRONLY))
    except OSError:
        return False
    return True

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({path: opens(path) for path in SWITCHES}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
DEAF = """
import http.server, os, threading, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        if self.path == "/deaf":
            threading.Thread(target=lambda: (server.shutdown(), server.server_close())).start()

server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
server.serve_forever()
time.sleep(60)
"""


async def test_the_kernel_s_switches_are_out_of_reach(panel: Panel) -> None:
    if not sandbox.detect_isolation().arguments:
        pytest.skip("bubblewrap is not installed or may not make namespaces here")
    _, unit = await panel.run({"probe.py": PROBE, "Procfile": "web: python3 probe.py\n"})
    opened = json.loads((await get(unit.address, "/")).text)
    assert opened
    assert not any(opened.values()), opened


async def test_a_port_that_somebody_else_took_is_not_the_unit_s(panel: Panel) -> None:
    release, unit = await panel.run({"deaf.py": DEAF, "Procfile": "web: python3 deaf.py\n"})
    host, _, port = unit.address.rpartition(":")

    async def listening() -> bool | None:
        found = {one.deployment_id: one for one in await panel.engine.units()}
        return found[release.deployment_id].listening

    assert await listening() is True
    await get(unit.address, "/deaf")

    async def deaf() -> bool:
        return await listening() is False

    await until(deaf)
    with socket.create_server((host, int(port))):
        assert await listening() is False
