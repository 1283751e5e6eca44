"""Statements over samples. Whole rounds are written and rolled up by one statement each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, delete, func, literal, select, text, tuple_
from sqlalchemy.dialects.postgresql import distinct_on, insert

from backend.dao.base import BATCH, BaseDAO
from backend.metrics.models import FINE, FROM, MetricCounter, MetricSample, MetricSeries
from backend.services.models import Service

Key = tuple[UUID, str, int]
"""Service or deployment, process, replica."""
_ORIGIN = datetime.fromisoformat("2001-01-01T00:00:00+00:00")


def _numbered(rows: Sequence[Row[Any]]) -> dict[Key, int]:
    return {(row.service_id, row.process, row.replica): row.id for row in rows}


def _bin(step: int, column: Any) -> Any:
    return func.date_bin(text(f"interval '{step} seconds'"), column, literal(_ORIGIN))


class MetricDAO(BaseDAO[MetricSample]):
    model = MetricSample

    async def existing(self, services: Iterable[UUID]) -> set[UUID]:
        """Of the services, those that are kept."""
        wanted = select(Service.id).where(Service.id.in_(list(services)), Service.deleted_at.is_(None))
        return {row.id for row in await self.rows(wanted)}

    async def series(self, keys: Sequence[Key]) -> dict[Key, int]:
        """The number of each, given now if it has none."""
        if not keys:
            return {}
        rows = [
            {"service_id": service, "process": name, "replica": replica} for service, name, replica in keys
        ]
        columns = (MetricSeries.service_id, MetricSeries.process, MetricSeries.replica)
        wanted = select(*columns, MetricSeries.id).where(tuple_(*columns).in_(keys))
        found = _numbered(await self.rows(wanted))
        if missing := [row for row, key in zip(rows, keys, strict=True) if key not in found]:
            await self.execute(insert(MetricSeries).values(missing).on_conflict_do_nothing())
            found = _numbered(await self.rows(wanted))
        return found

    async def counters(self, deployments: Iterable[UUID]) -> dict[Key, MetricCounter]:
        wanted = select(MetricCounter).where(MetricCounter.deployment_id.in_(list(deployments)))
        found = [row[0] for row in await self.rows(wanted)]
        return {(row.deployment_id, row.process, row.replica): row for row in found}

    async def note_counters(self, rows: list[dict[str, Any]]) -> None:
        if rows:
            statement = insert(MetricCounter).values(rows)
            keys = [MetricCounter.deployment_id, MetricCounter.process, MetricCounter.replica]
            kept = {
                name: statement.excluded[name]
                for name in ("life", "at", "cpu_seconds", "received_bytes", "sent_bytes")
            }
            await self.execute(statement.on_conflict_do_update(index_elements=keys, set_=kept))

    async def put_samples(self, rows: list[dict[str, Any]]) -> None:
        if rows:
            statement = insert(MetricSample).values(rows)
            keys = [MetricSample.series_id, MetricSample.step, MetricSample.at]
            names = [name for name in rows[0] if name not in ("series_id", "step", "at")]
            kept = {name: statement.excluded[name] for name in names}
            await self.execute(statement.on_conflict_do_update(index_elements=keys, set_=kept))

    async def newest(self, step: int) -> datetime | None:
        found: datetime | None = await self.scalar(
            select(func.max(MetricSample.at)).where(MetricSample.step == step)
        )
        return found

    async def oldest(self, step: int) -> datetime | None:
        found: datetime | None = await self.scalar(
            select(func.min(MetricSample.at)).where(MetricSample.step == step)
        )
        return found

    async def roll_up(self, step: int, since: datetime, until: datetime) -> int:
        """Make the samples of whole steps in [since, until) of those that stand for less."""
        sample = MetricSample
        at = _bin(step, sample.at)
        made = (
            select(
                sample.series_id,
                literal(step),
                at,
                func.avg(sample.cpu_millis),
                func.max(sample.cpu_peak),
                func.avg(sample.memory_bytes),
                func.max(sample.memory_peak),
                func.max(sample.memory_limit),
                func.avg(sample.received),
                func.avg(sample.sent),
            )
            .where(sample.step == FROM[step], sample.at >= since, sample.at < until)
            .group_by(sample.series_id, at)
        )
        names = [
            *("series_id", "step", "at", "cpu_millis", "cpu_peak", "memory_bytes", "memory_peak"),
            *("memory_limit", "received", "sent"),
        ]
        return await self.execute(insert(sample).from_select(names, made).on_conflict_do_nothing())

    async def points(self, service_id: UUID, source: int, step: int, since: datetime) -> Sequence[Row[Any]]:
        """Of each unit, in order of time; several samples of one step as one point."""
        sample, series = MetricSample, MetricSeries
        at = _bin(step, sample.at)
        statement = (
            select(
                series.process,
                series.replica,
                func.extract("epoch", at).label("at"),
                func.avg(sample.cpu_millis).label("cpu_millis"),
                func.max(sample.cpu_peak).label("cpu_peak"),
                func.avg(sample.memory_bytes).label("memory_bytes"),
                func.max(sample.memory_peak).label("memory_peak"),
                func.max(sample.memory_limit).label("memory_limit"),
                func.avg(sample.received).label("received"),
                func.avg(sample.sent).label("sent"),
            )
            .join(series, series.id == sample.series_id)
            .where(series.service_id == service_id, sample.step == source, sample.at >= since)
            .group_by(series.process, series.replica, at)
            .order_by(series.process, series.replica, at)
        )
        return await self.rows(statement)

    def _latest(self, since: datetime) -> Any:
        return (
            select(MetricSample)
            .ext(distinct_on(MetricSample.series_id))
            .where(MetricSample.step == FINE, MetricSample.at >= since)
            .order_by(MetricSample.series_id, MetricSample.at.desc())
            .subquery()
        )

    async def present(self, service_id: UUID, since: datetime) -> Sequence[Row[Any]]:
        """The newest sample of each unit of a service, if it is not older."""
        sample, series = MetricSample, MetricSeries
        statement = (
            select(
                series.process,
                series.replica,
                sample.cpu_millis,
                sample.memory_bytes,
                sample.memory_limit,
                sample.received,
                sample.sent,
            )
            .ext(distinct_on(series.process, series.replica))
            .join(series, series.id == sample.series_id)
            .where(series.service_id == service_id, sample.step == FINE, sample.at >= since)
            .order_by(series.process, series.replica, sample.at.desc())
        )
        return await self.rows(statement)

    async def by_service(self, since: datetime) -> Sequence[Row[Any]]:
        """What each service takes now, the one with most memory first."""
        latest = self._latest(since)
        memory = func.sum(latest.c.memory_bytes)
        statement = (
            select(
                Service.id,
                Service.name,
                func.count().label("units"),
                func.coalesce(func.sum(latest.c.cpu_millis), 0.0).label("cpu_millis"),
                memory.label("memory_bytes"),
                func.coalesce(func.sum(latest.c.received), 0.0).label("received"),
                func.coalesce(func.sum(latest.c.sent), 0.0).label("sent"),
            )
            .join(MetricSeries, MetricSeries.id == latest.c.series_id)
            .join(Service, Service.id == MetricSeries.service_id)
            .where(Service.deleted_at.is_(None))
            .group_by(Service.id, Service.name)
            .order_by(memory.desc(), Service.id)
        )
        return await self.rows(statement)

    async def drop_samples(self, step: int, before: datetime) -> int:
        some = (
            select(MetricSample.series_id, MetricSample.step, MetricSample.at)
            .where(MetricSample.step == step, MetricSample.at < before)
            .limit(BATCH)
        )
        key = tuple_(MetricSample.series_id, MetricSample.step, MetricSample.at)
        return await self.execute(delete(MetricSample).where(key.in_(some)))

    async def drop_counters(self, before: datetime) -> int:
        return await self.execute(delete(MetricCounter).where(MetricCounter.at < before))

    async def drop_series(self) -> int:
        """Of services that are gone for the eye, and those whose last sample is."""
        sampled = select(MetricSample.series_id).where(MetricSample.series_id == MetricSeries.id).exists()
        gone = select(Service.id).where(
            and_(Service.id == MetricSeries.service_id, Service.deleted_at.is_not(None))
        )
        some = select(MetricSeries.id).where(~sampled & gone.exists()).limit(BATCH)
        return await self.execute(delete(MetricSeries).where(MetricSeries.id.in_(some)))
