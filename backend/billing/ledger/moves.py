"""How money moves: each way once, with the accounts that it touches.

All take the lock of the project's accounts, so that of purchases at once only those succeed that the
balance covers. A key is posted once, whatever the accounts hold by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.ledger import standing
from backend.billing.ledger.about import About, Posted
from backend.billing.ledger.accounts import Account, of_operator
from backend.billing.ledger.funds import InsufficientFunds
from backend.billing.ledger.posting import Draft, before, post, post_covered
from backend.billing.ledger.standing import Standing
from backend.utils.ids import new_id

_SETTLED = About("ledger", "settled")


async def top_up(
    session: AsyncSession,
    project_id: UUID,
    currency: str,
    amount: int,
    *,
    key: str,
    gateway: str,
    about: About,
) -> Posted:
    """Money came in through a gateway; what is due is settled from it at once."""
    draft = Draft(key, "top_up", project_id, currency, amount, about)
    return await _give(session, draft, {of_operator(currency, "gateway", gateway): -amount})


async def bonus(
    session: AsyncSession, project_id: UUID, currency: str, amount: int, *, key: str, about: About
) -> Posted:
    """The operator gives credit."""
    draft = Draft(key, "bonus", project_id, currency, amount, about)
    return await _give(session, draft, {of_operator(currency, "bonus"): -amount})


async def hold(
    session: AsyncSession, project_id: UUID, currency: str, amount: int, *, key: str, about: About
) -> Posted:
    """Set money aside. Raises `Conflict` (`insufficient_funds`) if that much is not available."""
    draft = Draft(key, "hold", project_id, currency, amount, about)
    entries = _own(draft, balance=-amount, held=amount)
    if posted := await post_covered(session, draft, entries):
        return posted
    present = await standing.locked(session, project_id, currency)
    if present.available < amount:
        return await before(session, draft) or _refuse(present, amount)
    return await post(session, draft, entries)


async def release(
    session: AsyncSession, project_id: UUID, currency: str, amount: int, *, key: str, about: About
) -> Posted:
    """Give back what was set aside. The caller knows of how much of it."""
    draft = Draft(key, "release", project_id, currency, amount, about)
    present = await standing.locked(session, project_id, currency)
    if present.held < amount:
        return await before(session, draft) or _no_such_hold(present, amount)
    return await _then_settle(session, draft, _own(draft, balance=amount, held=-amount))


async def charge(
    session: AsyncSession,
    project_id: UUID,
    currency: str,
    net: int,
    tax: int,
    *,
    key: str,
    from_held: int = 0,
    about: About,
) -> Posted:
    """Take what was used: from what was set aside for it, then the balance; the rest becomes due."""
    if net < 0 or tax < 0 or from_held < 0:
        raise ValueError("a charge takes; what it took too much is given back by `credit`")
    draft = Draft(key, "charge", project_id, currency, net + tax, about)
    earned = {of_operator(currency, "revenue"): net, of_operator(currency, "tax"): tax}
    held = min(from_held, draft.amount)
    if posted := await post_covered(
        session, draft, _own(draft, balance=held - draft.amount, held=-held) | earned
    ):
        return posted
    present = await standing.locked(session, project_id, currency, earned)
    if present.held < held:
        return await before(session, draft) or _no_such_hold(present, held)
    balance = min(draft.amount - held, max(0, present.balance + present.credit_limit))
    due = draft.amount - held - balance
    return await post(session, draft, _own(draft, balance=-balance, held=-held, due=-due) | earned)


async def settle(session: AsyncSession, project_id: UUID, currency: str) -> Posted | None:
    """Pay what is due as far as the balance goes; None if there is nothing to settle."""
    present = await standing.locked(session, project_id, currency)
    amount = min(-present.due, max(0, present.balance + present.credit_limit))
    if amount <= 0:
        return None
    # What is due says how much, so that once more finds nothing: the key has only to be a new one.
    draft = Draft(f"settle:{new_id()}", "settle", project_id, currency, amount, _SETTLED)
    return await post(session, draft, _own(draft, balance=-amount, due=amount))


async def pay_back(
    session: AsyncSession,
    project_id: UUID,
    currency: str,
    amount: int,
    *,
    key: str,
    gateway: str,
    from_held: int = 0,
    about: About,
) -> Posted:
    """Money goes back through a gateway. Raises `Conflict` if the balance has less than that."""
    draft = Draft(key, "refund", project_id, currency, amount, about)
    source = of_operator(currency, "gateway", gateway)
    present = await standing.locked(session, project_id, currency, (source,))
    held = min(from_held, amount)
    balance = amount - held
    if present.held < held:
        return await before(session, draft) or _no_such_hold(present, held)
    if balance and present.balance < balance:
        return await before(session, draft) or _refuse(present, balance)
    return await post(session, draft, _own(draft, balance=-balance, held=-held) | {source: amount})


async def take_back(
    session: AsyncSession,
    project_id: UUID,
    currency: str,
    amount: int,
    *,
    key: str,
    gateway: str,
    about: About,
) -> Posted:
    """Money went back through a gateway without us: what the balance does not cover becomes due."""
    draft = Draft(key, "chargeback", project_id, currency, amount, about)
    source = of_operator(currency, "gateway", gateway)
    present = await standing.locked(session, project_id, currency, (source,))
    balance = min(amount, max(0, present.balance + present.credit_limit))
    entries = _own(draft, balance=-balance, due=balance - amount) | {source: amount}
    return await post(session, draft, entries)


async def credit(
    session: AsyncSession,
    project_id: UUID,
    currency: str,
    net: int,
    tax: int,
    *,
    key: str,
    about: About,
) -> Posted:
    """Take a charge back, or a part of it: the counterpart of a credit note."""
    if net < 0 or tax < 0:
        raise ValueError("a credit gives back; what shall be taken is a charge")
    draft = Draft(key, "credit", project_id, currency, net + tax, about)
    return await _give(
        session, draft, {of_operator(currency, "revenue"): -net, of_operator(currency, "tax"): -tax}
    )


async def adjust(
    session: AsyncSession, project_id: UUID, currency: str, amount: int, *, key: str, about: About
) -> Posted:
    """An administrator's entry, either way. Raises `Conflict` if it takes more than is available."""
    draft = Draft(key, "adjustment", project_id, currency, abs(amount), about)
    source = of_operator(currency, "adjustment")
    if amount > 0:
        return await _give(session, draft, {source: -amount})
    present = await standing.locked(session, project_id, currency, (source,))
    if present.available < -amount:
        return await before(session, draft) or _refuse(present, -amount)
    return await post(session, draft, _own(draft, balance=amount) | {source: -amount})


async def _give(session: AsyncSession, draft: Draft, sources: Mapping[Account, int]) -> Posted:
    await standing.locked(session, draft.project_id, draft.currency, sources)
    return await _then_settle(session, draft, _own(draft, balance=draft.amount) | dict(sources))


async def _then_settle(session: AsyncSession, draft: Draft, entries: Mapping[Account, int]) -> Posted:
    posted = await post(session, draft, entries)
    if not posted.repeated:
        await settle(session, draft.project_id, draft.currency)
    return posted


def _own(draft: Draft, *, balance: int = 0, held: int = 0, due: int = 0) -> dict[Account, int]:
    return {
        Account(draft.project_id, draft.currency, "balance"): balance,
        Account(draft.project_id, draft.currency, "held"): held,
        Account(draft.project_id, draft.currency, "due"): due,
    }


def _refuse(present: Standing, needed: int) -> NoReturn:
    raise InsufficientFunds(present, needed)


def _no_such_hold(present: Standing, amount: int) -> NoReturn:
    raise ValueError(f"{amount} of {present.held} {present.currency} that are held")
