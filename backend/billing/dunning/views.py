"""Projects in trouble as administrators see them: one select and one shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from backend.billing.dunning.models import DunningOverride, DunningState, Stage
from backend.billing.ledger.models import BillingProfile, LedgerAccount
from backend.config import get_settings
from backend.dao.base import AnySelect
from backend.dao.listing import Listing, Sort, moment
from backend.projects.models import Project, ProjectMember
from backend.users.models import User

_setter = aliased(User)
_owner = (
    select(User.email)
    .join(ProjectMember, ProjectMember.user_id == User.id)
    .where(ProjectMember.project_id == DunningState.project_id, ProjectMember.role == "owner")
    .order_by(ProjectMember.created_at)
    .limit(1)
    .correlate(DunningState)
    .scalar_subquery()
)
_OVERRIDE = ("never_suspend", "never_terminate", "grace_days", "terminate_days", "until", "reason")


_first_currency = (
    select(LedgerAccount.currency)
    .where(LedgerAccount.project_id == DunningState.project_id)
    .order_by(LedgerAccount.created_at)
    .limit(1)
    .correlate(DunningState)
    .scalar_subquery()
)
_currency = func.coalesce(BillingProfile.currency, _first_currency)
"""In which the project pays."""


def _account(kind: str) -> Any:
    return (
        select(func.coalesce(func.sum(LedgerAccount.balance), 0))
        .where(
            LedgerAccount.project_id == DunningState.project_id,
            LedgerAccount.kind == kind,
            LedgerAccount.currency == _currency,
        )
        .correlate(DunningState, BillingProfile)
        .scalar_subquery()
    )


def select_states() -> AnySelect:
    return (
        select(
            DunningState.project_id.label("id"),
            DunningState.stage,
            DunningState.since,
            DunningState.next_at,
            Project.name.label("project_name"),
            _owner.label("owner_email"),
            _currency.label("currency"),
            _account("balance").label("balance"),
            _account("due").label("due"),
            *(getattr(DunningOverride, name) for name in _OVERRIDE),
            DunningOverride.updated_at.label("override_at"),
            _setter.email.label("set_by"),
        )
        .join(Project, Project.id == DunningState.project_id)
        .outerjoin(BillingProfile, BillingProfile.project_id == DunningState.project_id)
        .outerjoin(DunningOverride, DunningOverride.project_id == DunningState.project_id)
        .outerjoin(_setter, _setter.id == DunningOverride.set_by)
    )


def state_of(project_id: UUID) -> AnySelect:
    return select_states().where(DunningState.project_id == project_id)


def shape_state(row: Mapping[str, Any]) -> dict[str, Any]:
    overridden = row["override_at"] is not None
    return {
        "project_id": row["id"],
        "project_name": row["project_name"],
        "owner_email": row["owner_email"],
        "stage": row["stage"],
        "since": row["since"],
        "next_at": row["next_at"],
        "currency": row["currency"] or get_settings().currency,
        "balance_minor": int(row["balance"]),
        "due_minor": -int(row["due"]),
        "override": {
            **{name: row[name] for name in _OVERRIDE},
            "set_by": row["set_by"],
            "updated_at": row["override_at"],
        }
        if overridden
        else None,
    }


STATES = Listing(
    select_states(),
    id_column=DunningState.project_id,
    filters={
        "stage": lambda value: DunningState.stage == value,
        "troubled": lambda value: (DunningState.stage != Stage.OK) == value,
        "overridden": lambda value: DunningOverride.project_id.is_not(None) == value,
    },
    sorts={"since": Sort(DunningState.since, moment)},
    shape=shape_state,
)
