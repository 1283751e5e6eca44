"""`/api/v1/me`: the person that the token speaks for."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from backend.context import SessionDep
from backend.lk import account
from backend.lk.schemas import AccountAnswer, AccountChange
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.roles.permissions import ME_READ, ME_WRITE

router = APIRouter(prefix="/api/v1/me", tags=["account"])


@router.get("", operation_id="me_get", summary="Who am I", responses=problems(401, 403))
async def me_get(
    session: SessionDep, principal: Annotated[Principal, Depends(require(ME_READ))]
) -> AccountAnswer:
    """The account, with the permissions that this token has."""
    return await account.account(session, principal)


@router.patch("", operation_id="me_update", summary="Change my account", responses=problems(401, 403, 422))
async def me_update(
    body: AccountChange, session: SessionDep, principal: Annotated[Principal, Depends(require(ME_WRITE))]
) -> AccountAnswer:
    """Only what is given is changed. The e-mail address, the telephone and the password have operations of
    their own.
    """
    return await account.change(session, principal, body.model_dump(exclude_unset=True))
