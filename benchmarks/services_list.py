"""`services_list`: GET /api/v1/services, everything on, against its SELECT by raw asyncpg under bare FastAPI.

100,000 services: 40,000 in the caller's project, the others in 60 projects, all mixed in time; each with a
live deployment and its job. Base and panel run one uvicorn worker each and take turns; every round of the
panel is compared with the rounds of the base before and after it.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import asyncpg

from backend.dao.listing import Query
from backend.services.views import SERVICES
from benchmarks.report import Result, middle
from benchmarks.servers import Installation, client, customer, load

ROWS = 100_000
OTHER_PROJECTS = 60
OWN_SHARE = 40
"""Per cent of the rows that are the caller's."""
SIZE = 20
DEEP_PAGE = 1_000
ROUNDS = 5
SECONDS = 4.0
CONNECTIONS = 32
POOL = 10

OTHERS = """
INSERT INTO projects (id, name) SELECT uuidv7(), 'other ' || n FROM generate_series(1, $1::int) n
"""
SERVICES_OF_ALL = """
WITH other AS (SELECT array_agg(id) AS ids FROM projects WHERE id <> $1)
INSERT INTO services (id, project_id, name, template_id, plan_id, source_kind, repo_url, ref, root,
                      build_options, health_path, health_kind, restart_policy, public, apart, desired, status,
                      deployments_count, created_at, updated_at)
SELECT uuidv7(), CASE WHEN n % 100 < $3 THEN $1 ELSE ids[1 + n % cardinality(ids)] END,
       'service-' || n, 'git-app', (SELECT min(id) FROM plans),
       'git', 'https://git.example.com/team/app-' || n || '.git', 'main', '',
       '{}', '/', 'http', 'always', true, false, 'running', 'running', 1,
       now() - (n || ' seconds')::interval, now()
FROM generate_series(1, $2::int) n, other
"""
DEPLOYMENTS_OF_ALL = """
INSERT INTO deployments (id, service_id, number, trigger, state, repo_url, ref, root, health_path, plan_id,
                         commit, commit_subject, steps, build_id, build_kept,
                         created_at, started_at, finished_at)
SELECT made.id, s.id, 1, 'order', 'live', repo_url, ref, root, health_path, plan_id,
       md5(name) || '00000000', 'Answer faster on the first page', '[]', made.id, true,
       created_at, created_at, created_at + interval '9 seconds'
FROM services s, LATERAL (SELECT uuidv7() AS id WHERE s.id IS NOT NULL) made
"""
GO_LIVE = """
UPDATE services s SET live_deployment_id = d.id, routed_deployment_id = d.id FROM deployments d
WHERE d.service_id = s.id
"""
JOBS_OF_ALL = """
INSERT INTO jobs (id, project_id, service_id, deployment_id, kind, queue, state, progress, attempts,
                  run_at, fence, created_at, started_at, finished_at)
SELECT uuidv7(), s.project_id, s.id, d.id, 'service.deploy', 'deploy', 'succeeded', 100, 1, d.created_at, 1,
       d.created_at, d.created_at, d.finished_at
FROM deployments d JOIN services s ON s.id = d.service_id
"""


def run() -> Result:
    with tempfile.TemporaryDirectory(prefix="gavan-bench-") as folder, ExitStack() as stack:
        installation = Installation(Path(folder), stack)
        panel = installation.serve("backend.main:create_app", "panel")
        with client(panel) as http:
            asking = customer(http)
            project, headers = asking.project_id, asking.headers
            asyncio.run(fill(installation.dsn, project))
            deep = f"/api/v1/services?size={SIZE}&cursor={deep_cursor(http, headers)}"
        bare = installation.serve(
            "benchmarks.bare_list:create_app", "bare", BARE_LIST=str(base_of(installation, project))
        )
        return measure(panel, bare, headers, deep)


async def fill(dsn: str, project: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(OTHERS, OTHER_PROJECTS)
        await connection.execute(SERVICES_OF_ALL, project, ROWS, OWN_SHARE)
        for statement in (DEPLOYMENTS_OF_ALL, GO_LIVE, JOBS_OF_ALL, "VACUUM ANALYZE"):
            await connection.execute(statement)
    finally:
        await connection.close()


def deep_cursor(http: Any, headers: dict[str, str]) -> str:
    """The cursor of page 1,000, by walking there as a client would, in its largest strides."""
    cursor, rows = "", 0
    while rows < (DEEP_PAGE - 1) * SIZE:
        size = min(100, (DEEP_PAGE - 1) * SIZE - rows)
        page = http.get("/api/v1/services", params={"size": size, "cursor": cursor}, headers=headers)
        said = page.raise_for_status().json()
        rows += len(said["items"])
        cursor = said["next_page"]
    return cursor


def base_of(installation: Installation, project: str) -> Path:
    """The statement that the panel runs for its first page, with its parameters."""
    query = Query("-created_at", SIZE, filters={"project_id": project})
    sql, values = SERVICES.statement(query)
    path = installation.home / "bare.json"
    path.write_text(
        json.dumps(
            {"dsn": installation.dsn, "sql": sql, "parameters": values, "size": SIZE, "connections": POOL}
        )
    )
    return path


def measure(panel: Path, bare: Path, headers: dict[str, str], deep: str) -> Result:
    first = f"/api/v1/services?size={SIZE}"

    def rate(socket: Path, path: str, sent: dict[str, str]) -> tuple[float, float, float]:
        said = load(socket, path, sent, seconds=SECONDS, connections=CONNECTIONS)
        return said["requests"] / said["seconds"], said["p50"] * 1e3, said["p99"] * 1e3

    for socket, sent in ((bare, {}), (panel, headers)):
        load(socket, first, sent, seconds=1.5, connections=CONNECTIONS)
    bases = [rate(bare, first, {})]
    firsts, deeps, ratios = [], [], []
    for _ in range(ROUNDS):
        firsts.append(rate(panel, first, headers))
        deeps.append(rate(panel, deep, headers))
        bases.append(rate(bare, first, {}))
        ratios.append(firsts[-1][0] / ((bases[-2][0] + bases[-1][0]) / 2))

    def figures(rounds: list[tuple[float, float, float]]) -> str:
        rate_, p50, p99 = (middle([one[place] for one in rounds]) for place in range(3))
        return f"{rate_:8,.0f} requests/s   p50 {p50:6.1f} ms   p99 {p99:6.1f} ms"

    depth = middle([late[0] / early[0] for early, late in zip(firsts, deeps, strict=True)])
    return Result(
        name="services_list",
        value=middle([one[0] for one in firsts]),
        unit="requests/s",
        ratio=middle(ratios),
        aim="ratio >= 0.5",
        runs=ROUNDS,
        facts=[
            ("base: the same SELECT, raw, bare FastAPI", figures(bases)),
            ("panel, page 1", figures(firsts)),
            (f"panel, page {DEEP_PAGE:,}", figures(deeps)),
            (f"page {DEEP_PAGE:,} against page 1", f"{depth:.2f} of the rate"),
            ("ratio, lowest and highest round", f"{min(ratios):.2f} … {max(ratios):.2f}"),
            ("connections, rows, page", f"{CONNECTIONS}, {ROWS:,}, {SIZE}"),
        ],
    )
