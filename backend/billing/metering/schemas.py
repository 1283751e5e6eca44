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
PlanId = Annotated[str | None, Field(description="Null for an add-on.", examples=["dinghy"])]
AddonId = Annotated[str | None, Field(description="Null for a plan.", examples=[None])]
Unit = Annotated[str | None, Field(description="Of an add-on: `GiB` or `piece`.", examples=[None])]
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
    meter: str = Field(description="`plan`, `units` for those beyond the first, or the add-on.")
    plan_id: PlanId
    addon_id: AddonId
    quantity: int = Field(
        description="How many times the price; of traffic how many units, below zero for those given back."
    )
    unit: Unit
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
    seconds: Annotated[int, Field(description="Of its plan.", examples=[86_400])]
    net: Minor
    tax: Minor
    gross: Minor


class TrafficDayView(BaseModel):
    day: date
    requests: int = Field(examples=[1200])
    received: int = Field(description="Bytes.", examples=[524_288])
    sent: int = Field(description="Bytes.", examples=[73_400_320])


class ServiceTraffic(BaseModel):
    service_id: UUID
    service: ServiceName
    days: list[TrafficDayView]


class UsageView(BaseModel):
    currency: Currency
    since: date
    until: date
    net: Minor
    tax: Minor
    gross: Minor
    services: list[ServiceSpending] = Field(description="The dearest first.")
    charges: list[ChargeView] = Field(description="Oldest first.")
    traffic: list[ServiceTraffic] = Field(description="What went through the edge on days on which any did.")


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


class TrafficBehind(BaseModel):
    used_bytes: int = Field(description="In that month.")
    included_bytes: int = Field(description="By the plans that it ran on in that month.")
    days: list[TrafficDayView]


class TracedCharge(ChargeView):
    month_minor: Minor = Field(
        description="The price that it was charged by: per month, of an add-on for one unit; of traffic for "
        "each unit that went through."
    )
    records: list[UsageRecordView] = Field(description="None of what is counted and not timed.")
    traffic: TrafficBehind | None


class MeterCosts(BaseModel):
    meter: str = Field(description="`plan`, `units` for those beyond the first, or the add-on.")
    plan_id: PlanId
    addon_id: AddonId
    quantity: int = Field(description="0 if it runs no more.")
    per_hour: str = Field(description="A decimal number of minor units.", examples=["0.7441"])
    per_month: Minor = Field(description="The most that a month costs.")
    this_month: Minor = Field(description="So far, with what is not yet charged.")


class MonthTraffic(BaseModel):
    service_id: UUID
    service: ServiceName
    month: date = Field(description="Its first day: this one, or one that is not charged yet.")
    used_bytes: int = Field(description="Through the edge, so far.")
    included_bytes: int = Field(description="By the plan, if what runs now runs on.")
    expected_bytes: int = Field(description="By the end of the month, if it goes on as so far.")
    units: int = Field(description="GiB beyond what is included, begun ones too.")
    unit_minor: int | None = Field(description="What one costs; null if it is not sold.")
    cost: Minor


class ServiceCosts(BaseModel):
    service_id: UUID
    service: ServiceName
    plan_id: PlanId
    per_hour: str = Field(description="A decimal number of minor units.", examples=["0.7441"])
    per_month: Minor = Field(description="The most that a month costs.")
    this_month: Minor = Field(description="So far, with what is not yet charged.")
    meters: list[MeterCosts] = Field(description="What it is made up of.")


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
    traffic: list[MonthTraffic]
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
