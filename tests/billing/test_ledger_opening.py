"""Credit with which `make up` begins, and the command that sums the ledger again."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from backend.billing.ledger import opening
from backend.database import Database
from tests.billing.purse import Purse
from tests.support.people import Person


@pytest.mark.parametrize("known", [True, False])
async def test_credit_is_given_once(database: Database, ada: Person, purse: Purse, known: bool) -> None:
    email = ada.email if known else "nobody@example.com"
    for words in ("€50.00" if known else None, None):
        async with database.transaction() as session:
            assert await opening.give(session, email, 5_000) == words
    assert await purse.three() == (5_000 if known else 0, 0, 0)
    async with database.transaction() as session:
        recorded = "SELECT count(*) FROM audit_events WHERE action = 'adjustment.posted'"
        assert (await session.execute(text(recorded))).scalar_one() == int(known)
