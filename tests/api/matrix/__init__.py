"""Who may call what: one declared row for every operation of the API document.

`tests/api/test_matrix.py` crosses the document with everybody named in `rows.Row` and compares.
Add the row of a new operation to the module of its area, its call to `tests/api/operations.py`, and
an object that its path names to the fixture `objects`; if it asks for a recent proof, say so in `proofs.py`.
"""

from __future__ import annotations

from tests.api.matrix import (
    account,
    invoices,
    ledger,
    operator,
    payments,
    prices,
    projects,
    services,
    system,
    usage,
)
from tests.api.matrix.proofs import PROVEN
from tests.api.matrix.rows import ALLOWED, EVERYBODY, Row

__all__ = ["ALLOWED", "EVERYBODY", "MATRIX", "PROVEN", "Row"]

_AREAS = (system, account, projects, services, operator, ledger, invoices, prices, payments, usage)

MATRIX: dict[str, Row] = {operation: row for area in _AREAS for operation, row in area.ROWS.items()}

if len(MATRIX) != sum(len(area.ROWS) for area in _AREAS):
    raise ValueError("an operation has a row in two areas")
