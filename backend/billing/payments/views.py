"""Payments, bank lines and messages as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from backend.billing.payments.message_models import BankLine, GatewayMessage
from backend.billing.payments.models import Dispute, Payment, Refund
from backend.dao.base import AnySelect
from backend.dao.listing import Listing, Sort, moment
from backend.projects.models import Project

_PLAIN = (
    *("id", "gateway", "state", "currency", "amount", "refunded", "refunding", "failure_code", "action_url"),
    *("automatic", "job_id", "created_at", "succeeded_at"),
)
_dispute = (
    select(Dispute.state)
    .where(Dispute.payment_id == Payment.id)
    .order_by(Dispute.id.desc())
    .limit(1)
    .correlate(Payment)
    .scalar_subquery()
)


def select_payments() -> AnySelect:
    return select(
        *(getattr(Payment, name) for name in _PLAIN),
        Payment.method_words,
        Payment.note,
        Payment.gateway_ref,
        Payment.charge_ref,
        Payment.project_id,
        Project.name.label("project_name"),
        _dispute.label("dispute"),
    ).join(Project, Project.id == Payment.project_id)


def shape_payment(row: Mapping[str, Any]) -> dict[str, Any]:
    shaped = {name: row[name] for name in _PLAIN}
    return shaped | {
        "method": row["method_words"],
        "dispute": row["dispute"],
        "project": {"id": row["project_id"], "name": row["project_name"]},
    }


def shape_for_administrators(row: Mapping[str, Any]) -> dict[str, Any]:
    """With what finds it at the gateway; whoever has the page of a payment could pay it."""
    shaped = shape_payment(row) | {
        "note": row["note"],
        "gateway_ref": row["charge_ref"] or row["gateway_ref"],
    }
    del shaped["action_url"]
    return shaped


_FILTERS: dict[str, Any] = {
    "project_id": lambda value: Payment.project_id == value,
    "state": lambda value: Payment.state == value,
    "gateway": lambda value: Payment.gateway == value,
}
_SORTS = {"created_at": Sort(Payment.created_at, moment)}

PAYMENTS = Listing(
    select_payments(), id_column=Payment.id, filters=_FILTERS, sorts=_SORTS, shape=shape_payment
)
EVERYONES = Listing(
    select_payments(), id_column=Payment.id, filters=_FILTERS, sorts=_SORTS, shape=shape_for_administrators
)


def payment_of(payment_id: UUID, project_id: UUID | None = None) -> AnySelect:
    found = select_payments().where(Payment.id == payment_id)
    return found if project_id is None else found.where(Payment.project_id == project_id)


def shape_refund(refund: Refund) -> dict[str, Any]:
    names = ("id", "amount", "state", "reason", "failure_code", "at_gateway", "created_at", "succeeded_at")
    return {name: getattr(refund, name) for name in names}


def shape_dispute(dispute: Dispute) -> dict[str, Any]:
    names = ("id", "amount", "state", "reason", "created_at", "closed_at")
    return {name: getattr(dispute, name) for name in names}


_LINE = (
    *("id", "booked_on", "currency", "amount", "purpose", "payer", "bank_ref", "state", "reason_code"),
    *("payment_id", "imported_at"),
)


def select_lines() -> AnySelect:
    return (
        select(
            *(getattr(BankLine, name) for name in _LINE),
            Project.id.label("project_id"),
            Project.name.label("project_name"),
        )
        .outerjoin(Payment, Payment.id == BankLine.payment_id)
        .outerjoin(Project, Project.id == Payment.project_id)
    )


def shape_line(row: Mapping[str, Any]) -> dict[str, Any]:
    project = row["project_id"] and {"id": row["project_id"], "name": row["project_name"]}
    return {name: row[name] for name in _LINE} | {"project": project}


BANK_LINES = Listing(
    select_lines(),
    id_column=BankLine.id,
    filters={"state": lambda value: BankLine.state == value},
    sorts={"imported_at": Sort(BankLine.imported_at, moment)},
    shape=shape_line,
)


def line_of(line_id: UUID) -> AnySelect:
    return select_lines().where(BankLine.id == line_id)


_MESSAGE = ("id", "gateway", "kind", "state", "copies", "attempts", "payment_id", "received_at", "applied_at")


def shape_message(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _MESSAGE}


MESSAGES = Listing(
    select(*(getattr(GatewayMessage, name) for name in _MESSAGE)),
    id_column=GatewayMessage.id,
    filters={
        "state": lambda value: GatewayMessage.state == value,
        "payment_id": lambda value: GatewayMessage.payment_id == value,
    },
    sorts={"received_at": Sort(GatewayMessage.received_at, moment)},
    shape=shape_message,
)
