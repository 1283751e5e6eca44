"""Projects as the operator looks for them: by their names, or by whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, func, literal_column, select, union
from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.ledger.models import BillingProfile
from backend.billing.ledger.schemas import FoundList, FoundProject
from backend.config import Settings
from backend.dao.base import BaseDAO
from backend.projects.models import WORDS as PROJECT_WORDS
from backend.projects.models import Project, ProjectMember
from backend.users.administration import beginnings
from backend.users.models import WORDS as USER_WORDS
from backend.users.models import User

MOST = 20
_SIMPLE: ColumnElement[str] = literal_column("'simple'::regconfig")


class _Found(BaseDAO[Project]):
    model = Project

    async def by(self, q: str) -> Sequence[Row[Any]]:
        words = func.to_tsquery(_SIMPLE, beginnings(q))
        people = select(User.id).where(USER_WORDS.op("@@")(words)).correlate(None)
        # Each half by its own index, which an OR of both would use none of.
        found = union(
            select(Project.id).where(PROJECT_WORDS.op("@@")(words)).correlate(None),
            select(ProjectMember.project_id).where(
                ProjectMember.role == "owner", ProjectMember.user_id.in_(people)
            ),
        )
        owner = (
            select(func.min(User.email))
            .join(ProjectMember, ProjectMember.user_id == User.id)
            .where(ProjectMember.project_id == Project.id, ProjectMember.role == "owner")
            .scalar_subquery()
        )
        return await self.rows(
            select(Project.id, Project.name, BillingProfile.currency, owner.label("owner_email"))
            .outerjoin(BillingProfile, BillingProfile.project_id == Project.id)
            .where(Project.deleted_at.is_(None), Project.id.in_(found))
            .order_by(Project.id.desc())
            .limit(MOST)
        )


async def projects(session: AsyncSession, settings: Settings, q: str) -> FoundList:
    return FoundList(
        items=[
            FoundProject(
                id=row.id,
                name=row.name,
                currency=row.currency or settings.currency,
                owner_email=row.owner_email,
            )
            for row in await _Found(session).by(q)
        ]
    )
