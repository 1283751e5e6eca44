"""`/api/v1/users`: what is asked without being signed in: registering, and what links in letters lead to."""

from __future__ import annotations

from fastapi import APIRouter

from backend.context import PartsDep
from backend.openapi import problems
from backend.users import email_change, password_change, registration, verification
from backend.users.asker import AskerDep
from backend.users.emails import address_of
from backend.users.schemas import (
    AddressAnswer,
    LetterAnswer,
    LinkToken,
    PasswordReset,
    Registration,
    RegistrationAnswer,
    ResetRequest,
)

router = APIRouter(prefix="/api/v1/users", tags=["account"])


@router.post(
    "",
    status_code=202,
    operation_id="users_register",
    summary="Register",
    responses=problems(422, 429),
)
async def users_register(body: Registration, parts: PartsDep, asker: AskerDep) -> RegistrationAnswer:
    """Makes the account and its personal project, and sends a letter to confirm the address.

    Sign in with `POST /oauth/token` afterwards. If the address has an account already, that one stays as
    it is, and its owner is told by the letter; the answer is the same.
    """
    email = address_of(body.email, parts.settings)
    password = body.password.get_secret_value()
    await registration.sign_up(
        parts, asker, email=email, password=password, name=body.name, locale=body.locale
    )
    return RegistrationAnswer(email=email)


@router.post(
    "/verify",
    operation_id="users_verify_email",
    summary="Confirm an e-mail address",
    responses=problems(400, 422, 429),
)
async def users_verify_email(body: LinkToken, parts: PartsDep, asker: AskerDep) -> AddressAnswer:
    """Uses the link of a letter, after registration or after a change of address."""
    return AddressAnswer(email=await verification.confirm(parts, asker, body.token))


@router.post(
    "/password-reset",
    status_code=202,
    operation_id="users_request_password_reset",
    summary="Ask for a new password",
    responses=problems(422, 429),
)
async def users_request_password_reset(body: ResetRequest, parts: PartsDep, asker: AskerDep) -> LetterAnswer:
    """Sends a letter with a link, if there is such an account; the answer does not tell."""
    email = address_of(body.email, parts.settings)
    await password_change.ask_reset(parts, asker, email)
    return LetterAnswer(email=email)


@router.post(
    "/password-reset/confirm",
    operation_id="users_reset_password",
    summary="Set a new password by the link of a letter",
    responses=problems(400, 422, 429),
)
async def users_reset_password(body: PasswordReset, parts: PartsDep, asker: AskerDep) -> AddressAnswer:
    """Signs the account out everywhere."""
    password = body.password.get_secret_value()
    return AddressAnswer(email=await password_change.reset(parts, asker, body.token, password))


@router.post(
    "/email-restore",
    operation_id="users_restore_email",
    summary="Turn a change of the e-mail address back",
    responses=problems(400, 422, 429),
)
async def users_restore_email(body: LinkToken, parts: PartsDep, asker: AskerDep) -> AddressAnswer:
    """Uses the link that the former address was sent: signs the account out everywhere; if the change had
    been confirmed, its password is void and a new one has to be asked for.
    """
    return AddressAnswer(email=await email_change.restore(parts, asker, body.token))
