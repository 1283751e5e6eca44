"""In which currency a project pays, and whether it may be another one."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.ledger import standing
from backend.billing.ledger.dao import AccountsDAO
from backend.billing.ledger.in_flight_dao import InFlightDAO
from backend.billing.payments.accepting import door
from backend.config import get_settings
from backend.exceptions import Conflict


async def fixed(session: AsyncSession, project_id: UUID, currency: str) -> bool:
    """Whether money moved in it, so that it stays. One that nothing came of may be left again."""
    moved = await AccountsDAO(session).moved_in(project_id)
    return currency in moved or len(moved) > 1


async def check_change(session: AsyncSession, project_id: UUID, present: str, wanted: str) -> None:
    """Nothing moves or begins in the present one until the transaction ends.

    Raises `Conflict`: `currency_fixed` if money moved, `currency_in_use` while something would still pay in
    another one than the wanted.
    """
    dao = AccountsDAO(session)
    await dao.lock(door(project_id))
    await standing.locked(session, project_id, present)
    if await dao.moved_in(project_id) - {wanted}:
        raise Conflict(f"This project pays in {present} already.", code="currency_fixed")
    settings = get_settings()
    # A reference that somebody wrote down brings money in the currency of the operator's account.
    by_bank = settings.bank_account and wanted != (settings.bank_currency or settings.currency)
    if await InFlightDAO(session).in_others(project_id, wanted, referenced=bool(by_bank)):
        raise Conflict(
            "Payments, services, an automatic top-up or a reference for transfers are in another currency.",
            code="currency_in_use",
        )
