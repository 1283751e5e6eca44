"""What nobody tells of is asked for: messages get lost, pages are left, workers are killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from uuid import UUID

from loguru import logger

from backend.billing.payments import auto_top_up, collecting, disputing, messages, refund_job, setting_up
from backend.billing.payments.dao import DisputeDAO, MethodDAO, PaymentDAO, RefundDAO, SetupDAO
from backend.billing.payments.desk import Desk
from backend.billing.payments.gateways.base import GatewayError
from backend.billing.payments.message_dao import MessageDAO
from backend.billing.runs import progress as runs
from backend.database import LOST

BATCH = 50


async def run(desk: Desk) -> None:
    """One round, in the list of what billing does by itself if it did anything."""
    async with runs.begin(desk.database, "payments") as run:
        if run is not None:
            await run.say("polling", 100, **await poll(desk))


async def poll(desk: Desk) -> Counter[str]:
    """One round; what is left over has its turn in the next. Says how many of each were asked about."""
    done: Counter[str] = Counter()
    async with desk.database.transaction() as session:
        waiting = {
            "messages": (messages.apply, await MessageDAO(session).due(BATCH)),
            "payments": (collecting.look_again, await PaymentDAO(session).due(BATCH)),
            "setups": (setting_up.look_again, await SetupDAO(session).due(BATCH)),
            "refunds": (refund_job.look_again, await RefundDAO(session).due(BATCH)),
        }
        disputes = await DisputeDAO(session).due(BATCH, disputing.ASKED_AGAIN)
    for what, (look, ids) in waiting.items():
        for row_id in ids:
            done[what] += await _each(what, row_id, look, desk)
    for gateway, ref in disputes:
        done["disputes"] += await _each("disputes", ref, _dispute_of(gateway), desk)
    done["methods"] = await _forget_methods(desk)
    done["automatic"] = await auto_top_up.scan(desk, BATCH)
    return done


async def _each(
    what: str, row_id: UUID | str, look: Callable[[Desk, UUID], Awaitable[None]], desk: Desk
) -> int:
    """One that goes wrong does not keep the others waiting."""
    try:
        await look(desk, row_id)  # type: ignore[arg-type]
    except LOST:
        raise
    except GatewayError as error:
        logger.warning("{} {}: the gateway could not be asked: {}", what, row_id, error)
        return 0
    except Exception as error:
        logger.opt(exception=error).error("{} {} could not be looked at", what, row_id)
        return 0
    return 1


def _dispute_of(gateway: str) -> Callable[[Desk, UUID], Awaitable[None]]:
    async def look(desk: Desk, ref: object) -> None:
        facts = await desk.gateways.named(gateway).look_dispute(str(ref))
        async with desk.transaction() as session:
            dao = PaymentDAO(session)
            found = await dao.by_ref(gateway, facts.charge_ref)
            payment = await dao.get_locked(found.id) if found else None
            if payment is not None:
                await disputing.apply(session, payment, facts)

    return look


async def _forget_methods(desk: Desk) -> int:
    async with desk.database.transaction() as session:
        removed = await MethodDAO(session).removed(BATCH)
    forgotten = 0
    for method in removed:
        try:
            await desk.gateways.named(method.gateway).forget_method(method.gateway_ref)
        except GatewayError as error:
            logger.warning("{} did not forget a method: {}", method.gateway, error)
            continue
        async with desk.database.transaction() as session:
            await MethodDAO(session).detached(method.id)
        forgotten += 1
    return forgotten
