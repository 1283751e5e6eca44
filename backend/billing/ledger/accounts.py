"""Which accounts there are, and their ids, which are the same wherever they are computed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from uuid import UUID, uuid5

from backend.billing.ledger.models import LedgerAccount
from backend.dao.base import Values
from backend.database import now

ProjectKind = Literal["balance", "held", "due"]
OperatorKind = Literal["revenue", "tax", "gateway", "bonus", "adjustment"]
PROJECT_KINDS: tuple[ProjectKind, ...] = ("balance", "due", "held")
"""In the order in which they are locked."""

_NAMESPACE = UUID("5f1b6a34-8f0e-5d0c-9a35-6f6a2f7c1e57")


@dataclass(frozen=True, slots=True)
class Account:
    project_id: UUID | None
    currency: str
    kind: ProjectKind | OperatorKind
    name: str = ""

    @property
    def id(self) -> UUID:
        return _id(self)

    def row(self) -> Values:
        return LedgerAccount, {
            "id": self.id,
            "project_id": self.project_id,
            "currency": self.currency,
            "kind": self.kind,
            "name": self.name,
            "created_at": now(),
        }


@lru_cache(maxsize=4096)
def _id(account: Account) -> UUID:
    """Computed, so that the operator's account needs no look-up and two who make one make the same."""
    return uuid5(_NAMESPACE, f"{account.project_id}/{account.currency}/{account.kind}/{account.name}")


@lru_cache(maxsize=4096)
def of_project(project_id: UUID, currency: str) -> tuple[Account, ...]:
    return tuple(Account(project_id, currency, kind) for kind in PROJECT_KINDS)


def of_operator(currency: str, kind: OperatorKind, name: str = "") -> Account:
    return Account(None, currency, kind, name)
