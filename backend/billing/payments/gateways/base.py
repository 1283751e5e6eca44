"""What every gateway does for us, and the facts that it gives: nothing here knows of the database.

A gateway is asked for the present state of a thing; what its messages claim is never believed by itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from backend.billing.payments.models import DisputeState, PaymentState, RefundState

OPERATOR = frozenset({"gateway_credentials", "gateway_not_configured"})
"""Refusals that say something about our settings, and nothing about what was asked."""


class GatewayError(Exception):
    """The gateway could not be asked, or its answer was lost: what it did is not known."""


class GatewayRefused(GatewayError):
    """The gateway understood and will not; asking again changes nothing."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code[:60]


class Tampered(Exception):
    """A message that did not come from the gateway, or not as it was sent."""


class About(StrEnum):
    PAYMENT = "payment"
    REFUND = "refund"
    DISPUTE = "dispute"
    SETUP = "setup"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Notice:
    """What a verified message is about; `owner` is the id of ours that the gateway keeps with it."""

    event_id: str
    kind: str
    about: About
    ref: str | None = None
    owner: UUID | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A payment to be taken. Its id is the idempotency key."""

    payment_id: UUID
    project_id: UUID
    currency: str
    amount: int
    email: str | None
    locale: str
    return_url: str
    description: str
    customer: str | None = None
    method: str | None = None
    """A saved one, as the gateway calls it."""
    save_method: bool = False
    automatic: bool = False
    expires_at: datetime | None = None
    begun_at: datetime | None = None
    """When the gateway was asked first, if this is not that time."""
    first_asked_at: datetime | None = None
    """The same each time: what is computed from it is too."""


@dataclass(frozen=True, slots=True)
class SetupOrder:
    setup_id: UUID
    project_id: UUID
    customer: str
    currency: str
    locale: str
    return_url: str


@dataclass(frozen=True, slots=True)
class RefundOrder:
    refund_id: UUID
    payment_id: UUID
    charge_ref: str
    currency: str
    amount: int
    email: str | None
    description: str


@dataclass(frozen=True, slots=True)
class MethodFacts:
    ref: str
    kind: str
    brand: str | None = None
    last4: str | None = None
    exp_month: int | None = None
    exp_year: int | None = None


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    ref: str
    state: PaymentState
    currency: str
    amount: int
    """What is to be paid or, once it succeeded, what was."""
    payment_id: UUID | None
    charge_ref: str | None = None
    action_url: str | None = None
    failure_code: str | None = None
    method: MethodFacts | None = None
    saved: bool = False
    """Whether the method may be charged again."""
    unconfirmed: bool = False
    """It is known there and no money moves until `confirm`."""


@dataclass(frozen=True, slots=True)
class RefundFacts:
    ref: str
    refund_id: UUID | None
    charge_ref: str
    amount: int
    state: RefundState
    failure_code: str | None = None


@dataclass(frozen=True, slots=True)
class DisputeFacts:
    ref: str
    charge_ref: str
    amount: int
    state: DisputeState
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SetupFacts:
    ref: str
    setup_id: UUID | None
    state: PaymentState
    action_url: str | None = None
    failure_code: str | None = None
    method: MethodFacts | None = None


def own_id(value: object) -> UUID | None:
    """An id that we gave the gateway to keep, unless somebody wrote something else there."""
    try:
        return UUID(str(value)) if value else None
    except ValueError:
        return None


class Gateway(ABC):
    """One account with one provider. All methods but `find` raise `GatewayError` and `GatewayRefused`."""

    name: ClassVar[str]

    async def customer(self, project_id: UUID, email: str | None) -> str | None:
        """The name under which methods are kept, for gateways that need one."""
        return None

    @abstractmethod
    async def begin(self, order: Order) -> PaymentFacts:
        """Make the payment known, once however often it is called with the same id."""

    async def confirm(self, order: Order, ref: str) -> PaymentFacts:
        """Take the money of one that `begin` left `unconfirmed`."""
        return await self.look(ref)

    @abstractmethod
    async def look(self, ref: str) -> PaymentFacts: ...

    async def find(self, order: Order) -> PaymentFacts | None:
        """One that was begun and whose answer was lost. None where it cannot have moved money."""
        return None

    @abstractmethod
    async def cancel(self, ref: str) -> PaymentFacts:
        """Its state afterwards, which is another if it was too late."""

    @abstractmethod
    async def refund(self, order: RefundOrder) -> RefundFacts: ...

    @abstractmethod
    async def refunds_of(self, charge_ref: str) -> list[RefundFacts]: ...

    async def look_dispute(self, ref: str) -> DisputeFacts:
        raise GatewayRefused("not_supported")

    async def begin_setup(self, order: SetupOrder) -> SetupFacts:
        raise GatewayRefused("not_supported")

    async def look_setup(self, ref: str) -> SetupFacts:
        raise GatewayRefused("not_supported")

    async def forget_method(self, ref: str) -> None:
        """It may be gone there already; a gateway that forgets nothing by request has nothing to do."""
        return

    @abstractmethod
    async def close(self) -> None:
        """Give up connections."""


class Inbox(ABC):
    """Reads what a gateway sends to `/api/v1/payment-webhooks/{gateway}`; it asks nobody."""

    @abstractmethod
    def read(self, headers: Mapping[str, str], body: bytes, address: str) -> Notice:
        """Raises `Tampered`."""
