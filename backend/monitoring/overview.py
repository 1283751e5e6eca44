"""What the operator sees first: counts, the engine, and which parts answer."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import redis.asyncio as redis
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.context import Parts
from backend.dao.base import AnySelect, BaseDAO
from backend.engines.base import EngineError
from backend.jobs.models import Job
from backend.mail.catalogue import Channel
from backend.mail.models import Letter
from backend.mail.transports import ConsoleTransport, transports_of
from backend.services.models import Service
from backend.users.models import User

PATIENCE = 2.0


class Counts(BaseDAO[Service]):
    model = Service

    async def by(self, statement: AnySelect) -> dict[str, int]:
        return {str(row._mapping["state"]): row._mapping["count"] for row in await self.rows(statement)}


async def overview(parts: Parts, session: AsyncSession) -> dict[str, Any]:
    counts = Counts(session)
    counted = func.count().label("count")
    services = select(Service.status.label("state"), counted).where(Service.deleted_at.is_(None))
    jobs = select(Job.state, counted)
    letters = select(Letter.state, counted)
    return {
        "services": await counts.by(services.group_by(Service.status)),
        "jobs": await counts.by(jobs.group_by(Job.state)),
        "letters": await counts.by(letters.group_by(Letter.state)),
        "delivery": _delivery(parts),
        "payable": parts.settings.payable() if parts.settings.billing_enabled else None,
        "users": await counts.scalar(select(func.count()).select_from(User)),
        "engine": await _engine(parts),
        "parts": await _parts(parts),
    }


def _delivery(parts: Parts) -> dict[str, str]:
    """Whether letters and text messages have a way out."""
    transports = transports_of(parts.settings)

    def way(channel: Channel) -> str:
        transport = transports.get(channel)
        if transport is None:
            return "missing"
        return "console" if isinstance(transport, ConsoleTransport) else "configured"

    return {channel.value: way(channel) for channel in Channel}


async def _engine(parts: Parts) -> dict[str, Any]:
    try:
        return asdict(await parts.engine.info())
    except EngineError as error:
        away = {"code": error.code, "message": error.message}
        return {"name": parts.engine.name, "isolation": "unknown", "warnings": [away]}


async def _parts(parts: Parts) -> list[dict[str, str]]:
    database, broker, engine, workers = await asyncio.gather(
        database_state(parts), redis_state(parts), _engine_state(parts), _workers(parts)
    )
    named = [("postgres", database), ("redis", broker), ("engine", engine)]
    return [{"name": name, "state": state} for name, state in [*named, *workers]]


async def database_state(parts: Parts) -> str:
    async def ask() -> None:
        async with parts.database.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    return await _answers(ask())


async def redis_state(parts: Parts) -> str:
    async def ask() -> None:
        async with redis.Redis.from_url(parts.settings.redis_url.get_secret_value()) as client:
            await client.ping()

    return await _answers(ask())


async def _engine_state(parts: Parts) -> str:
    return await _answers(parts.engine.units())


async def _answers(question: Any) -> str:
    try:
        await asyncio.wait_for(question, PATIENCE)
    except Exception:
        return "down"
    return "up"


async def _workers(parts: Parts) -> list[tuple[str, str]]:
    """Workers answer a broadcast; beat is alive when it asked for work a moment ago."""
    from backend.celery.publish import sender

    def ask() -> list[dict[str, Any]]:
        return sender().control.ping(timeout=0.7) or []

    try:
        replies = await asyncio.wait_for(asyncio.to_thread(ask), PATIENCE)
    except Exception:
        return [("worker", "down")]
    names = sorted(name.partition("@")[0] for reply in replies for name in reply)
    return [(name, "up") for name in names] or [("worker", "down")]
