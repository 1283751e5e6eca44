"""Usage, spending and forecasts as the API says them; amounts in the currency's minor unit."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

RunKind = Literal["rating", "invoicing", "dunning", "payments"]
RunStateName = Literal["running", "succeeded", "failed", "interrupted"]
Minor = Annotated[int, Field(examples=[1488])]
Currency = Annotated[str, Field(examples=["EUR"])]
Seconds = Annotated[int, Field(examples=[86_400])]
PlanId = Annotated[str, Field(examples=["dinghy"])]
ServiceName = Annotated[str, Field(examples=["tide-tables"])]
EventKind = Literal["started", "resized", "repriced", "stopped", "deleted"]


class UsedService(BaseModel):
    id: UUID
    name: ServiceName
    deleted: bool = Field(description="It is there no more; what it used stays.")


class ChargeView(BaseModel):
    id: UUID
    day: date = Field(description="In the time zone of billing.")
    service: UsedService
    meter: str = Field(description="`plan`, or the add-on that was used.")
    plan_id: PlanId
    currency: Currency
    seconds: Seconds
    net: Minor
    tax: Minor
    gross: Minor
    posted_at: datetime | None = Field(
        description="When it was taken from the balance; null while its day is not over."
    )
    transaction_id: UUID | None = Field(description="In the ledger.")


class ServiceSpending(BaseModel):
    service: UsedService
    seconds: Seconds
    net: Minor
    tax: Minor
    gross: Minor


class UsageView(BaseModel):
    currency: Currency
    since: date
    until: date
    net: Minor
    tax: Minor
    gross: Minor
    services: list[ServiceSpending] = Field(description="The dearest first.")
    charges: list[ChargeView] = Field(description="Oldest first.")


class CausingDeployment(BaseModel):
    id: UUID
    number: int | None = Field(description="As the service counts them.", examples=[12])


class UsageEventView(BaseModel):
    id: int = Field(description="In the order in which they were heard of.")
    kind: EventKind
    occurred_at: datetime
    deployment: CausingDeployment | None
    job_id: UUID | None


class UsageRecordView(BaseModel):
    from_at: datetime
    to_at: datetime
    seconds: Seconds = Field(description="Below zero: taken back, for something was heard of late.")
    event: UsageEventView


class TracedCharge(ChargeView):
    month_minor: Minor = Field(description="The plan's price per month that it was charged by.")
    records: list[UsageRecordView]


class ServiceCosts(BaseModel):
    service_id: UUID
    service: ServiceName
    plan_id: PlanId
    per_hour: str = Field(description="A decimal number of minor units.", examples=["0.7441"])
    per_month: Minor = Field(description="The most that a month costs.")
    this_month: Minor = Field(description="So far, with what is not yet charged.")


class Forecast(BaseModel):
    """All amounts with tax, as they are taken from the balance."""

    currency: Currency
    per_hour: str = Field(description="A decimal number of minor units.", examples=["1.488"])
    per_month: Minor
    days_left: float | None = Field(
        description="How long the balance lasts if nothing changes; null if nothing that runs costs anything."
    )
    accrued: Minor = Field(description="Used, and not yet taken from the balance.")
    this_month: Minor
    services: list[ServiceCosts]


class RunView(BaseModel):
    id: UUID
    kind: RunKind
    period: str | None = Field(description="What it was for, if for a period.", examples=["2026-10"])
    state: RunStateName
    progress: int = Field(ge=0, le=100, description="Per cent.")
    step: str | None = Field(description="What it does now.", examples=["rating"])
    counts: dict[str, int] = Field(description="What it did.", examples=[{"rated": 41_670}])
    error: str | None = Field(description="Why it failed; the log says more.")
    started_at: datetime
    seen_at: datetime
    finished_at: datetime | None
