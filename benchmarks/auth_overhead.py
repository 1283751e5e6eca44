"""`auth_overhead`: what authentication and authorization add to GET /api/v1/services.

The panel against itself with that route left open (`open_list`), one uvicorn worker each, taking turns;
the difference of their times for a request is compared with a raw list request (`bare_list`). One person's
token is sent all the time, so that this is the cost of a request that finds its principal remembered;
the first of each half minute asks the database once more.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.report import Result, middle
from benchmarks.servers import Installation, client, customer, load
from benchmarks.services_list import CONNECTIONS, SIZE, base_of, fill

ROUNDS = 7
SECONDS = 3.0
PATH = f"/api/v1/services?size={SIZE}"


def run() -> Result:
    with tempfile.TemporaryDirectory(prefix="gavan-bench-") as folder, ExitStack() as stack:
        installation = Installation(Path(folder), stack)
        panel = installation.serve("backend.main:create_app", "panel")
        with client(panel) as http:
            asking = customer(http)
        project = asking.project_id
        asyncio.run(fill(installation.dsn, project))
        opened = installation.serve(
            "benchmarks.open_list:create_app", "opened", OPEN_LIST=f"{asking.user_id} {project}"
        )
        bare = installation.serve(
            "benchmarks.bare_list:create_app", "bare", BARE_LIST=str(base_of(installation, project))
        )
        return measure(panel, opened, bare, asking.headers)


def measure(panel: Path, opened: Path, bare: Path, headers: dict[str, str]) -> Result:
    def microseconds(socket: Path, sent: dict[str, str]) -> float:
        """Of the one worker, for a request."""
        said = load(socket, PATH, sent, seconds=SECONDS, connections=CONNECTIONS)
        return float(said["seconds"] / said["requests"] * 1e6)

    for socket in (bare, opened, panel):
        load(socket, PATH, headers, seconds=1.5, connections=CONNECTIONS)
    raw, without, with_, costs = [], [], [], []
    for _ in range(ROUNDS):
        raw.append(microseconds(bare, {}))
        before = microseconds(opened, headers)
        with_.append(microseconds(panel, headers))
        after = microseconds(opened, headers)
        without.append((before + after) / 2)
        costs.append(with_[-1] - without[-1])
    ratios = [cost / base for cost, base in zip(costs, raw, strict=True)]
    return Result(
        name="auth_overhead",
        value=middle(costs),
        unit="µs a request",
        ratio=middle(ratios),
        aim="ratio <= 0.15",
        runs=ROUNDS,
        facts=[
            ("base: the same SELECT, raw, bare FastAPI", f"{middle(raw):8,.0f} µs"),
            ("panel, the route left open", f"{middle(without):8,.0f} µs"),
            ("panel, as it is", f"{middle(with_):8,.0f} µs"),
            ("ratio, lowest and highest round", f"{min(ratios):.2f} … {max(ratios):.2f}"),
        ],
    )
