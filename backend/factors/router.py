"""Second factors of the signed-in person, the challenge for signing in, and the reset by an administrator."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from backend.context import PartsDep, SessionDep
from backend.factors import enrolment
from backend.factors.models import Passkey
from backend.factors.reset import reset
from backend.factors.schemas import (
    CeremonyOptions,
    FactorAdded,
    PasskeyAdded,
    PasskeyChange,
    PasskeyCreation,
    PasskeyQuestion,
    PasskeyView,
    RecoveryCodes,
    SecondFactors,
    TotpConfirmation,
    TotpEnrolment,
)
from backend.oauth.caller import client_address
from backend.oauth.identity import identity_of
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.roles.permissions import ADMIN_USERS_WRITE, ME_SECURITY

router = APIRouter(prefix="/api/v1", tags=["account"])
admin = APIRouter(prefix="/api/v1/admin", tags=["admin"])

Person = Annotated[Principal, Depends(require(ME_SECURITY))]
ProvedPerson = Annotated[Principal, Depends(require(ME_SECURITY, recent=True))]
ProvedAdministrator = Annotated[Principal, Depends(require(ADMIN_USERS_WRITE, recent=True))]


@router.get(
    "/me/second-factors",
    operation_id="me_second_factors",
    summary="My second factors",
    responses=problems(401, 403),
)
async def me_second_factors(session: SessionDep, principal: Person) -> SecondFactors:
    """Whether a password alone signs in, with what else one does, and how many recovery codes are left."""
    there, keys = await enrolment.overview(session, principal.user_id)
    return SecondFactors(
        protected=there.protected,
        methods=there.methods,
        totp=there.totp,
        passkeys=[PasskeyView.model_validate(key) for key in keys],
        recovery_codes=there.recovery_codes,
    )


@router.post(
    "/me/totp",
    operation_id="me_totp_prepare",
    summary="Begin to add an authenticator app",
    responses=problems(401, 403, 409),
)
async def me_totp_prepare(session: SessionDep, principal: ProvedPerson) -> TotpEnrolment:
    """It is asked for from the moment when a code of it was confirmed, within half an hour."""
    begun = await enrolment.prepare_totp(session, principal.user_id)
    return TotpEnrolment(secret=begun.secret, uri=begun.uri, qr=begun.qr)


@router.post(
    "/me/totp/confirmation",
    operation_id="me_totp_confirm",
    summary="Confirm the authenticator app with a code",
    responses=problems(401, 403, 409, 422, 429),
)
async def me_totp_confirm(
    request: Request, body: TotpConfirmation, parts: PartsDep, session: SessionDep, principal: ProvedPerson
) -> FactorAdded:
    """It is in use from now on. With the first second factor come recovery codes, which are shown once."""
    # By address alone: whoever adds an app has just been shown what its codes are made of.
    address = client_address(request, parts.settings.trusted_proxies)
    await identity_of(request.app).limits.check("link", address=address)
    return FactorAdded(recovery_codes=await enrolment.confirm_totp(session, principal.user_id, body.code))


@router.delete(
    "/me/totp",
    status_code=204,
    operation_id="me_totp_remove",
    summary="Remove the authenticator app",
    responses=problems(401, 403, 409),
)
async def me_totp_remove(session: SessionDep, principal: ProvedPerson) -> None:
    """With the last second factor the recovery codes go too: a password signs in alone again."""
    await enrolment.remove_totp(session, principal.user_id)


@router.post(
    "/me/recovery-codes",
    operation_id="me_recovery_codes_renew",
    summary="Make new recovery codes",
    responses=problems(401, 403, 409),
)
async def me_recovery_codes_renew(session: SessionDep, principal: ProvedPerson) -> RecoveryCodes:
    """Earlier ones are void."""
    return RecoveryCodes(recovery_codes=await enrolment.renew_codes(session, principal.user_id))


@router.post(
    "/me/passkeys/options",
    operation_id="me_passkeys_options",
    summary="What to ask the browser for a new passkey",
    responses=problems(401, 403, 409),
)
async def me_passkeys_options(session: SessionDep, principal: ProvedPerson) -> CeremonyOptions:
    """For `navigator.credentials.create()` (W3C Web Authentication), whose answer goes to `me_passkeys_add`.
    The challenge holds once and for a few minutes.
    """
    return CeremonyOptions(public_key=await enrolment.creation_options(session, principal.user_id))


@router.post(
    "/me/passkeys",
    status_code=201,
    operation_id="me_passkeys_add",
    summary="Add a passkey",
    responses=problems(401, 403, 409, 422),
)
async def me_passkeys_add(
    body: PasskeyCreation, session: SessionDep, principal: ProvedPerson
) -> PasskeyAdded:
    """From then on a password alone does not sign in: a passkey, a code or a recovery code comes with it."""
    passkey, codes = await enrolment.add_passkey(session, principal.user_id, body.name, body.credential)
    return PasskeyAdded(passkey=PasskeyView.model_validate(passkey), recovery_codes=codes)


@router.patch(
    "/me/passkeys/{passkey_id}",
    operation_id="me_passkeys_rename",
    summary="Rename a passkey",
    response_model=PasskeyView,
    responses=problems(401, 403, 404, 422),
)
async def me_passkeys_rename(
    passkey_id: UUID, body: PasskeyChange, session: SessionDep, principal: Person
) -> Passkey:
    """The name is for you alone, to tell one from another."""
    return await enrolment.rename_passkey(session, principal.user_id, passkey_id, body.name)


@router.delete(
    "/me/passkeys/{passkey_id}",
    status_code=204,
    operation_id="me_passkeys_remove",
    summary="Remove a passkey",
    responses=problems(401, 403, 404, 422),
)
async def me_passkeys_remove(passkey_id: UUID, session: SessionDep, principal: ProvedPerson) -> None:
    """With the last second factor the recovery codes go too: a password signs in alone again."""
    await enrolment.remove_passkey(session, principal.user_id, passkey_id)


@router.post(
    "/passkeys/options",
    operation_id="passkeys_options",
    summary="What to ask the browser to sign in with a passkey",
    responses=problems(422, 429),
)
async def passkeys_options(
    request: Request, body: PasskeyQuestion, parts: PartsDep, session: SessionDep
) -> CeremonyOptions:
    """The answer goes to `POST /oauth/token`, within five minutes and once."""
    address = client_address(request, parts.settings.trusted_proxies)
    await identity_of(request.app).limits.check("passkey", address=address)
    return CeremonyOptions(public_key=await enrolment.sign_in_options(session, body.mfa_token))


@admin.post(
    "/users/{user_id}/reset-second-factors",
    status_code=204,
    operation_id="admin_users_reset_second_factors",
    summary="Remove all second factors of a user",
    responses=problems(401, 403, 404, 409, 422),
)
async def admin_users_reset_second_factors(
    user_id: UUID, session: SessionDep, principal: ProvedAdministrator
) -> None:
    """For somebody who has lost them all, and is known to be who they say. They are told by letter."""
    await reset(session, principal, user_id)
