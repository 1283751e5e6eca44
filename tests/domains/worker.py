"""Works on one job in a process of its own, which may be killed: `python -m tests.domains.worker ID`."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from uuid import UUID

from backend import models  # noqa: F401  (the mapper needs all of them)
from backend.config import Settings, use
from backend.database import Database
from backend.domains.kinds import DomainJobs
from backend.jobs import runner
from backend.services.routing import Edge


async def work(job_id: UUID) -> None:
    settings = use(Settings(_env_file=None))  # type: ignore[call-arg]
    database = Database(settings)
    kinds = DomainJobs(settings, database, Edge(settings, database)).kinds()
    await runner.run(job_id, database, kinds, timedelta(seconds=30))
    await database.close()


if __name__ == "__main__":
    asyncio.run(work(UUID(sys.argv[1])))
