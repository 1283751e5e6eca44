"""Challenges and second steps that nobody finished in time, removed."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from backend.database import now
from backend.factors.dao import ChallengeDAO, SecondStepDAO


async def prune(session: AsyncSession) -> int:
    """How many were removed."""
    at = now()
    return await ChallengeDAO(session).prune(at) + await SecondStepDAO(session).prune(at)
