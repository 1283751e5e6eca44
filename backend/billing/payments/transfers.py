"""Bank transfers: lines of the operator's statement become payments of the projects that they name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.trail import record
from backend.billing.ledger import limits, standing
from backend.billing.payments import references, settling, statements
from backend.billing.payments.dao import PaymentDAO
from backend.billing.payments.message_dao import BankLineDAO, BankReferenceDAO
from backend.billing.payments.message_models import BankLine, LineState
from backend.billing.payments.models import Payment, PaymentState
from backend.billing.payments.statements import Line
from backend.config import Settings
from backend.context import Parts
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.projects.dao import ProjectDAO
from backend.utils.ids import new_id

GATEWAY = "bank_transfer"
NOT_GIVEN = "not_given"
"""Why a line is with nobody that is stored, and was not looked at yet."""


@dataclass(frozen=True, slots=True)
class Imported:
    matched: int = 0
    unmatched: int = 0
    known: int = 0
    """Lines that had come in before."""
    outgoing: int = 0
    """Lines that bring nothing, which are not kept."""


async def instructions(
    session: AsyncSession, settings: Settings, project_id: UUID, *, may_write: bool
) -> dict[str, Any] | None:
    """Where a project's people send money, and what they write on it; None without an account.

    A reference is made for those who may pay: whoever only looks sees whether there is one.
    """
    currency = await standing.currency_of(session, project_id)
    if not settings.bank_account or currency != (settings.bank_currency or settings.currency):
        return None
    reference = await references.of(session, project_id, make=may_write)
    return {
        "recipient": settings.bank_recipient,
        "account": settings.bank_account,
        "bank_code": settings.bank_code,
        "bank_name": settings.bank_name,
        "currency": currency,
        "reference": reference and references.shown(reference),
    }


async def import_statement(parts: Parts, user_id: UUID, text: str) -> Imported:
    """A line comes in once, however often its file does. Raises `Invalid`."""
    read = statements.read(text, parts.settings.bank_currency or parts.settings.currency)
    return replace(await _take(parts, user_id, read.lines), outgoing=read.outgoing)


async def enter(
    parts: Parts,
    user_id: UUID,
    *,
    booked_on: date,
    currency: str,
    amount: int,
    purpose: str,
    payer: str,
    bank_ref: str | None,
) -> Imported:
    """One line, as somebody reads it."""
    digest = statements.digest_of(booked_on, currency, amount, purpose)
    return await _take(parts, user_id, [Line(booked_on, currency, amount, purpose, payer, bank_ref, digest)])


async def match(
    session: AsyncSession, settings: Settings, line_id: UUID, project_id: UUID | None, by: UUID
) -> Payment:
    """By somebody who found out whose it is, or who agrees with the reference on it.

    Raises `NotFound`, `Invalid`, and `Conflict` (`second_pair_of_eyes`) for a large one that they brought
    in themselves.
    """
    line = await _undecided(session, line_id)
    if line.amount > limits.alone(settings, line.currency) and line.imported_by == by:
        raise Conflict(
            "So much needs a second pair of eyes: another administrator has to say whose it is.",
            code="second_pair_of_eyes",
        )
    if project_id is None:
        project_id = await _named(session, line)
    if not await ProjectDAO(session).kept(project_id):
        raise invalid_field(["body", "project_id"], "There is no such project.", "project_unknown")
    if line.currency != await standing.currency_of(session, project_id):
        raise Conflict("The project pays in another currency.", code="wrong_currency")
    payment = await _pay(session, line, project_id)
    await _record(session, Action.BANK_LINE_MATCHED, line, project_id)
    return payment


async def ignore(session: AsyncSession, line_id: UUID, reason: str) -> None:
    """It is no payment of a customer. Raises `NotFound` and `Conflict`."""
    line = await _undecided(session, line_id)
    line.state, line.reason_code = LineState.IGNORED, None
    await BankLineDAO(session).flush()
    await _record(session, Action.BANK_LINE_IGNORED, line, None, reason=reason)


async def _take(parts: Parts, user_id: UUID, lines: list[Line]) -> Imported:
    """All are stored first; then each is given in a transaction of its own, so that a long file holds
    nobody's money for long and one that fails keeps none of the others. What a file did not get to, it gets
    to when it comes again.
    """
    async with parts.transaction() as session:
        stored = await _store(session, user_id, lines)
        waiting = await BankLineDAO(session).not_given([line.digest for line in lines])
    matched = unmatched = 0
    for line_id in waiting:
        try:
            async with parts.transaction() as session:
                given = await _give(session, parts.settings, line_id)
        except Exception:
            logger.exception("the line {} of a bank statement was not given to anybody", line_id)
            given = False
        matched += given is True
        unmatched += given is False
    logger.info("{} lines of a bank statement, {} of them new", len(lines), stored)
    return Imported(matched, unmatched, len(lines) - matched - unmatched)


async def _store(session: AsyncSession, user_id: UUID, lines: list[Line]) -> int:
    dao = BankLineDAO(session)
    # Two who import the same file at once do it one after the other.
    await dao.lock("bank-statement")
    known = await dao.known([line.digest for line in lines])
    new = [line for line in lines if line.digest not in known]
    for line in new:
        await dao.add(
            BankLine(
                id=new_id(),
                digest=line.digest,
                booked_on=line.booked_on,
                currency=line.currency,
                amount=line.amount,
                purpose=line.purpose,
                payer=line.payer,
                bank_ref=line.bank_ref,
                state=LineState.UNMATCHED,
                reason_code=NOT_GIVEN,
                imported_by=user_id,
            )
        )
    await record(
        session,
        Action.BANK_STATEMENT_IMPORTED,
        object_type="bank_statement",
        after={"new": len(new), "known": len(lines) - len(new)},
    )
    return len(new)


async def _give(session: AsyncSession, settings: Settings, line_id: UUID) -> bool | None:
    """Whether it became a payment; None if somebody decided about it meanwhile."""
    line = await BankLineDAO(session).get_locked(line_id)
    if line is None or line.state != LineState.UNMATCHED or line.reason_code != NOT_GIVEN:
        return None
    whose = await _projects_on(session, line)
    line.reason_code = await _obstacle(session, settings, line, whose)
    await BankLineDAO(session).flush()
    if line.reason_code is None:
        await _pay(session, line, whose.pop())
    return line.state == LineState.MATCHED


async def _projects_on(session: AsyncSession, line: BankLine) -> set[UUID]:
    return set((await BankReferenceDAO(session).projects(references.found_in(line.purpose))).values())


async def _named(session: AsyncSession, line: BankLine) -> UUID:
    whose = await _projects_on(session, line)
    if len(whose) != 1:
        message = "The line names no project, or several. Say which one it is."
        raise invalid_field(["body", "project_id"], message, "project_unknown")
    return whose.pop()


async def _obstacle(
    session: AsyncSession, settings: Settings, line: BankLine, whose: set[UUID]
) -> str | None:
    if not whose:
        return "no_reference"
    if len(whose) > 1:
        return "several_references"
    (project_id,) = whose
    if not await ProjectDAO(session).kept(project_id):
        return "project_gone"
    if line.currency != await standing.currency_of(session, project_id):
        return "wrong_currency"
    if line.amount > limits.alone(settings, line.currency):
        return "second_pair_of_eyes"
    return None


async def _pay(session: AsyncSession, line: BankLine, project_id: UUID) -> Payment:
    payment = Payment(
        id=new_id(),
        project_id=project_id,
        gateway=GATEWAY,
        currency=line.currency,
        amount=line.amount,
        state=PaymentState.ACCEPTED,
        method_words=line.bank_ref and line.bank_ref[:60],
    )
    await PaymentDAO(session).add(payment)
    line.state, line.payment_id, line.reason_code = LineState.MATCHED, payment.id, None
    await settling.credit(session, payment)
    return payment


async def _undecided(session: AsyncSession, line_id: UUID) -> BankLine:
    line = await BankLineDAO(session).get_locked(line_id)
    if line is None:
        raise NotFound("There is no such line.")
    if line.state == LineState.MATCHED:
        raise Conflict("The line is a payment already.", code="line_matched")
    return line


async def _record(
    session: AsyncSession, action: Action, line: BankLine, project_id: UUID | None, **more: str
) -> None:
    await record(
        session,
        action,
        object_type="bank_line",
        object_id=line.id,
        object_name=line.payer,
        project_id=project_id,
        after={"amount": line.amount, "currency": line.currency, **more},
    )
