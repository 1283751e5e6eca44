"""The personal account: a view over users, roles and projects for whoever is signed in."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from backend.exceptions import Unauthorized
from backend.lk.schemas import AccountAnswer
from backend.oauth.identity import Principal
from backend.projects.dao import ProjectDAO
from backend.projects.schemas import ProjectSummary
from backend.users.dao import UserDAO


async def account(session: AsyncSession, principal: Principal) -> AccountAnswer:
    return await change(session, principal, {})


async def change(session: AsyncSession, principal: Principal, values: dict[str, Any]) -> AccountAnswer:
    """`values` are columns of `User`: name, locale."""
    users = UserDAO(session)
    user = await users.get(principal.user_id)
    if user is None:
        raise Unauthorized("The account is gone.", code="session_ended")
    for name, value in values.items():
        setattr(user, name, value)
    await users.flush()
    projects = await ProjectDAO(session).of(user.id)
    return AccountAnswer(
        id=user.id,
        email=user.email,
        name=user.name,
        locale=user.locale,
        created_at=user.created_at,
        permissions=sorted(principal.permissions),
        projects=[ProjectSummary.model_validate(project) for project in projects],
    )
