"""What the API says of the ledger, and what it is told."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StringConstraints

from backend.billing.fields import CountryCode, CurrencyCode
from backend.billing.money import LARGEST
from backend.users.schemas import Email

MoveKind = Literal[
    "top_up", "bonus", "hold", "release", "charge", "settle", "refund", "chargeback", "credit", "adjustment"
]
AdjustmentState = Literal["proposed", "posted", "refused"]
Minor = Annotated[int, Field(description="In the currency's minor unit.", examples=[1190])]
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
]


def _strict(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [example]})


class StandingView(BaseModel):
    """Amounts in the currency's minor unit; what the customer owns is above zero."""

    currency: str = Field(examples=["EUR"])
    balance: Minor = Field(description="Below zero when credit is used.")
    held: Minor = Field(description="Set aside for what was ordered.")
    due: Minor = Field(description="Charges that nothing was left for, at most zero.", examples=[0])
    credit_limit: Minor = Field(description="How far below zero the balance may go.", examples=[0])
    available: Minor = Field(description="What an order may hold.")


class BalanceView(BaseModel):
    project_id: UUID
    currency: str = Field(description="In which the project pays.", examples=["EUR"])
    standings: list[StandingView] = Field(description="Of each currency; the project's own one first.")


class PostingProject(BaseModel):
    id: UUID
    name: str = Field(examples=["Harbour office"])


class PostingService(BaseModel):
    id: UUID
    name: str | None = Field(examples=["hello"])


class PostingView(BaseModel):
    """How money moved once, and what that left."""

    id: UUID
    project: PostingProject
    kind: MoveKind
    currency: str = Field(examples=["EUR"])
    amount: Minor = Field(description="What was moved in all.")
    balance: Minor = Field(description="By how much the balance changed.", examples=[-1190])
    held: Minor = Field(description="By how much that which is set aside changed.", examples=[0])
    due: Minor = Field(description="By how much that which is due changed.", examples=[0])
    balance_after: int | None = Field(description="None if the balance did not change.", examples=[8810])
    code: str = Field(description="What it was for; stable, for programs.", examples=["usage"])
    parameters: dict[str, Any] = Field(description="What it takes to say it in words.")
    service: PostingService | None
    source_type: str | None = Field(description="Of what asked for it.", examples=["usage_charge"])
    source_id: UUID | None
    occurred_at: datetime
    posted_at: datetime


class CustomerView(BaseModel):
    id: UUID
    project: PostingProject
    currency: str = Field(examples=["EUR"])
    balance: Minor
    held: Minor
    due: Minor
    credit_limit_minor: int | None = Field(description="The project's own limit, if it has one.")
    created_at: datetime = Field(description="Of the first entry.")


class FoundProject(PostingProject):
    currency: str = Field(description="In which it pays.", examples=["EUR"])
    owner_email: str | None = Field(examples=["anna@example.org"])


class FoundList(BaseModel):
    items: list[FoundProject] = Field(description="Twenty at most, newest first.")


class AccountView(BaseModel):
    """An account of the operator's, or all projects' accounts of a kind. All of a currency sum to zero."""

    owner: Literal["operator", "projects"]
    currency: str = Field(examples=["EUR"])
    kind: str = Field(examples=["gateway"])
    name: str = Field(description="Of a gateway.", examples=["stripe"])
    balance: Minor
    verified_at: datetime | None = Field(description="When its entries were last summed and compared.")


class AccountList(BaseModel):
    items: list[AccountView]


class AdjustmentPerson(BaseModel):
    id: UUID
    email: str | None = Field(examples=["admin@example.com"])


class AdjustmentView(BaseModel):
    id: UUID
    project: PostingProject
    currency: str = Field(examples=["EUR"])
    amount: Minor = Field(description="Above zero it is the customer's gain.", examples=[500])
    reason: str = Field(examples=["Goodwill for the outage of 12 November"])
    state: AdjustmentState
    proposed_by: AdjustmentPerson | None
    decided_by: AdjustmentPerson | None = Field(description="The second pair of eyes.")
    decided_at: datetime | None
    created_at: datetime


class AdjustmentIn(BaseModel):
    model_config = _strict(
        {
            "project_id": "0197a2c4-5d3e-7b1a-9c2f-1e0d8b7a6c5d",
            "currency": "EUR",
            "amount": 500,
            "reason": "Goodwill for the outage of 12 November",
        }
    )

    project_id: UUID
    currency: CurrencyCode
    amount: StrictInt = Field(
        ge=-LARGEST, le=LARGEST, description="Above zero it is the customer's gain.", examples=[500]
    )
    reason: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=3, max_length=500, pattern=r"^[^\x00]*$"),
        Field(examples=["Goodwill for the outage of 12 November"]),
    ]


class DetailsIn(BaseModel):
    """To whom invoices are. All of it is replaced."""

    model_config = _strict(
        {
            "name": "Harbour office Ltd",
            "address_lines": ["Quay 1", "20457 Hamburg"],
            "country": "DE",
            "vat_id": "DE136695976",
            "invoice_locale": "en",
        }
    )

    currency: CurrencyCode | None = Field(
        None, description="Fixed once money moved; none leaves it.", examples=["EUR"]
    )
    name: Line = Field("", examples=["Harbour office Ltd"])
    address_lines: list[Line] = Field([], max_length=6, examples=[["Quay 1", "20457 Hamburg"]])
    country: CountryCode | None = None
    vat_id: Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=20)] | None = (
        Field(None, examples=["DE136695976"])
    )
    invoice_locale: Literal["en", "ru"] | None = Field(None, description="None: the owner's language.")
    invoice_email: Email | None = Field(None, description="None: the owner's address.")


class TermsIn(BaseModel):
    """The operator's part of it. All of it is replaced."""

    model_config = _strict({"credit_limit_minor": 10_000, "tax_exempt": False, "vat_id_checked": True})

    credit_limit_minor: StrictInt | None = Field(
        ge=0, le=LARGEST, description="None: what holds for everyone.", examples=[10000]
    )
    tax_exempt: StrictBool = Field(description="They are charged no tax.", examples=[False])
    vat_id_checked: StrictBool = Field(
        description="Somebody made sure of VAT number and country, so that reverse charge or export applies.",
        examples=[True],
    )


class DetailsView(BaseModel):
    project_id: UUID
    project_name: str = Field(examples=["Harbour office"])
    currency: str = Field(examples=["EUR"])
    currency_fixed: bool = Field(description="Money moved: another currency is refused.")
    name: str = Field(examples=["Harbour office Ltd"])
    address_lines: list[str] = Field(
        description="As printed on invoices, from the street on; at most six.",
        examples=[["Quay 1", "20457 Hamburg"]],
    )
    country: str | None = Field(examples=["DE"])
    vat_id: str | None = Field(examples=["DE136695976"])
    vat_id_checked: bool = Field(
        description="The operator made sure of VAT number and country: reverse charge or export applies.",
        examples=[True],
    )
    vat_result: Literal["valid", "invalid"] | None = Field(
        description="What VIES last said of the number; null: it has not answered, or is not asked."
    )
    vat_answered_at: datetime | None
    vat_consultation: str | None = Field(
        description="The number of that consultation, for a tax office.", examples=["WAPIAAAAW1234567"]
    )
    vat_owner: str | None = Field(
        description="To whom the number belongs, where the country tells.", examples=["Harbour office Ltd"]
    )
    tax_exempt: bool = Field(description="The operator charges them no tax.", examples=[False])
    credit_limit_minor: int | None = Field(
        description="How far below zero the balance may go, in the currency's minor unit;"
        " null: as far as everyone's.",
        examples=[10_000],
    )
    invoice_locale: str | None = Field(examples=["en"])
    invoice_email: str | None = Field(examples=["books@example.com"])
