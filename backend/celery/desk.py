"""What a pool child speaks to payment gateways with, made at the first need of it."""

from __future__ import annotations

from functools import lru_cache

from backend.billing.payments.desk import Desk
from backend.billing.payments.gateways.registry import Gateways
from backend.celery.publish import send
from backend.celery.worker import child
from backend.config import get_settings
from backend.jobs.publisher import Publisher


@lru_cache(maxsize=1)
def desk() -> Desk:
    settings = get_settings()
    return Desk(settings, child().database, Gateways(settings), Publisher(send))
