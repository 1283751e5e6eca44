"""The personal account: a view over users, roles and projects for whoever is signed in."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.values import differences
from backend.billing.dunning.dao import StateDAO
from backend.billing.dunning.schemas import StageName
from backend.config import get_settings
from backend.lk.schemas import AccountAnswer, AccountProject
from backend.oauth.identity import Principal
from backend.projects.dao import ProjectDAO
from backend.users import phones
from backend.users.dao import UserDAO
from backend.users.reading import present
from backend.users.trail import record_about
from backend.verificationcodes import codes
from backend.verificationcodes.purposes import Purpose


async def account(session: AsyncSession, principal: Principal) -> AccountAnswer:
    return await change(session, principal, {})


async def change(session: AsyncSession, principal: Principal, values: dict[str, Any]) -> AccountAnswer:
    """`values` are columns of `User`: name, locale, time zone."""
    user = await present(session, principal.user_id)
    before = {name: getattr(user, name) for name in values}
    for name, value in values.items():
        setattr(user, name, value)
    await UserDAO(session).flush()
    if changed := differences(before, values):
        await record_about(
            session,
            user,
            Action.USER_UPDATED,
            before=changed[0],
            after=changed[1],
        )
    projects = await ProjectDAO(session).of(user.id)
    stages = await StateDAO(session).stages_of([row.id for row in projects])
    return AccountAnswer(
        id=user.id,
        email=user.email,
        email_verified=user.email_verified_at is not None,
        verification_required=user.email_verified_at is None and get_settings().order_needs_verified_email,
        billing_enabled=get_settings().billing_enabled,
        pending_email=await codes.pending(session, Purpose.EMAIL_CHANGE, user.id),
        phone=phones.formatted(user.phone) if user.phone else None,
        pending_phone=await _pending_phone(session, user.id),
        name=user.name,
        locale=user.locale,
        time_zone=user.time_zone,
        created_at=user.created_at,
        permissions=sorted(principal.permissions),
        projects=[
            AccountProject(
                id=row.id,
                name=row.name,
                role=row.role,
                billing_stage=cast(StageName, stages.get(row.id, "ok")),
            )
            for row in projects
        ],
    )


async def _pending_phone(session: AsyncSession, user_id: UUID) -> str | None:
    number = await codes.pending(session, Purpose.PHONE, user_id)
    return phones.formatted(number) if number is not None else None
