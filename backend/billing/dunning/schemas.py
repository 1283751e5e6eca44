"""What the API tells and takes about money that runs out, and what there is of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    model_validator,
)

from backend.utils.dates import Moment

StageName = Literal["ok", "warned", "grace", "suspended", "terminated"]
Stage = Annotated[
    StageName,
    Field(
        description="`warned`: the money lasts for days. `grace`: it ran out, services still run."
        " `suspended`: those that cost money stand still, their data stays. `terminated`: they were deleted."
    ),
]
Days = Annotated[StrictInt, Field(ge=0, le=365)]
SomeDays = Annotated[StrictInt, Field(ge=1, le=365)]
Currency = Annotated[str, Field(description="ISO 4217; amounts are in its minor unit.", examples=["EUR"])]
Minor = Annotated[int, Field(examples=[1250])]


class RulesView(BaseModel):
    warn_days: list[int] = Field(
        description="Days of remaining run time at which it is told.", examples=[[7, 3, 1]]
    )
    grace_days: int = Field(description="From the end of the money to the suspension.", examples=[3])
    terminate_days: int | None = Field(
        description="From the suspension to the deletion; null is never.", examples=[30]
    )
    notice_days: list[int] = Field(
        description="Days before the deletion at which it is told.", examples=[[14, 3]]
    )


class RulesIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"warn_days": [7, 3, 1], "grace_days": 3, "terminate_days": 30, "notice_days": [14, 3]}
            ]
        },
    )

    warn_days: list[SomeDays] = Field(
        max_length=10,
        description="Whole days of remaining run time, each 1 to 365, at which a letter warns;"
        " empty: none does.",
    )
    grace_days: Days = Field(description="Whole days from the end of the money to the suspension.")
    terminate_days: SomeDays | None = Field(
        description="Whole days from the suspension to the deletion;"
        " null: suspended services are never deleted."
    )
    notice_days: list[SomeDays] = Field(
        max_length=10,
        description="Whole days before the deletion, each 1 to 365, at which a letter tells of it;"
        " at least one is less than `terminate_days`, unless that is null.",
    )

    @model_validator(mode="after")
    def _told_before(self) -> Self:
        if self.terminate_days is not None and not any(day < self.terminate_days for day in self.notice_days):
            raise ValueError("a deletion has to be told of between the suspension and itself: notice_days")
        return self


class OverrideIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"grace_days": 14, "reason": "Pays by bank transfer, ticket 204"}]},
    )

    never_suspend: StrictBool = Field(default=False, description="Letters are written, services run on.")
    never_terminate: StrictBool = Field(default=False, description="Suspended services are kept.")
    grace_days: Days | None = Field(default=None, description="Null: as the rules say.")
    terminate_days: SomeDays | None = Field(default=None, description="Null: as the rules say.")
    until: Moment | None = Field(default=None, description="From then on the rules hold again.")
    reason: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500, pattern=r"^[^\x00]*$")
    ] = Field(description="Why this project is treated otherwise; only administrators see it.")


class OverrideView(BaseModel):
    never_suspend: bool = Field(description="Letters are written, services run on.", examples=[False])
    never_terminate: bool = Field(description="Suspended services are kept.", examples=[False])
    grace_days: int | None = Field(
        description="Days from the end of the money to the suspension; null: as the rules say.", examples=[14]
    )
    terminate_days: int | None = Field(
        description="Days from the suspension to the deletion; null: as the rules say.", examples=[60]
    )
    until: datetime | None = Field(description="From then on the rules hold again; null: it has no end.")
    reason: str = Field(examples=["Pays by bank transfer, ticket 204"])
    set_by: str | None = Field(description="Their e-mail address; null if the account is gone.")
    updated_at: datetime


class DunningView(BaseModel):
    project_id: UUID
    project_name: str = Field(examples=["Harbour office"])
    owner_email: str | None = Field(examples=["ada@example.com"])
    stage: Stage
    since: datetime
    next_at: datetime | None = Field(description="When the next stage comes unless something is paid.")
    currency: Currency
    balance_minor: Minor
    due_minor: int = Field(description="Owed, as a number above zero.", examples=[0])
    override: OverrideView | None


class BillingOverview(BaseModel):
    currency: Currency
    balance_minor: int = Field(description="Below zero while credit is used.", examples=[1250])
    held_minor: int = Field(description="Set aside for services' first periods.", examples=[300])
    due_minor: int = Field(description="Owed beyond the credit, as a number above zero.", examples=[0])
    resume_minor: int = Field(
        description="The least payment after which nothing is due and what was used is covered, so that"
        " suspended services run again; 0: none is needed.",
        examples=[0],
    )
    credit_limit_minor: int = Field(description="How far below zero the balance may go.", examples=[0])
    available_minor: int = Field(description="What an order may hold.", examples=[1250])
    month_rate_minor: int = Field(description="What a month of what runs costs, with tax.", examples=[1000])
    days_left: float | None = Field(
        description="Until the money runs out at that rate; null while nothing is spent, or beyond a year.",
        examples=[35.0],
    )
    runs_out_at: datetime | None
    spent_minor: int = Field(description="Used this month so far, with tax.", examples=[420])
    spent_before_minor: int = Field(description="Charged for the month before.", examples=[980])
    month: str = Field(description="This month, in billing's time zone.", examples=["2026-11"])
    stage: Stage
    since: datetime | None = Field(description="Null for a project that never was in trouble.")
    next_at: datetime | None = Field(description="When the next stage comes unless something is paid.")
    paid_services: int = Field(description="Services that cost money.", examples=[2])
    suspended_services: int = Field(examples=[0])
    rules: RulesView


class MoneyView(BaseModel):
    """All projects together."""

    currency: Currency
    revenue_minor: int = Field(description="Of this month, without tax.", examples=[128000])
    revenue_before_minor: int = Field(description="Of the month before.", examples=[119500])
    tax_minor: int = Field(description="Of this month.", examples=[24320])
    balances_minor: int = Field(description="What customers have on their balances.", examples=[310000])
    held_minor: int = Field(examples=[42000])
    due_minor: int = Field(description="What customers owe, as a number above zero.", examples=[1730])
    debtors: int = Field(description="Projects that owe.", examples=[3])


class AdminBillingOverview(BaseModel):
    month: str = Field(description="This month, in billing's time zone.", examples=["2026-11"])
    money: list[MoneyView] = Field(description="One for each currency.")
    stages: dict[str, int] = Field(
        description="How many projects are in which stage of trouble.", examples=[{"grace": 2}]
    )
    suspended_services: int = Field(examples=[4])
    rules: RulesView
