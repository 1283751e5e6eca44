"""Runs as administrators see them."""

from __future__ import annotations

from sqlalchemy import select

from backend.billing.runs.models import BillingRun
from backend.dao.listing import Listing, Sort, moment

RUNS = Listing(
    select(*BillingRun.__table__.columns),
    id_column=BillingRun.id,
    filters={
        "kind": lambda value: BillingRun.kind == value,
        "state": lambda value: BillingRun.state == value,
    },
    sorts={"started_at": Sort(BillingRun.started_at, moment)},
)
