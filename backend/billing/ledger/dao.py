"""Statements of the ledger. None changes an entry; the database would refuse (migration 0012, ADR 0024)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Insert,
    Row,
    Table,
    Uuid,
    and_,
    bindparam,
    case,
    func,
    insert,
    null,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.orm import aliased

from backend.billing.ledger.models import (
    BillingProfile,
    LedgerAccount,
    LedgerAdjustment,
    LedgerCheckpoint,
    LedgerEntry,
    LedgerTransaction,
)
from backend.dao.base import BaseDAO, Values
from backend.dao.fixed import Fixed
from backend.database import Base

_COLUMNS = (
    *("id", "key", "kind", "project_id", "currency", "amount", "occurred_at", "posted_at"),
    *("origin", "code", "parameters", "service_id", "source_type", "source_id", "user_id", "acting_id"),
)


def _table(model: type[Base]) -> Table:
    """Of a model whose rows are written as they are, by parameters."""
    return cast(Table, model.__table__)


# Tables, not models: every posting sends these two, and no object is made of what they give.
_ACCOUNTS, _ENTRIES = _table(LedgerAccount), _table(LedgerEntry)
_TRANSACTIONS, _PROFILES = _table(LedgerTransaction), _table(BillingProfile)
_UUIDS = ARRAY(Uuid())

_moved = (bindparam("accounts", type_=_UUIDS), bindparam("amounts", type_=ARRAY(BIGINT())))


def _posting(condition: ColumnElement[bool]) -> Insert:
    """Writes a transaction and its entries; nothing if its key was posted before or without the condition."""
    values = select(*(bindparam(name, type_=_TRANSACTIONS.c[name].type) for name in _COLUMNS))
    posted = (
        insert_or_skip(_TRANSACTIONS)
        .from_select(_COLUMNS, values.where(condition), include_defaults=False)
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(_TRANSACTIONS.c.id)
        .cte("posted")
    )
    entries = select(posted.c.id, *(func.unnest(one) for one in _moved))
    return insert(_ENTRIES).from_select(["transaction_id", "account_id", "amount"], entries)


_known = _ACCOUNTS.alias()
_LOCKED = (
    select(
        *(_ACCOUNTS.c.id, _ACCOUNTS.c.kind, _ACCOUNTS.c.balance),
        _PROFILES.c.currency,
        _PROFILES.c.credit_limit_minor,
        select(func.count())
        .select_from(_known)
        .where(_known.c.id == func.any(bindparam("others", type_=_UUIDS)))
        .scalar_subquery()
        .label("known"),
    )
    .select_from(_ACCOUNTS.outerjoin(_PROFILES, _PROFILES.c.project_id == _ACCOUNTS.c.project_id))
    .where(_ACCOUNTS.c.id == func.any(bindparam("own", type_=_UUIDS)))
    .order_by(_ACCOUNTS.c.kind)
    .with_for_update(of=_ACCOUNTS, key_share=True)
)
_POST = Fixed(_posting(true()))


def _covered() -> ColumnElement[bool]:
    """Locks, and says whether what is moved leaves nothing below zero, or the balance below its limit.

    The limit is that of `standing`, by the same rule. Whoever waited for the lock reads what stands there
    now: these rows are the ones that are locked.
    """
    locked = _LOCKED.cte("locked")
    moved = func.unnest(*_moved).table_valued("account_id", "amount", name="moved").render_derived()
    currency = bindparam("currency", type_=_TRANSACTIONS.c.currency.type)
    override = case((locked.c.currency == currency, locked.c.credit_limit_minor))
    limit = func.coalesce(override, bindparam("usual_limit", type_=BIGINT()))
    left = (
        locked.c.balance
        + func.coalesce(moved.c.amount, 0)
        + case((locked.c.kind == "balance", limit), else_=0)
    )
    own, others = (func.cardinality(bindparam(name, type_=_UUIDS)) for name in ("own", "others"))
    return (
        select(and_(func.count() == own, func.min(locked.c.known) == others, func.bool_and(left >= 0)))
        .select_from(locked.outerjoin(moved, moved.c.account_id == locked.c.id))
        .scalar_subquery()
    )


_POST_COVERED = Fixed(_posting(_covered()))


class AccountsDAO(BaseDAO[LedgerAccount]):
    model = LedgerAccount

    async def locked(self, accounts: Iterable[UUID], others: Iterable[UUID]) -> Sequence[Row[Any]]:
        """A project's accounts as they are after everyone before us, and how many of `others` there are."""
        parameters = {"own": list(accounts), "others": list(others)}
        return await self.rows(_LOCKED, parameters)

    async def make(self, rows: Iterable[Values]) -> None:
        """Those that are not there yet."""
        for _, values in rows:
            await self.execute(insert_or_skip(LedgerAccount).values(values).on_conflict_do_nothing())

    async def of_project(self, project_id: UUID) -> Sequence[Row[Any]]:
        return await self.rows(
            select(LedgerAccount.currency, LedgerAccount.kind, LedgerAccount.balance).where(
                LedgerAccount.project_id == project_id
            )
        )

    async def moved_in(self, project_id: UUID) -> set[str]:
        """The currencies in which the project has entries."""
        entered = select(LedgerEntry.id).where(LedgerEntry.account_id == LedgerAccount.id).exists()
        mine = select(LedgerAccount.currency).where(LedgerAccount.project_id == project_id, entered)
        return {row.currency for row in await self.rows(mine.distinct())}

    async def totals(self) -> Sequence[Row[Any]]:
        """What all projects have together, by currency and kind."""
        return await self.rows(
            select(
                LedgerAccount.currency, LedgerAccount.kind, func.sum(LedgerAccount.balance).label("balance")
            )
            .where(LedgerAccount.project_id.is_not(None))
            .group_by(LedgerAccount.currency, LedgerAccount.kind)
            .order_by(LedgerAccount.currency, LedgerAccount.kind)
        )


class TransactionsDAO(BaseDAO[LedgerTransaction]):
    model = LedgerTransaction

    async def post(self, values: dict[str, Any]) -> bool:
        """Write a transaction and its entries by one statement; false if its key was posted before."""
        return bool(await self.run_fixed(_POST, values))

    async def post_covered(self, values: dict[str, Any]) -> bool:
        """Lock, and `post` if there is the money and nothing due, by one statement; false if it was not
        posted, whyever: what is locked stays so."""
        return bool(await self.run_fixed(_POST_COVERED, values))

    async def of_key(self, key: str) -> LedgerTransaction | None:
        return await self.one(select(LedgerTransaction).where(LedgerTransaction.key == key))


class CheckpointsDAO(BaseDAO[LedgerCheckpoint]):
    model = LedgerCheckpoint

    async def settled(self, patience: timedelta) -> int:
        """The last entry before which none is still to be committed: whoever writes one now is waited for.

        Nobody writes meanwhile, until this transaction ends.
        """
        milliseconds = f"{int(patience.total_seconds() * 1000)}ms"
        await self.scalar(select(func.set_config("lock_timeout", milliseconds, True)))
        await self.execute(text("LOCK TABLE ledger_entries IN SHARE MODE"))
        return int(await self.scalar(select(func.coalesce(func.max(LedgerEntry.id), 0))))

    async def reached(self) -> int:
        return int(await self.scalar(select(func.coalesce(func.max(LedgerCheckpoint.entry_id), 0))))

    async def sums(self, after: int, until: int) -> Sequence[Row[Any]]:
        """Of each account with entries in between: what they sum to, on top of its checkpoint or from the
        beginning, and what stands in all places that say so.

        `present` is there if nothing came later; what the checkpoint kept, if it is summed anew.
        """
        entry, account, before = LedgerEntry, LedgerAccount, LedgerCheckpoint
        some = (
            select(
                entry.account_id,
                func.sum(entry.amount).label("amount"),
                func.sum(entry.amount).filter(entry.id <= before.entry_id).label("kept_is"),
                func.count().label("entries"),
                func.max(entry.id).label("last_id"),
            )
            .join(before, before.account_id == entry.account_id, isouter=True)
            .where(entry.id > after, entry.id <= until)
            .group_by(entry.account_id)
            .subquery()
        )
        last, latest = aliased(entry), aliased(entry)
        newest = (
            select(latest.id)
            .where(latest.account_id == account.id)
            .order_by(latest.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        # The operator's accounts keep no sum.
        is_last = and_(account.project_id.is_not(None), newest == some.c.last_id)
        whole = after == 0
        of_balance = 0 if whole else func.coalesce(before.balance, 0)
        of_entries = 0 if whole else func.coalesce(before.entries, 0)
        return await self.rows(
            select(
                *(account.id, last.balance_after, some.c.entries.label("added")),
                (of_balance + some.c.amount).label("balance"),
                (of_entries + some.c.entries).label("entries"),
                case((is_last, account.balance)).label("present"),
                (before.balance if whole else null()).label("kept"),
                some.c.kept_is,
            )
            .join(some, some.c.account_id == account.id)
            .join(last, last.id == some.c.last_id)
            .join(before, before.account_id == account.id, isouter=True)
        )

    async def keep(self, rows: Sequence[dict[str, Any]]) -> None:
        statement = insert_or_skip(LedgerCheckpoint).values(list(rows))
        changed = {name: statement.excluded[name] for name in ("entry_id", "balance", "entries", "made_at")}
        await self.execute(statement.on_conflict_do_update(index_elements=["account_id"], set_=changed))

    async def unbalanced(self, after: int, until: int) -> Sequence[Row[Any]]:
        """Transactions whose entries do not sum to zero; the database would have refused them."""
        entry = LedgerEntry
        return await self.rows(
            select(entry.transaction_id, func.sum(entry.amount).label("total"))
            .where(entry.id > after, entry.id <= until)
            .group_by(entry.transaction_id)
            .having(func.sum(entry.amount) != 0)
            .limit(100)
        )

    async def operator_accounts(self) -> Sequence[Row[Any]]:
        """The operator's accounts with what stands there: the checkpoint, and what came after the last one.

        One that was not moved lately has an older checkpoint, and nothing in between.
        """
        entry, account, before = LedgerEntry, LedgerAccount, LedgerCheckpoint
        reached = select(func.coalesce(func.max(before.entry_id), 0)).scalar_subquery()
        later = (
            select(entry.account_id, func.sum(entry.amount).label("amount"))
            .where(entry.id > reached)
            .group_by(entry.account_id)
            .subquery()
        )
        balance = func.coalesce(before.balance, 0) + func.coalesce(later.c.amount, 0)
        return await self.rows(
            select(
                *(account.id, account.currency, account.kind, account.name, before.made_at),
                balance.label("balance"),
            )
            .join(before, before.account_id == account.id, isouter=True)
            .join(later, later.c.account_id == account.id, isouter=True)
            .where(account.project_id.is_(None))
            .order_by(account.currency, account.kind, account.name)
        )


class AdjustmentsDAO(BaseDAO[LedgerAdjustment]):
    model = LedgerAdjustment


class ProfilesDAO(BaseDAO[BillingProfile]):
    model = BillingProfile

    async def of(self, project_id: UUID, *, locked: bool = False) -> BillingProfile | None:
        statement = select(BillingProfile).where(BillingProfile.project_id == project_id)
        if locked:
            statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
        return await self.one(statement)

    async def make(self, project_id: UUID, currency: str) -> None:
        """Unless it is there."""
        await self.execute(
            insert_or_skip(BillingProfile)
            .values(project_id=project_id, currency=currency, address_lines=[])
            .on_conflict_do_nothing()
        )
