"""The end of a project, as far as money goes: nobody's is lost, nothing is owed, and no card is kept."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.ledger import standing
from backend.billing.ledger.dao import AccountsDAO
from backend.billing.ledger.in_flight_dao import InFlightDAO
from backend.billing.payments import auto_top_up, methods
from backend.billing.payments.accepting import door
from backend.billing.payments.dao import AutoTopUpDAO, MethodDAO
from backend.config import get_settings
from backend.exceptions import Conflict


async def obstacle(session: AsyncSession, project_id: UUID) -> Conflict | None:
    """Why it cannot end yet; until the transaction ends no payment of it begins."""
    if not get_settings().billing_enabled:
        return None
    dao = InFlightDAO(session)
    await dao.lock(door(project_id))
    # An automatic one begins under this row.
    await AutoTopUpDAO(session).locked(project_id)
    if await dao.any_payment(project_id):
        return Conflict("A payment or a refund is under way. Wait until it ends.", code="payment_open")
    if await dao.any_usage(project_id):
        return Conflict(
            "What its services used is being charged. Try again in a few minutes.", code="usage_unbilled"
        )
    currencies = {row.currency for row in await AccountsDAO(session).of_project(project_id)}
    there = [await standing.locked(session, project_id, one) for one in sorted(currencies)]
    if any(one.due or one.balance < 0 for one in there):
        return Conflict("The project owes money. Pay what is due first.", code="project_owes")
    if any(one.balance or one.held for one in there):
        return Conflict(
            "The project has money. Ask the operator to refund it first.", code="project_has_money"
        )
    return None


async def forget(session: AsyncSession, project_id: UUID) -> None:
    """Nothing is charged any more; the gateways forget the methods soon."""
    if await AutoTopUpDAO(session).locked(project_id) is not None:
        await auto_top_up.remove(session, project_id)
    for method in await MethodDAO(session).all_of(project_id):
        await methods.remove(session, project_id, method.id)
