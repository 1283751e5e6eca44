"""`rating_million`: rating of 1,000,000 usage records against one SQL aggregate of them.

1,389 services at three prices that ran for the thirty days of a month, read out each hour; 100 of them
changed their plan in the middle. The aggregate sums seconds by service, price, quantity and day, which rating
does too, and then prices, caps, rounds and writes what each day costs. Aggregate and rating take turns.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import asyncpg

from backend.billing.metering import rating
from backend.config import Settings, use
from backend.database import Database
from benchmarks.report import Result, middle
from benchmarks.servers import Installation

SERVICES = 1_389
ROUNDS = 5
SERVICES_OF_ALL = """
WITH project AS (INSERT INTO projects (id, name) VALUES (uuidv7(), 'usage') RETURNING id)
INSERT INTO services (id, project_id, name, template_id, plan_id, source_kind, repo_url, root,
                      build_options, health_path, health_kind, restart_policy, public, apart, desired, status,
                      deployments_count)
SELECT uuidv7(), project.id, 'service-' || n, 'git-app', 'dinghy', 'git',
       'https://git.example.com/app.git',
       '', '{}', '/', 'http', 'always', true, false, 'running', 'running', 1
FROM project, generate_series(1, $1::int) n
"""
PRICES = """
INSERT INTO prices (id, plan_id, currency, month_minor, setup_minor, valid_from, existing, source, created_at)
SELECT uuidv7(), 'dinghy', 'EUR', minor, 0, '2000-01-01'::timestamptz + n * interval '1 day', 'keep', 'admin',
       now()
FROM unnest('{777,5000,12345}'::int[]) WITH ORDINALITY AS price(minor, n)
"""
# In the order in which the hours passed.
RECORDS_OF_ALL = """
WITH price AS (
    SELECT array_agg(id ORDER BY month_minor) AS ids FROM prices WHERE valid_from < '2001-01-01'
), service AS (SELECT id, row_number() OVER (ORDER BY id) AS n FROM services)
INSERT INTO usage_records (service_id, meter, price_id, event_id, day, from_at, to_at, seconds)
SELECT service.id, 'plan', ids[1 + (n + (n % 14 = 0 AND hour >= 360)::int) % 3], n,
       (at AT TIME ZONE 'UTC')::date, at, at + interval '1 hour', 3600
FROM generate_series(0, 719) AS hour, service, price,
     LATERAL (SELECT '2026-04-01Z'::timestamptz + hour * interval '1 hour' AS at) AS moment
ORDER BY hour, n
"""
AGGREGATE = """
SELECT service_id, meter, price_id, quantity, day, sum(seconds) FROM usage_records GROUP BY 1, 2, 3, 4, 5
"""
ANEW = """
ALTER TABLE usage_charges DISABLE TRIGGER ALL;
TRUNCATE usage_charges, usage_totals;
ALTER TABLE usage_charges ENABLE ALWAYS TRIGGER usage_charges_stay;
UPDATE usage_positions SET record_id = 0;
"""


def run() -> Result:
    with tempfile.TemporaryDirectory(prefix="gavan-bench-") as folder, ExitStack() as stack:
        installation = Installation(Path(folder), stack)
        values: dict[str, Any] = {name.lower(): value for name, value in installation.env.items()}
        settings = use(Settings(_env_file=None, **values))  # type: ignore[call-arg]
        return asyncio.run(measure(settings, installation.dsn))


async def measure(settings: Settings, dsn: str) -> Result:
    database, connection = Database(settings, pool_size=1), await asyncpg.connect(dsn)
    try:
        rows = await fill(connection)
        aggregates, ratings, ratios = [], [], []
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            await connection.fetch(AGGREGATE)
            summed = time.perf_counter()
            await rating.rate(database)
            rated = time.perf_counter()
            aggregates.append(summed - begin)
            ratings.append(rated - summed)
            ratios.append(ratings[-1] / aggregates[-1])
            charges = await connection.fetchval("SELECT count(*) FROM usage_charges")
            await connection.execute(ANEW)
        facts = [
            ("records, charges", f"{rows:,}, {charges:,}"),
            ("one aggregate", f"{middle(aggregates):.2f} s"),
            ("records rated a second", f"{rows / middle(ratings):,.0f}"),
        ]
        return Result("rating_million", middle(ratings), "s", middle(ratios), "≤ 3", ROUNDS, facts)
    finally:
        await connection.close()
        await database.close()


async def fill(connection: asyncpg.Connection, services: int = SERVICES) -> int:
    await connection.execute(SERVICES_OF_ALL, services)
    await connection.execute(PRICES)
    await connection.execute(RECORDS_OF_ALL)
    await connection.execute("VACUUM ANALYZE usage_records")
    return int(await connection.fetchval("SELECT count(*) FROM usage_records"))
