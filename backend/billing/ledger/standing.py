"""What stands in a project's accounts, and how much it may spend."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.ledger.accounts import Account, of_project
from backend.billing.ledger.dao import AccountsDAO, ProfilesDAO
from backend.config import get_settings


@dataclass(frozen=True, slots=True)
class Standing:
    """In minor units; `balance` is negative when credit is used, `due` when charges exceeded that too."""

    currency: str
    balance: int
    held: int
    due: int
    credit_limit: int

    @property
    def available(self) -> int:
        """What an order may hold."""
        return max(0, self.balance + self.credit_limit + self.due)


async def of(session: AsyncSession, project_id: UUID, currency: str | None = None) -> list[Standing]:
    """Of each currency that the project has accounts in, its own one first; nothing is locked.

    `currency` alone if it is given, without accounts too.
    """
    profile = await ProfilesDAO(session).of(project_id)
    own = profile.currency if profile else get_settings().currency
    override = profile.credit_limit_minor if profile else None
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in await AccountsDAO(session).of_project(project_id):
        found[row.currency][row.kind] = row.balance
    wanted = [currency] if currency else [own, *sorted(set(found) - {own})]
    return [_standing(one, found[one], own, override) for one in wanted]


async def locked(
    session: AsyncSession, project_id: UUID, currency: str, others: Iterable[Account] = ()
) -> Standing:
    """Serialises with everyone who moves the project's money of this currency, until the transaction ends.

    `others` are accounts of the operator that shall be there; they are never locked.
    """
    dao = AccountsDAO(session)
    accounts, others = of_project(project_id, currency), tuple(others)
    ids, other_ids = [one.id for one in accounts], [one.id for one in others]
    rows = await dao.locked(ids, other_ids)
    if len(rows) < len(accounts) or rows[0].known < len(others):
        await dao.make(one.row() for one in (*accounts, *others))
        rows = await dao.locked(ids, other_ids)
    own = rows[0].currency or get_settings().currency
    balances = {row.kind: row.balance for row in rows}
    return _standing(currency, balances, own, rows[0].credit_limit_minor)


def usual_limit(currency: str) -> int:
    """How far below zero a project may go about which nothing else was said."""
    settings = get_settings()
    return settings.credit_limit_minor if currency == settings.currency else 0


async def currency_of(session: AsyncSession, project_id: UUID) -> str:
    """In which the project pays."""
    profile = await ProfilesDAO(session).of(project_id)
    return profile.currency if profile else get_settings().currency


def _standing(currency: str, balances: dict[str, int], own: str, override: int | None) -> Standing:
    # A limit is an amount of one currency, and says nothing about another.
    limit = override if currency == own and override is not None else usual_limit(currency)
    return Standing(
        currency, balances.get("balance", 0), balances.get("held", 0), balances.get("due", 0), limit
    )
