"""What the API takes and gives about prices, coupons and tax rates."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    WithJsonSchema,
    model_validator,
)

from backend.billing.fields import CountryCode, CurrencyCode
from backend.billing.prices.coupons import normalised
from backend.billing.prices.models import LARGEST_MINOR
from backend.services.schemas import CatalogueId
from backend.sources.schemas import Payload
from backend.utils.dates import Moment

PERCENT = r"^[0-9]{1,3}(\.[0-9]{1,4})?$"


def _coupon(code: str) -> str:
    known = normalised(code)
    if known is None:
        raise ValueError("must be 3 to 40 letters of A to Z, digits and dashes")
    return known


def _plain(percent: Any) -> Any:
    """A text is read digit by digit: of none is more taken in than a rate has."""
    if isinstance(percent, str) and not re.fullmatch(PERCENT, percent):
        raise ValueError("must be per cent, with at most four decimals, as 25.5")
    return percent


Code = Annotated[str, Field(max_length=100, examples=["HARBOUR-10"]), AfterValidator(_coupon)]
Minor = Annotated[
    int, Field(strict=True, ge=0, le=LARGEST_MINOR, description="In the currency's smallest unit.")
]
Percent = Annotated[
    Decimal,
    Field(ge=0, le=100, decimal_places=4, max_digits=7),
    BeforeValidator(_plain),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0, "maximum": 100}, {"type": "string", "pattern": PERCENT}]}
    ),
]
Name = dict[str, str]


def _example(body: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [body]})


class TaxView(BaseModel):
    code: Literal["none", "domestic", "destination", "reverse_charge", "export", "exempt"] = Field(
        description="Which rule applies."
    )
    rate_millionths: int = Field(description="190000 is 19 %.", examples=[190000])
    included: bool = Field(description="Whether prices include it.")
    country: str | None = Field(description="Whose rate it is (ISO 3166).", examples=["DE"])


class QuoteCoupon(BaseModel):
    code: str = Field(examples=["HARBOUR-10"])
    months: int | None = Field(description="From the first going live; null: as long as the service lives.")


class Quote(BaseModel):
    """Amounts are in the currency's smallest unit; `total` is with tax."""

    charged: bool = Field(description="False: this installation charges nothing.")
    plan_id: str = Field(examples=["dinghy"])
    currency: str = Field(description="ISO 4217: what the project pays in.", examples=["EUR"])
    hour_minor_decimal: str = Field(
        description="Per hour, by the second, as a decimal number of the smallest unit.",
        examples=["0.446428"],
    )
    hour_total_minor_decimal: str = Field(examples=["0.53125"])
    month_minor: int = Field(description="At most in a calendar month, with the discount.", examples=[300])
    month_list_minor: int = Field(description="Without the discount.", examples=[300])
    beside_minor: int = Field(
        description="Per month, before tax: further units and add-ons that the service has.", examples=[0]
    )
    month_tax_minor: int = Field(examples=[57])
    month_total_minor: int = Field(examples=[357])
    setup_minor: int = Field(description="Once, when it goes live first.", examples=[0])
    setup_list_minor: int = Field(examples=[0])
    setup_tax_minor: int = Field(examples=[0])
    setup_total_minor: int = Field(examples=[0])
    tax: TaxView
    coupon: QuoteCoupon | None
    held_minor: int = Field(
        description="What is set aside at once: set-up fee and first period.", examples=[357]
    )
    freed_minor: int = Field(
        description="Of what is set aside, what comes back once the plan is live.", examples=[0]
    )
    balance_minor: int = Field(examples=[1000])
    available_minor: int = Field(description="Of balance and credit.", examples=[1000])
    balance_after_minor: int = Field(examples=[643])
    missing_minor: int = Field(description="What has to be topped up first.", examples=[0])


class AdditionQuote(BaseModel):
    """Amounts are in the currency's smallest unit; `total` is with tax."""

    charged: bool = Field(description="False: this installation charges nothing.")
    item: str = Field(examples=["volume"])
    quantity: int = Field(examples=[10])
    currency: str = Field(examples=["EUR"])
    unit_minor: int = Field(description="Per month, for one.", examples=[10])
    hour_minor_decimal: str = Field(description="Per hour, by the second.", examples=["0.14881"])
    month_minor: int = Field(description="At most in a calendar month.", examples=[100])
    month_tax_minor: int = Field(examples=[19])
    month_total_minor: int = Field(examples=[119])
    held_minor: int = Field(description="What is set aside at once.", examples=[119])
    balance_minor: int = Field(examples=[1000])
    available_minor: int = Field(description="Of balance and credit.", examples=[1000])
    balance_after_minor: int = Field(examples=[881])
    missing_minor: int = Field(description="What has to be topped up first.", examples=[0])


class PriceVersionView(BaseModel):
    id: UUID
    plan_id: str | None = Field(examples=["dinghy"])
    addon_id: str | None = Field(description="Either of the two.", examples=[None])
    currency: str = Field(examples=["EUR"])
    month_minor: int = Field(
        description="Of an add-on for each unit; of traffic for each unit that went through.", examples=[300]
    )
    setup_minor: int = Field(examples=[0])
    valid_from: datetime
    valid_until: datetime | None = Field(description="Until the next version, or when it was withdrawn.")
    state: Literal["coming", "present", "past", "withdrawn"]
    existing: Literal["keep", "move"] = Field(description="What becomes of services with an earlier version.")
    moves_at: datetime | None
    source: Literal["catalogue", "admin"]
    services: int = Field(description="How many pay it, or less by a coupon.")


class PricePlan(BaseModel):
    id: str = Field(examples=["dinghy"])
    title: Name = Field(examples=[{"en": "Dinghy", "ru": "Шлюпка"}])
    active: bool = Field(description="Whether the catalogue offers it.")
    versions: list[PriceVersionView] = Field(description="By currency, newest first.")


class PriceAddon(PricePlan):
    id: str = Field(examples=["volume"])
    title: Name = Field(examples=[{"en": "Volume", "ru": "Том"}])
    unit: str = Field(description="What it costs that for one of: `GiB` or `piece`.", examples=["GiB"])


class PriceList(BaseModel):
    currency: str = Field(description="The operator's.", examples=["EUR"])
    items: list[PricePlan]
    addons: list[PriceAddon]


class PriceIn(Payload):
    model_config = _example(
        {"plan_id": "dinghy", "currency": "EUR", "month_minor": 350, "setup_minor": 0, "existing": "keep"}
    )

    plan_id: CatalogueId | None = Field(default=None, description="What it is for: this or an add-on.")
    addon_id: CatalogueId | None = None
    currency: CurrencyCode
    month_minor: Minor
    setup_minor: Minor = 0
    valid_from: Moment | None = Field(default=None, description="Null: from now on.")
    existing: Literal["keep", "move"] = Field(
        default="keep", description="Whether services with an earlier version keep it or move to this one."
    )
    moves_at: Moment | None = Field(
        default=None, description="With `move`: when; null: when it becomes valid."
    )

    @model_validator(mode="after")
    def _of_one(self) -> Self:
        if (self.plan_id is None) == (self.addon_id is None):
            raise ValueError("a price is of a plan or of an add-on")
        return self


class CouponIn(Payload):
    model_config = _example({"code": "LIGHTHOUSE-10", "kind": "percent", "percent": 10, "months": 3})

    code: Code
    kind: Literal["percent", "amount"]
    percent: int | None = Field(
        default=None, strict=True, ge=1, le=100, description="Off the month's price and the set-up fee."
    )
    amount_minor: int | None = Field(
        default=None, strict=True, ge=1, le=LARGEST_MINOR, description="Off each month's price."
    )
    currency: CurrencyCode | None = Field(default=None, description="Of an amount.")
    months: int | None = Field(
        default=None, strict=True, ge=1, le=1200, description="Null: as long as the service lives."
    )
    first_order: StrictBool = Field(default=False, description="Only for who never ordered.")
    uses_limit: int | None = Field(default=None, strict=True, ge=1, le=2**31 - 1, description="In all.")
    uses_per_project: int = Field(
        default=1, strict=True, ge=1, le=2**31 - 1, description="By services of one project."
    )
    expires_at: Moment | None = None
    note: str = Field(
        default="", max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", description="For the operator's eyes."
    )


class CouponWorth(BaseModel):
    code: str = Field(examples=["HARBOUR-10"])
    kind: Literal["percent", "amount"]
    percent: int | None = Field(description="Off the month's price and the set-up fee.", examples=[10])
    amount_minor: int | None = Field(description="Off each month's price.", examples=[None])
    currency: str | None = Field(description="Of the amount.", examples=[None])
    months: int | None = Field(description="Null: as long as the service lives.", examples=[3])


class CouponView(CouponWorth):
    id: UUID
    first_order: bool = Field(description="Only for who never ordered.")
    uses: int = Field(examples=[17])
    uses_limit: int | None = Field(examples=[100])
    uses_per_project: int = Field(examples=[1])
    expires_at: datetime | None
    ended_at: datetime | None = Field(description="Taken back: nobody may use it any more.")
    note: str = Field(description="For the operator's eyes.")
    created_at: datetime


class RedemptionView(CouponWorth):
    id: UUID
    service_id: UUID
    service_name: str = Field(examples=["hello"])
    redeemed_at: datetime
    ends_at: datetime | None = Field(description="Null: with the service, or not known before it goes live.")


class TaxRateIn(Payload):
    model_config = _example({"country": "DE", "rate_percent": "19", "source": "UStG § 12 (1)"})

    country: CountryCode
    rate_percent: Percent = Field(description="As `25.5`; of texts, the same digits.", examples=["25.5"])
    valid_from: Moment | None = Field(default=None, description="Null: from now on.")
    source: str = Field(
        min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$", description="Where the rate is from."
    )


class TaxRateView(BaseModel):
    id: UUID
    country: str = Field(examples=["DE"])
    rate_millionths: int = Field(description="190000 is 19 %.", examples=[190000])
    valid_from: datetime
    state: Literal["coming", "present", "past"]
    source: str = Field(description="Where the rate is from.")


class TaxRates(BaseModel):
    operator_country: str | None = Field(description="Where the operator is taxed; null: no tax is charged.")
    prices_include_tax: bool = Field(description="Otherwise it is added to them.")
    items: list[TaxRateView]
