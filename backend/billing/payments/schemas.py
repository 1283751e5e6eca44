"""What goes in and out about payments. Amounts are whole minor units of their currency."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StringConstraints

from backend.billing.money import LARGEST
from backend.billing.payments import fields as f
from backend.sources.schemas import Payload, no_controls
from backend.utils.dates import Day

StateName = Literal["accepted", "pending", "requires_action", "succeeded", "failed", "cancelled", "review"]
GatewayName = Literal["stripe", "yookassa", "bank_transfer", "manual"]
OnlineGateway = Literal["stripe", "yookassa"]
DisputeName = Literal["inquiry", "open", "won", "lost"]
LineStateName = Literal["matched", "unmatched", "ignored"]
MessageStateName = Literal["received", "applied", "ignored", "unknown", "failed"]

Amount = Annotated[StrictInt, Field(ge=1, le=LARGEST, description="In minor units.", examples=[2000])]
CurrencyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["EUR"])]
OneLine = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(no_controls)
]
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=500),
    AfterValidator(no_controls),
    Field(description="Kept, and seen by administrators.", examples=["Ordered by mistake, ticket 204"]),
]


class ProjectName(BaseModel):
    id: UUID
    name: str = Field(examples=["Harbour office"])


class GatewayView(BaseModel):
    name: OnlineGateway
    saves_methods: bool = Field(description="Whether a method can be kept with a payment.")
    sets_up_methods: bool = Field(description="Whether a method can be kept without one.")


class BankInstructions(BaseModel):
    recipient: str = Field(examples=["Harbour Hosting Ltd"])
    account: str = Field(
        description="An IBAN, or the number of an account.", examples=["DE02120300000000202051"]
    )
    bank_code: str = Field(description="BIC, or the bank's national code; may be empty.")
    bank_name: str = Field(description="Of the recipient's bank; may be empty.", examples=["Harbour Bank"])
    currency: CurrencyCode
    reference: str | None = Field(
        description="To be written on the transfer: by it the money finds the project.",
        examples=["RF18 5390 0754 70"],
    )


class PaymentOptions(BaseModel):
    currency: CurrencyCode
    minimum: f.Minor = Field(description="Least that one payment may be, in minor units.", examples=[500])
    maximum: f.Minor = Field(
        description="Most that one payment may be, in minor units.", examples=[1_000_000]
    )
    suggestions: list[int] = Field(
        description="Amounts to offer, in minor units.", examples=[[1000, 2000, 5000, 10_000]]
    )
    gateways: list[GatewayView] = Field(description="Empty where nobody can pay online.")
    bank: BankInstructions | None = Field(description="Null where transfers are not taken.")
    contact: str = Field(description="How the operator wants to be paid otherwise; may be empty.")
    ask_at: str | None = Field(description="The operator's address.", examples=["office@example.org"])


class PaymentIn(Payload):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"gateway": "stripe", "amount": 2000, "currency": "EUR"}]},
    )

    gateway: OnlineGateway
    amount: Amount
    currency: CurrencyCode
    method_id: UUID | None = Field(default=None, description="A saved method; else one is asked for.")
    save_method: StrictBool = Field(default=False, description="Keep what is paid with for later payments.")


class PaymentView(BaseModel):
    id: UUID
    project: ProjectName
    gateway: GatewayName
    state: StateName
    currency: CurrencyCode
    amount: f.Minor
    refunded: f.Refunded
    refunding: f.Refunding
    failure_code: f.FailureCode
    action_url: str | None = Field(description="Where the customer has to go to pay or to confirm.")
    automatic: f.Automatic
    method: f.PaidWith
    dispute: DisputeName | None
    job_id: UUID | None
    created_at: datetime
    succeeded_at: datetime | None


class AdminPaymentView(BaseModel):
    id: UUID
    project: ProjectName
    gateway: GatewayName
    state: StateName
    currency: CurrencyCode
    amount: f.Minor
    refunded: f.Refunded
    refunding: f.Refunding
    failure_code: f.FailureCode
    automatic: f.Automatic
    method: f.PaidWith
    dispute: DisputeName | None
    job_id: UUID | None
    note: str | None = Field(description="Of whoever entered it by hand.")
    gateway_ref: str | None = Field(description="How the gateway calls it.")
    created_at: datetime
    succeeded_at: datetime | None


class RefundView(BaseModel):
    id: UUID
    amount: int = Field(description="In minor units of the payment's currency.", examples=[500])
    state: Literal["pending", "succeeded", "failed"]
    reason: str | None = Field(
        description="Of whoever asked for it; null if it was made at the gateway.",
        examples=["Ordered by mistake"],
    )
    failure_code: f.FailureCode
    at_gateway: bool = Field(description="Made at the gateway itself, by nobody here.")
    created_at: datetime
    succeeded_at: datetime | None


class DisputeView(BaseModel):
    id: UUID
    amount: int = Field(
        description="What the payer's bank wants back, in minor units of the payment's currency.",
        examples=[2000],
    )
    state: DisputeName
    reason: str | None = Field(
        description="As the gateway says; null if it does not.", examples=["fraudulent"]
    )
    created_at: datetime
    closed_at: datetime | None


class AdminPaymentDetail(AdminPaymentView):
    taken_amount: int | None = Field(
        description="What the gateway took, if it was not what was asked for.", examples=[1900]
    )
    taken_currency: str | None = Field(examples=["EUR"])
    refunds: list[RefundView]
    disputes: list[DisputeView]


class PaymentAccepted(BaseModel):
    payment_id: UUID
    job_id: UUID
    payment: PaymentView


class MethodView(BaseModel):
    id: UUID
    gateway: OnlineGateway
    kind: str = Field(examples=["card"])
    brand: str | None = Field(examples=["visa"])
    last4: str | None = Field(examples=["4242"])
    exp_month: int | None = Field(
        description="Of a card: its last month, 1 to 12; null if unknown.", examples=[11]
    )
    exp_year: int | None = Field(
        description="Of a card: the year of that month, in four digits; null if unknown.", examples=[2029]
    )
    preferred: bool = Field(description="Offered first.")
    created_at: datetime


class MethodList(BaseModel):
    items: list[MethodView]


class MethodIn(Payload):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"gateway": "stripe"}]})

    gateway: OnlineGateway


class MethodPatch(Payload):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"preferred": True}]})

    preferred: Literal[True]


class SetupView(BaseModel):
    id: UUID
    gateway: OnlineGateway
    state: Literal["accepted", "pending", "requires_action", "succeeded", "failed", "cancelled"]
    action_url: str | None = Field(description="The gateway's page, where the method is entered.")
    failure_code: f.FailureCode
    method_id: UUID | None


class SetupAccepted(BaseModel):
    setup_id: UUID
    job_id: UUID


class AutoTopUpIn(Payload):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "method_id": "0199c2d4-9f3e-7c51-b2a4-3d5e6f708192",
                    "threshold": 1000,
                    "amount": 2000,
                    "monthly_limit": 10_000,
                    "currency": "EUR",
                }
            ]
        },
    )

    method_id: UUID
    threshold: Annotated[
        StrictInt, Field(ge=0, le=LARGEST, description="Below it, the balance is topped up; in minor units.")
    ]
    amount: Amount
    monthly_limit: Annotated[
        StrictInt, Field(ge=1, le=LARGEST, description="Most of a calendar month, in minor units.")
    ]
    currency: CurrencyCode


class AutoTopUpView(BaseModel):
    method_id: UUID
    currency: CurrencyCode
    threshold: f.Minor = Field(description="Below it, the balance is topped up; in minor units.")
    amount: f.Minor = Field(description="Paid each time, in minor units.")
    monthly_limit: f.Minor = Field(description="Most of a calendar month, in minor units.")
    spent_this_month: f.Minor = Field(
        description="Of that limit: paid or under way since the month began, in minor units."
    )
    paused_code: str | None = Field(
        description="Why it has stopped; setting it anew starts it again.", examples=["card_declined"]
    )


class AutoTopUp(BaseModel):
    auto_top_up: AutoTopUpView | None = Field(description="Null where it is off.")


class ManualPaymentIn(Payload):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "project_id": "0199c2d4-9f3e-7c51-b2a4-3d5e6f708192",
                    "amount": 5000,
                    "currency": "EUR",
                    "reason": "Paid in cash, receipt 17",
                }
            ]
        },
    )

    project_id: UUID
    amount: Amount
    currency: CurrencyCode
    reason: Reason


class StatementIn(Payload):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"csv": "date;amount;purpose;payer\n2026-11-20;50,00;RF18 5390 0754 70;Ada\n"}]
        },
    )

    csv: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2_000_000,
            description="With a header: date, amount, purpose; payer, currency and id if there are.",
        ),
    ]


class LineIn(Payload):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "booked_on": "2026-11-20",
                    "amount": 5000,
                    "currency": "EUR",
                    "purpose": "RF18 5390 0754 70",
                    "payer": "Ada Lovelace",
                }
            ]
        },
    )

    booked_on: Day
    amount: Amount
    currency: CurrencyCode
    purpose: OneLine = Field(
        description="What the payer wrote on the transfer; the project's reference is looked for in it."
    )
    payer: OneLine = Field(
        default="", max_length=200, description="Who sent it, as the bank says; empty if it does not."
    )
    bank_ref: Annotated[OneLine, Field(max_length=120)] | None = Field(
        default=None, description="The bank's own id of the line; null if it gave none."
    )


class Imported(BaseModel):
    matched: int = Field(description="Lines that became payments.")
    unmatched: int = Field(description="Lines that wait for a person.")
    known: int = Field(description="Lines that had come in before.")
    outgoing: int = Field(description="Lines that bring no money; they are passed over.")


class LineMatch(Payload):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"project_id": "0199c2d4-9f3e-7c51-b2a4-3d5e6f708192"}]},
    )

    project_id: UUID | None = Field(default=None, description="None: whose reference is on it.")


class LineIgnore(Payload):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "Interest of the bank"}]}
    )

    reason: Reason


class LineView(BaseModel):
    id: UUID
    booked_on: date
    currency: CurrencyCode
    amount: f.Minor
    purpose: f.Purpose
    payer: f.Payer
    bank_ref: f.BankRef
    state: LineStateName
    reason_code: f.LineReason | None = Field(description="Why it is with nobody.")
    payment_id: UUID | None
    project: ProjectName | None
    imported_at: datetime


class MessageView(BaseModel):
    id: UUID
    gateway: OnlineGateway
    kind: str = Field(description="As the gateway calls it.", examples=["payment_intent.succeeded"])
    state: MessageStateName
    copies: int = Field(description="How often it came.")
    attempts: int = Field(description="How often it was tried to act on it; 0: not yet.", examples=[1])
    payment_id: UUID | None
    received_at: datetime
    applied_at: datetime | None


class MessageDetail(MessageView):
    body: Any = Field(description="As it came, without what names people or opens anything.")


class Kept(BaseModel):
    """The answer to a gateway."""

    received: Literal[True] = True
