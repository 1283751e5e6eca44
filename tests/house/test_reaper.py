"""A test run that is killed leaves neither servers nor files behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.support import reaper

RUN = """
import time
from tests.support.servers import Servers
servers = Servers()
servers.start()
print(servers.directory, flush=True)
time.sleep(600)
"""


async def test_kill_of_pytest_itself() -> None:
    run = subprocess.Popen([sys.executable, "-c", RUN], cwd=reaper.ROOT, stdout=subprocess.PIPE, text=True)
    with run:
        assert run.stdout
        folder = Path(run.stdout.readline().strip())
        names = {
            (Path("/proc") / str(one.pid) / "comm").read_text().strip() for one in reaper.running(folder)
        }
        run.kill()
    assert {"postgres", "redis-server"} <= names
    async with asyncio.timeout(60):
        while folder.exists() or list(reaper.running(folder)):
            await asyncio.sleep(0.05)
