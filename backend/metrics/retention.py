"""How long samples stay."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import get_settings
from backend.database import now
from backend.metrics.dao import MetricDAO
from backend.metrics.models import COARSE
from backend.metrics.steps import KEPT_SECONDS

COUNTERS_SECONDS = 3600


async def prune(session: AsyncSession) -> int:
    dao = MetricDAO(session)
    kept = {**KEPT_SECONDS, COARSE: get_settings().metrics_retention_days * 86400}
    removed = 0
    for step, seconds in kept.items():
        removed += await dao.drop_samples(step, now() - timedelta(seconds=seconds))
    removed += await dao.drop_counters(now() - timedelta(seconds=COUNTERS_SECONDS))
    return removed + await dao.drop_series()
