"""Reasons that are ours alone: no engine and no source had a part in them."""

from __future__ import annotations

from backend.engines.errors import Reason

CANCELLED = Reason("cancelled", "The deployment was cancelled.")
SUSPENDED = Reason("suspended", "The service is suspended until its project's balance is topped up.")
