"""The ledger as people see it: postings, customers' accounts, manual entries; lists, and their shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from backend.billing.ledger import standing
from backend.billing.ledger.dao import AccountsDAO, CheckpointsDAO
from backend.billing.ledger.models import (
    BillingProfile,
    LedgerAccount,
    LedgerAdjustment,
    LedgerEntry,
    LedgerTransaction,
)
from backend.dao.base import AnySelect
from backend.dao.listing import Listing, Sort, moment
from backend.projects.models import Project
from backend.services.models import Service
from backend.users.models import User

_POSTING = (
    *("id", "kind", "currency", "amount", "code", "parameters", "source_type", "source_id"),
    *("occurred_at", "posted_at"),
)
_CHANGES = ("balance", "held", "due")


def _changed(kind: str) -> Any:
    return func.coalesce(func.sum(LedgerEntry.amount).filter(LedgerAccount.kind == kind), 0).label(kind)


_changes = (
    select(
        *(_changed(kind) for kind in _CHANGES),
        func.max(LedgerEntry.balance_after).filter(LedgerAccount.kind == "balance").label("balance_after"),
    )
    .select_from(LedgerEntry)
    .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
    .where(LedgerEntry.transaction_id == LedgerTransaction.id, LedgerAccount.project_id.is_not(None))
    .correlate(LedgerTransaction)
    .lateral("changes")
)


def select_postings() -> AnySelect:
    return (
        select(
            *(getattr(LedgerTransaction, name) for name in _POSTING),
            *(_changes.c[name] for name in (*_CHANGES, "balance_after")),
            LedgerTransaction.project_id,
            Project.name.label("project_name"),
            LedgerTransaction.service_id,
            Service.name.label("service_name"),
        )
        .join(Project, Project.id == LedgerTransaction.project_id)
        .outerjoin(Service, Service.id == LedgerTransaction.service_id)
        .join(_changes, true())
    )


def shape_posting(row: Mapping[str, Any]) -> dict[str, Any]:
    service_id = row["service_id"]
    return {
        **{name: row[name] for name in _POSTING},
        **{name: int(row[name]) for name in _CHANGES},
        "balance_after": row["balance_after"],
        "project": {"id": row["project_id"], "name": row["project_name"]},
        "service": service_id and {"id": service_id, "name": row["service_name"]},
    }


POSTINGS = Listing(
    select_postings(),
    id_column=LedgerTransaction.id,
    filters={
        "project_id": lambda value: LedgerTransaction.project_id == value,
        "kind": lambda value: LedgerTransaction.kind == value,
        "currency": lambda value: LedgerTransaction.currency == value,
        "service_id": lambda value: LedgerTransaction.service_id == value,
        "since": lambda value: LedgerTransaction.posted_at >= value,
        "until": lambda value: LedgerTransaction.posted_at < value,
    },
    sorts={"posted_at": Sort(LedgerTransaction.posted_at, moment)},
    shape=shape_posting,
)

_held, _due = aliased(LedgerAccount), aliased(LedgerAccount)


def _beside(account: Any, kind: str) -> Any:
    return and_(
        account.project_id == LedgerAccount.project_id,
        account.currency == LedgerAccount.currency,
        account.kind == kind,
    )


def _shape_customer(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = ("id", "currency", "balance", "held", "due", "credit_limit_minor", "created_at")
    return {
        **{name: row[name] for name in shown},
        "project": {"id": row["project_id"], "name": row["project_name"]},
    }


CUSTOMERS = Listing(
    select(
        *(LedgerAccount.id, LedgerAccount.currency, LedgerAccount.balance, LedgerAccount.created_at),
        _held.balance.label("held"),
        _due.balance.label("due"),
        LedgerAccount.project_id,
        Project.name.label("project_name"),
        BillingProfile.credit_limit_minor,
    )
    .join(Project, Project.id == LedgerAccount.project_id)
    .join(_held, _beside(_held, "held"))
    .join(_due, _beside(_due, "due"))
    .outerjoin(BillingProfile, BillingProfile.project_id == LedgerAccount.project_id)
    .where(LedgerAccount.kind == "balance"),
    id_column=LedgerAccount.id,
    filters={
        "project_id": lambda value: LedgerAccount.project_id == value,
        "currency": lambda value: LedgerAccount.currency == value,
        "owing": lambda _: or_(LedgerAccount.negative, _due.negative),
    },
    sorts={"created_at": Sort(LedgerAccount.created_at, moment)},
    shape=_shape_customer,
)

_proposer, _decider = aliased(User), aliased(User)


def select_adjustments() -> AnySelect:
    return (
        select(
            *(LedgerAdjustment.id, LedgerAdjustment.currency, LedgerAdjustment.amount),
            *(LedgerAdjustment.reason, LedgerAdjustment.state, LedgerAdjustment.proposed_by),
            *(LedgerAdjustment.decided_by, LedgerAdjustment.decided_at, LedgerAdjustment.created_at),
            LedgerAdjustment.project_id,
            Project.name.label("project_name"),
            _proposer.email.label("proposed_by_email"),
            _decider.email.label("decided_by_email"),
        )
        .join(Project, Project.id == LedgerAdjustment.project_id)
        .outerjoin(_proposer, _proposer.id == LedgerAdjustment.proposed_by)
        .outerjoin(_decider, _decider.id == LedgerAdjustment.decided_by)
    )


def shape_adjustment(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = ("id", "currency", "amount", "reason", "state", "decided_at", "created_at")
    people = {
        name: row[name] and {"id": row[name], "email": row[f"{name}_email"]}
        for name in ("proposed_by", "decided_by")
    }
    project = {"id": row["project_id"], "name": row["project_name"]}
    return {**{name: row[name] for name in shown}, **people, "project": project}


ADJUSTMENTS = Listing(
    select_adjustments(),
    id_column=LedgerAdjustment.id,
    filters={
        "project_id": lambda value: LedgerAdjustment.project_id == value,
        "state": lambda value: LedgerAdjustment.state == value,
    },
    sorts={"created_at": Sort(LedgerAdjustment.created_at, moment)},
    shape=shape_adjustment,
)


def adjustment_of(adjustment_id: UUID) -> AnySelect:
    return select_adjustments().where(LedgerAdjustment.id == adjustment_id)


async def balance_of(session: AsyncSession, project_id: UUID) -> dict[str, Any]:
    found = await standing.of(session, project_id)
    names = ("currency", "balance", "held", "due", "credit_limit", "available")
    standings = [{name: getattr(one, name) for name in names} for one in found]
    return {"project_id": project_id, "currency": found[0].currency, "standings": standings}


async def accounts(session: AsyncSession) -> dict[str, Any]:
    """All of them: the operator's one by one, the projects' by kind."""
    operators = [
        {**_account("operator", row), "name": row.name, "verified_at": row.made_at}
        for row in await CheckpointsDAO(session).operator_accounts()
    ]
    projects = [
        {**_account("projects", row), "name": "", "verified_at": None}
        for row in await AccountsDAO(session).totals()
    ]
    return {
        "items": sorted(projects + operators, key=lambda one: (one["currency"], one["owner"] == "operator"))
    }


def _account(owner: str, row: Any) -> dict[str, Any]:
    return {"owner": owner, "currency": row.currency, "kind": row.kind, "balance": int(row.balance)}
