"""Counting what went through the edge, once: counts and how far the log is read are one transaction.

Killed anywhere, it goes on where the last transaction ended; two at once do not both count a piece.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from loguru import logger

from backend.billing.traffic import logs
from backend.billing.traffic.dao import LogDAO, TrafficDAO
from backend.billing.traffic.lines import ANY_NAME, Sums, address_of
from backend.config import Settings
from backend.database import Database, now

FORGOTTEN_AFTER = timedelta(days=90)
"""How long a file that is gone is remembered: it might be put back from a copy."""


async def run(settings: Settings, database: Database) -> int:
    """Count all that is there; gives how many requests of services it was."""
    log = settings.edge_traffic_log
    counted = 0
    for path in await asyncio.to_thread(logs.files, log):
        counted += await _count(settings, database, log, path)
    await asyncio.to_thread(logs.put_away, log, settings.edge_pid_file)
    async with database.transaction() as session:
        await LogDAO(session).forget(now() - FORGOTTEN_AFTER)
    return counted


async def _count(settings: Settings, database: Database, log: Path, path: Path) -> int:
    digest = await asyncio.to_thread(logs.digest_of, path)
    if digest is None:
        return 0
    requests = 0
    while True:
        async with database.transaction() as session:
            begin = await LogDAO(session).counted(digest)
        piece = await asyncio.to_thread(logs.read, path, begin)
        if piece.through == begin:
            await asyncio.to_thread(logs.clear, log, path, begin)
            return requests
        counted = await _write(settings, database, digest, begin, piece)
        if counted is None:
            # Somebody else counts this file.
            return requests
        requests += counted


async def _write(
    settings: Settings, database: Database, digest: str, begin: int, piece: logs.Piece
) -> int | None:
    """How many requests had a service; None if another one counted the piece."""
    sums = Sums()
    await asyncio.to_thread(sums.take, piece.lines)
    if sums.garbled:
        logger.warning("{} lines of the traffic log are none", sums.garbled)
    address = address_of(urlsplit(settings.app_url(ANY_NAME)).hostname or ANY_NAME)
    async with database.transaction() as session:
        if not await LogDAO(session).advance(digest, begin, piece.through):
            return None
        return await TrafficDAO(session).count(
            sums.columns(address, now()), settings.billing_time_zone, charged=settings.billing_enabled
        )
