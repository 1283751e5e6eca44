"""Registration."""

from __future__ import annotations

from fastapi import APIRouter, Request

from backend.context import PartsDep, SessionDep
from backend.exceptions import invalid_field
from backend.oauth.caller import client_address
from backend.oauth.identity import identity_of
from backend.openapi import problems
from backend.users import passwords
from backend.users.emails import normalise
from backend.users.models import User
from backend.users.registration import register
from backend.users.schemas import Registration, UserAnswer

router = APIRouter(prefix="/api/v1/users", tags=["account"])


@router.post(
    "",
    status_code=201,
    operation_id="users_register",
    summary="Register",
    response_model=UserAnswer,
    responses=problems(409, 422, 429),
)
async def users_register(request: Request, body: Registration, parts: PartsDep, session: SessionDep) -> User:
    """Makes the account and its personal project. Sign in with `POST /oauth/token` afterwards."""
    settings = parts.settings
    email = normalise(body.email, reserved_domains=settings.environment == "development")
    if email is None:
        raise invalid_field(["body", "email"], "This is not an e-mail address.", "invalid_email")
    password = body.password.get_secret_value()
    if weakness := passwords.weakness(password, email):
        raise invalid_field(["body", "password"], weakness, "weak_password")
    await identity_of(request.app).limits.registration(client_address(request, settings.trusted_proxies))
    # Hashed before the first statement, so that no connection waits for it.
    hashed = await passwords.hash_password(password)
    return await register(session, email=email, password_hash=hashed, name=body.name, locale=body.locale)
