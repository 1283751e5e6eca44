"""What administrators decide about payments and refunds, in the API."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from backend.billing.payments.schemas import AdminPaymentDetail, Amount, Reason
from backend.sources.schemas import Payload


class RefundIn(Payload):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"amount": 500, "reason": "Ordered by mistake"}]}
    )

    amount: Amount | None = Field(default=None, description="All that is left, without it.")
    reason: Reason


class RefundAccepted(BaseModel):
    refund_id: UUID
    job_id: UUID | None = Field(description="Null where nobody but a person can send it back.")
    payment: AdminPaymentDetail


class ReviewIn(Payload):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"decision": "accept", "reason": "The customer agrees"}]},
    )

    decision: Literal["accept", "return"] = Field(
        description="`accept`: what was taken is on the balance. `return`: it is, and goes back at once."
    )
    reason: Reason


class ReviewAnswer(BaseModel):
    job_id: UUID | None = Field(description="Of what gives it back.")
    payment: AdminPaymentDetail


class RefundEnd(Payload):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"outcome": "succeeded", "reason": "Sent from our bank account"}]},
    )

    outcome: Literal["succeeded", "failed"] = Field(
        description="`succeeded`: somebody sent the money back otherwise. `failed`: it may be spent again."
    )
    reason: Reason
