"""What the edge writes of requests, as tests write it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy import func, select, update

from backend.billing.traffic.models import TrafficDay
from backend.database import Database, now
from backend.services.models import Service
from tests.billing.meters import Ship, at

GIB = 2**30


def line(host: str, sent: int, received: int = 0, when: datetime | None = None) -> bytes:
    moment = (when or now()).timestamp()
    return f"{int(moment)}.123 {uuid4().hex} {sent} {received} {host}\n".encode()


def write(log: Path, *lines: bytes) -> None:
    with log.open("ab") as file:
        file.write(b"".join(lines))


async def counted(database: Database) -> tuple[int, int, int]:
    """Requests, bytes received and sent, in all."""
    async with database.transaction() as session:
        sums = (
            func.coalesce(func.sum(getattr(TrafficDay, name)), 0) for name in ("requests", "received", "sent")
        )
        row = (await session.execute(select(*sums))).one()
        return int(row[0]), int(row[1]), int(row[2])


async def old(ship: Ship) -> None:
    """It was there long before."""
    async with ship.fleet.database.transaction() as session:
        values = {"created_at": at("2026-01-01")}
        await session.execute(update(Service).where(Service.id == ship.id).values(**values))
