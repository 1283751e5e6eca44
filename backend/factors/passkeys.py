"""Passkeys (WebAuthn): made in the browser, checked here; no secret ever leaves the authenticator."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    options_to_json_dict,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from backend.config import get_settings
from backend.database import now
from backend.exceptions import Conflict
from backend.factors.dao import ChallengeDAO, PasskeyDAO
from backend.factors.models import Challenge, Passkey
from backend.users.models import User
from backend.utils.ids import new_id

Purpose = Literal["register", "sign_in", "second_step", "proof"]
Json = dict[str, Any]

MOST = 20
LONGEST_ID = 1023
ANSWERED_WITHIN = timedelta(minutes=5)
RP_NAME = "Gavan"


class PasskeyRefused(Exception):
    """The browser's answer does not prove what it should; the reason is for the log."""


async def creation_options(session: AsyncSession, user: User) -> Json:
    """What `navigator.credentials.create()` is asked. Raises `Conflict` when there are many already."""
    present = await PasskeyDAO(session).of(user.id)
    if len(present) >= MOST:
        raise Conflict(f"There are {MOST} passkeys already; remove one first.", code="too_many_passkeys")
    options = generate_registration_options(
        rp_id=_rp_id(),
        rp_name=RP_NAME,
        user_id=user.id.bytes,
        user_name=user.email,
        user_display_name=user.name,
        timeout=_milliseconds(),
        exclude_credentials=[_descriptor(passkey) for passkey in present],
        authenticator_selection=AuthenticatorSelectionCriteria(
            # Only what the authenticator itself remembers can sign in without a name.
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.PREFERRED,
        ),
    )
    await _remember(session, options.challenge, "register", user.id)
    return options_to_json_dict(options)


async def register(session: AsyncSession, user_id: UUID, name: str, answer: Json) -> Passkey:
    """Raises `PasskeyRefused`; `Conflict` when the credential is known already."""
    with _checking():
        credential = parse_registration_credential_json(answer)
        challenge = parse_client_data_json(credential.response.client_data_json).challenge
    if await _answered(session, challenge, "register") != user_id:
        raise PasskeyRefused("not a challenge of this person")
    with _checking():
        verified = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=_rp_id(),
            expected_origin=_origin(),
        )
    if len(verified.credential_id) > LONGEST_ID:
        raise PasskeyRefused("the credential's id is longer than WebAuthn allows")
    passkey = await PasskeyDAO(session).create(
        id=new_id(),
        user_id=user_id,
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        transports=[transport.value for transport in credential.response.transports or []],
        synced=verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
        name=name,
    )
    if passkey is None:
        raise Conflict("This passkey is registered already.", code="passkey_known")
    return passkey


async def request_options(session: AsyncSession, purpose: Purpose, user_id: UUID | None) -> Json:
    """What `navigator.credentials.get()` is asked; without a user any passkey of this panel will do."""
    known = await PasskeyDAO(session).of(user_id) if user_id is not None else []
    options = generate_authentication_options(
        rp_id=_rp_id(),
        timeout=_milliseconds(),
        allow_credentials=[_descriptor(passkey) for passkey in known],
        user_verification=(
            UserVerificationRequirement.REQUIRED
            if purpose == "sign_in"
            else UserVerificationRequirement.PREFERRED
        ),
    )
    await _remember(session, options.challenge, purpose, user_id)
    return options_to_json_dict(options)


async def verify(session: AsyncSession, answer: Json, purpose: Purpose, user_id: UUID | None) -> Passkey:
    """The passkey that signed, which is this user's if one is given. Raises `PasskeyRefused`.

    Where it stands alone (`sign_in`), the authenticator must have verified the person: possession
    of a key that lay on a table is one factor only.
    """
    with _checking():
        credential = parse_authentication_credential_json(answer)
        challenge = parse_client_data_json(credential.response.client_data_json).challenge
    if await _answered(session, challenge, purpose) != user_id:
        raise PasskeyRefused("not a challenge of this person")
    passkey = await PasskeyDAO(session).by_credential(credential.raw_id)
    if passkey is None or user_id not in (None, passkey.user_id):
        raise PasskeyRefused("not a passkey of this person")
    handle = credential.response.user_handle
    if handle not in (None, b"", passkey.user_id.bytes):
        raise PasskeyRefused("the passkey says that it is somebody else's")
    with _checking():
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=_rp_id(),
            expected_origin=_origin(),
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=purpose == "sign_in",
        )
    passkey.sign_count = verified.new_sign_count
    passkey.last_used_at = now()
    await PasskeyDAO(session).flush()
    return passkey


@contextmanager
def _checking() -> Iterator[None]:
    """Turns what the library raises into `PasskeyRefused`.

    Its errors, and those of the CBOR, base64 and key parsers below it, have no common base.
    """
    try:
        yield
    except Exception as error:
        logger.info("passkey refused: {}", type(error).__name__)
        raise PasskeyRefused(type(error).__name__) from error


async def _remember(session: AsyncSession, challenge: bytes, purpose: Purpose, user_id: UUID | None) -> None:
    await ChallengeDAO(session).add(
        Challenge(
            challenge_hash=hashlib.sha256(challenge).digest(),
            purpose=purpose,
            user_id=user_id,
            expires_at=now() + ANSWERED_WITHIN,
        )
    )


async def _answered(session: AsyncSession, challenge: bytes, purpose: Purpose) -> UUID | None:
    row = await ChallengeDAO(session).take(hashlib.sha256(challenge).digest(), purpose)
    if row is None:
        raise PasskeyRefused("no such challenge, or it was answered before")
    found: UUID | None = row.user_id
    return found


def _descriptor(passkey: Passkey) -> PublicKeyCredentialDescriptor:
    known = {transport.value for transport in AuthenticatorTransport}
    transports = [AuthenticatorTransport(name) for name in passkey.transports if name in known]
    return PublicKeyCredentialDescriptor(id=passkey.credential_id, transports=transports)


def _rp_id() -> str:
    return urlsplit(get_settings().panel_url).hostname or ""


def _origin() -> str:
    parts = urlsplit(get_settings().panel_url)
    return f"{parts.scheme}://{parts.netloc}"


def _milliseconds() -> int:
    return int(ANSWERED_WITHIN.total_seconds() * 1000)
