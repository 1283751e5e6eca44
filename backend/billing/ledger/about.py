"""What a posting is about, and what it left behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class About:
    """Where a posting comes from, so that a charge can be traced to the usage and event behind it.

    `kind` is what caused it (`order`, `usage`, `payment`, `manual`, …), `code` and `parameters` are its
    description in the panel's words, `source_type` and `source_id` the row that asked for it.
    """

    kind: str
    code: str
    parameters: dict[str, Any] = field(default_factory=dict)
    service_id: UUID | None = None
    source_type: str | None = None
    source_id: UUID | None = None
    occurred_at: datetime | None = None
    """When it came about, if it is posted later than that."""


@dataclass(frozen=True, slots=True)
class Posted:
    transaction_id: UUID
    repeated: bool
    """The key was posted before, and nothing was done now."""
