"""A worker that takes one job and may be killed: its id is the argument, its settings come on stdin."""

from __future__ import annotations

import asyncio
import json
import sys
from uuid import UUID

from backend import models  # noqa: F401
from backend.billing.payments.desk import Desk
from backend.billing.payments.gateways.registry import Gateways
from backend.billing.payments.kinds import kinds
from backend.config import Settings, use
from backend.database import Database
from backend.jobs import runner
from backend.jobs.publisher import Publisher
from tests.billing.paying import LEASE


async def main(job_id: UUID, settings: Settings) -> None:
    database = Database(settings)
    desk = Desk(settings, database, Gateways(settings), Publisher(lambda *_: None))
    await runner.run(job_id, database, kinds(desk), LEASE)


if __name__ == "__main__":
    asyncio.run(main(UUID(sys.argv[1]), use(Settings(_env_file=None, **json.load(sys.stdin)))))
