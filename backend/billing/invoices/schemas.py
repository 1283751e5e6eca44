"""What the API says of invoices, and what it is told."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StringConstraints, model_validator

from backend.billing.money import LARGEST

KindName = Literal["invoice", "credit_note"]
Minor = Annotated[int, Field(description="In the currency's minor unit.", examples=[1190])]


class InvoiceProject(BaseModel):
    id: UUID
    name: str = Field(examples=["Harbour office"])


class InvoiceBuyer(BaseModel):
    name: str = Field(examples=["Ada Lovelace"])
    country: str | None = Field(examples=["DE"])
    vat_id: str | None = Field(examples=["DE136695976"])


class InvoiceReference(BaseModel):
    id: UUID
    reference: str = Field(examples=["INV-2026-000017"])


class InvoiceView(BaseModel):
    """Of a credit note the amounts are what it gives back."""

    id: UUID
    reference: str = Field(description="Unique; without gaps in its series.", examples=["INV-2026-000017"])
    kind: KindName
    project: InvoiceProject
    currency: str = Field(examples=["EUR"])
    period_start: date
    period_end: date = Field(description="The last day of it.")
    net: Minor
    tax: Minor
    gross: Minor
    credited: int = Field(description="What credit notes gave back of it.", examples=[0])
    locale: str = Field(description="The language that it is printed in.", examples=["en"])
    buyer: InvoiceBuyer
    corrects: InvoiceReference | None = Field(description="Of a credit note: the invoice.")
    reason: str | None = Field(description="Of a credit note: why.")
    issued_at: datetime


class InvoiceParty(InvoiceBuyer):
    address: list[str] = Field(examples=[["Quay 1", "20457 Hamburg"]])
    registration: str | None = Field(None, examples=["HRB 12345"])
    email: str | None = Field(None, examples=["ada@example.com"])
    project: str | None = Field(None, examples=["Harbour office"])


class InvoiceLineView(BaseModel):
    id: UUID
    position: int = Field(description="From 1 on.", examples=[1])
    service_id: UUID | None
    code: str = Field(examples=["usage"])
    parameters: dict[str, Any] = Field(description="What it takes to say it in any language.")
    first_day: date = Field(description="By the operator's clock.")
    last_day: date
    tax_code: str = Field(examples=["domestic"])
    tax_rate: int = Field(description="Millionths.", examples=[190_000])
    tax_country: str | None = Field(description="Whose rate it is.", examples=["DE"])
    net: Minor
    tax: Minor
    gross: Minor
    credited: int = Field(description="What credit notes gave back of it.", examples=[0])


class CreditNoteView(BaseModel):
    id: UUID
    reference: str = Field(examples=["CN-2026-000002"])
    gross: Minor
    issued_at: datetime


class InvoiceDetail(InvoiceView):
    seller: InvoiceParty
    buyer: InvoiceParty
    lines: list[InvoiceLineView]
    credit_notes: list[CreditNoteView]


class InvoiceChargeView(BaseModel):
    """A posting of the ledger."""

    id: UUID
    occurred_at: datetime
    day: date | None = Field(description="By the operator's clock: of usage, which was charged by the day.")
    source_type: str | None = Field(examples=["usage_charge"])
    source_id: UUID | None = Field(description="What was charged for: of usage, the day of the service.")
    net: Minor
    tax: Minor


class CreditedLine(BaseModel):
    model_config = ConfigDict(extra="forbid")

    line_id: UUID
    gross: StrictInt = Field(gt=0, le=LARGEST, description="In the currency's minor unit.", examples=[500])


class CreditNoteIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "The service was not available"}]}
    )

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)] = Field(
        description="Printed on the credit note.", examples=["The service was not available"]
    )
    lines: list[CreditedLine] | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="Of which lines how much; else all that is left.",
    )

    @model_validator(mode="after")
    def _each_line_once(self) -> Self:
        if self.lines is not None and len(self.by_line() or ()) < len(self.lines):
            raise ValueError("a line is named twice")
        return self

    def by_line(self) -> dict[UUID, int] | None:
        return None if self.lines is None else {one.line_id: one.gross for one in self.lines}


class TaxRow(BaseModel):
    """Invoices less credit notes."""

    month: str = Field(description="In which they were issued.", examples=["2026-11"])
    country: str | None = Field(description="Whose rate; of untaxed amounts the buyer's country.")
    code: str = Field(examples=["domestic"])
    rate: int = Field(description="Millionths.", examples=[190_000])
    currency: str = Field(examples=["EUR"])
    net: Minor
    tax: Minor
    gross: Minor
    documents: int = Field(description="Invoices and credit notes.")


class NotInvoiced(BaseModel):
    currency: str = Field(examples=["EUR"])
    net: Minor
    tax: Minor


class TaxReport(BaseModel):
    """What the rows and `not_invoiced` sum to is what the ledger has as revenue and tax."""

    rows: list[TaxRow]
    not_invoiced: list[NotInvoiced] = Field(description="Charged, and on no invoice yet.")
