"""`/api/v1/me/…`: the password, the e-mail address and the telephone of whoever is signed in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from backend.context import PartsDep, SessionDep
from backend.exceptions import invalid_field
from backend.lk import account
from backend.lk.schemas import AccountAnswer, Code, EmailChange, PasswordChange, PhoneChange
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.roles.permissions import ME_SECURITY, ME_WRITE
from backend.users import email_change, password_change, phones, verification
from backend.users.asker import AskerDep
from backend.users.emails import address_of

router = APIRouter(prefix="/api/v1/me", tags=["account"])

Writer = Annotated[Principal, Depends(require(ME_WRITE))]
Owner = Annotated[Principal, Depends(require(ME_SECURITY))]
ProvedOwner = Annotated[Principal, Depends(require(ME_SECURITY, recent=True))]


async def _account(parts: PartsDep, principal: Principal) -> AccountAnswer:
    async with parts.transaction() as session:
        return await account.account(session, principal)


@router.post(
    "/password",
    operation_id="me_change_password",
    summary="Change the password",
    responses=problems(401, 403, 409, 422, 429),
)
async def me_change_password(
    body: PasswordChange, parts: PartsDep, asker: AskerDep, principal: Owner
) -> AccountAnswer:
    """Signs the account out everywhere else."""
    current, new = body.current_password.get_secret_value(), body.password.get_secret_value()
    await password_change.change(parts, asker, principal, current, new)
    return await _account(parts, principal)


@router.post(
    "/email/verification",
    operation_id="me_send_verification",
    summary="Send the letter that confirms the address again",
    responses=problems(401, 403, 409, 429),
)
async def me_send_verification(parts: PartsDep, asker: AskerDep, principal: Writer) -> AccountAnswer:
    """The link and code of the earlier letter stop working."""
    await verification.send_again(parts, asker, principal.user_id)
    return await _account(parts, principal)


@router.post(
    "/email/verification/confirm",
    operation_id="me_confirm_email_code",
    summary="Confirm the address by the code of the letter",
    responses=problems(400, 401, 403, 422, 429),
)
async def me_confirm_email_code(
    body: Code, parts: PartsDep, asker: AskerDep, principal: Writer
) -> AccountAnswer:
    """For whoever reads the letter on another device. The code holds once and for a while."""
    await verification.confirm_code(parts, asker, principal.user_id, body.code)
    return await _account(parts, principal)


@router.post(
    "/email",
    operation_id="me_change_email",
    summary="Ask for another e-mail address",
    responses=problems(401, 403, 422, 429),
)
async def me_change_email(
    body: EmailChange, parts: PartsDep, asker: AskerDep, principal: ProvedOwner
) -> AccountAnswer:
    """It is the account's once the link in the letter to it is opened. The present address is told, with a
    link that prevents it or turns it back.
    """
    await email_change.ask(parts, asker, principal, address_of(body.email, parts.settings))
    return await _account(parts, principal)


@router.delete(
    "/email/change",
    operation_id="me_cancel_email_change",
    summary="Keep the present e-mail address",
    responses=problems(401, 403),
)
async def me_cancel_email_change(session: SessionDep, principal: Owner) -> AccountAnswer:
    """The link in the letter to the other address is void; nothing to cancel is fine."""
    await email_change.cancel(session, principal)
    return await account.account(session, principal)


@router.post(
    "/phone",
    operation_id="me_add_phone",
    summary="Send a code to a telephone",
    responses=problems(401, 403, 422, 429),
)
async def me_add_phone(
    body: PhoneChange, parts: PartsDep, asker: AskerDep, principal: Owner
) -> AccountAnswer:
    """The number is the account's once the code is confirmed."""
    number = phones.normalise(body.phone)
    if number is None:
        raise invalid_field(["body", "phone"], "There can be no such telephone number.", "invalid_phone")
    await phones.ask(parts, asker, principal, number)
    return await _account(parts, principal)


@router.post(
    "/phone/confirm",
    operation_id="me_confirm_phone",
    summary="Confirm the telephone by its code",
    responses=problems(401, 403, 422, 429),
)
async def me_confirm_phone(body: Code, parts: PartsDep, asker: AskerDep, principal: Owner) -> AccountAnswer:
    """The code holds once and for a while; a few wrong ones, and it is void."""
    await phones.confirm(parts, asker, principal, body.code)
    return await _account(parts, principal)


@router.delete(
    "/phone",
    operation_id="me_remove_phone",
    summary="Remove the telephone",
    responses=problems(401, 403),
)
async def me_remove_phone(session: SessionDep, principal: Owner) -> AccountAnswer:
    """Also a number that waits to be confirmed; nothing to remove is fine."""
    await phones.remove(session, principal)
    return await account.account(session, principal)
