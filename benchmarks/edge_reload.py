"""`edge_reload`: from a changed route to the moment when the edge leads every visitor by it.

10,000 services with one address and 200 with three, in a real database, published to a real nginx; beside it
the same services with one address each, which is the map alone. Both take turns at the same nginx, whose
memory is seen after each.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import asyncpg

from backend.config import Settings, use
from backend.database import Database
from backend.services.routing import Edge
from benchmarks.ledger_post import settings_of
from benchmarks.report import Result, middle
from benchmarks.servers import ROOT, Installation, spawned
from embedded import edge
from embedded.layout import Layout
from embedded.processes import unprivileged

SINGLE, SEVERAL = 10_000, 200
ROUNDS = 7
SERVICES_OF_ALL = """
WITH project AS (INSERT INTO projects (id, name) VALUES (uuidv7(), 'harbour') RETURNING id)
INSERT INTO services (id, project_id, name, template_id, plan_id, source_kind, repo_url, root, build_options,
                      health_path, health_kind, restart_policy, public, apart, desired, status,
                      deployments_count)
SELECT uuidv7(), project.id, 'service-' || n, 'git-app', 'dinghy', 'git', 'https://git.example.com/app.git',
       '', '{}', '/', 'http', 'always', true, false, 'running', 'running', 1
FROM project, generate_series(1, $1::int) n
"""
DEPLOYMENTS_OF_ALL = """
INSERT INTO deployments (id, service_id, number, trigger, state, source_kind, repo_url, root, build_options,
                         rebuild, health_path, health_kind, restart_policy, plan_id, build_id, build_kept,
                         processes, commands, addresses, steps, created_at)
SELECT made.id, s.id, 1, 'order', 'live', source_kind, repo_url, root, build_options, false, health_path,
       health_kind, restart_policy, plan_id, made.id, true, '{}', '{}', '[]', '[]', now()
FROM services s, LATERAL (SELECT uuidv7() AS id WHERE s.id IS NOT NULL) made
"""
GO_LIVE = """
UPDATE services s SET live_deployment_id = d.id, routed_deployment_id = d.id FROM deployments d
WHERE d.service_id = s.id
"""
ADDRESSES = """
UPDATE deployments d SET addresses = (
    SELECT jsonb_agg('127.0.0.1:' || port)
    FROM generate_series(20000 + n, 20000 + n + CASE WHEN n <= $1 THEN 2 ELSE 0 END) port)
FROM (SELECT id, substring(name from 9)::int AS n FROM services) s WHERE d.service_id = s.id
"""
CHANGED = """
UPDATE deployments d SET addresses = jsonb_build_array('127.0.0.1:' || $1::text) FROM services s
WHERE d.service_id = s.id AND s.name = 'service-' || $2::text
"""


def run() -> Result:
    with tempfile.TemporaryDirectory(prefix="gavan-bench-") as folder, ExitStack() as stack:
        installation = Installation(Path(folder), stack)
        layout = Layout(ROOT, Path(folder))
        with socket.socket() as trial:
            trial.bind(("127.0.0.1", 0))
            port = trial.getsockname()[1]
        installation.env |= {
            "EDGE_ADDRESS": f"127.0.0.1:{port}",
            "EDGE_BIND": "127.0.0.1",
            "EDGE_PORT": str(port),
            "EDGE_ROUTES_FILE": str(layout.edge / "routes.map"),
            "API_BIND": f"unix:{folder}/none.sock",
        }
        settings = use(settings_of(installation))
        edge.prepare(layout, installation.env)
        command = [*unprivileged(), *edge.command(layout)]
        stack.enter_context(spawned(command, Path(folder) / "edge.log"))
        return asyncio.run(measure(settings, installation.dsn))


async def measure(settings: Settings, dsn: str) -> Result:
    database = Database(settings, pool_size=2)
    published = Edge(settings, database)
    connection = await asyncpg.connect(dsn)
    await connection.execute(SERVICES_OF_ALL, SINGLE + SEVERAL)
    for statement in (DEPLOYMENTS_OF_ALL, GO_LIVE):
        await connection.execute(statement)
    seconds: dict[int, list[float]] = {0: [], SEVERAL: []}
    memory: dict[int, list[float]] = {0: [], SEVERAL: []}
    for turn in range(ROUNDS):
        for several in seconds:
            await connection.execute(ADDRESSES, several)
            await connection.execute("VACUUM ANALYZE deployments")
            await published.publish()
            # Of the last service, which has one address in both.
            await connection.execute(CHANGED, str(40_000 + turn), str(SINGLE + SEVERAL))
            begin = time.perf_counter()
            await published.publish()
            seconds[several].append(time.perf_counter() - begin)
            memory[several].append(held_mib(settings.edge_pid_file))
    await connection.close()
    await database.close()
    taken, alone = middle(seconds[SEVERAL]), middle(seconds[0])
    return Result(
        "edge_reload",
        taken * 1e3,
        f"ms with {SINGLE:,} routes and {SEVERAL} of three units",
        taken / alone,
        "below 1.5 of the map alone",
        ROUNDS,
        [
            ("the map alone", f"{alone * 1e3:.0f} ms"),
            ("slowest of both", f"{max(seconds[SEVERAL] + seconds[0]) * 1e3:.0f} ms"),
            (
                "nginx with blocks, and the map alone",
                f"{middle(memory[SEVERAL]):.0f} and {middle(memory[0]):.0f} MiB",
            ),
        ],
    )


def held_mib(pid_file: Path) -> float:
    """What nginx and its workers hold, what they share counted once."""
    master = pid_file.read_text().strip()
    workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    held = 0
    for pid in (master, *workers):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        held += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return held / 1024
