"""`/oauth/…`: tokens, revocation, and what clients need to find and verify them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson
from authlib.oauth2.rfc6749 import OAuth2Error
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from backend.config import Settings
from backend.context import PartsDep
from backend.oauth import exchange
from backend.oauth.caller import REFRESH_COOKIE, Caller, caller_of
from backend.oauth.exchange import Outcome
from backend.oauth.forms import read_form
from backend.oauth.identity import Identity, identity_of
from backend.oauth.principal import SCOPES
from backend.oauth.schemas import (
    ERRORS,
    LIMITED,
    REVOCATION_FORM,
    TOKEN_FORM,
    JwkSet,
    Metadata,
    TokenAnswer,
)
from backend.oauth.server import Answer

COOKIE_PATH = "/oauth"


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    identity = identity_of(app)
    try:
        yield
    finally:
        await identity.close()


router = APIRouter(tags=["oauth"], lifespan=_lifespan)


@router.post(
    "/oauth/token",
    operation_id="oauth_token",
    summary="Sign in, or renew a token",
    response_model=TokenAnswer,
    responses={**ERRORS, **LIMITED},
    openapi_extra=TOKEN_FORM,
)
async def token(request: Request, parts: PartsDep) -> Response:
    return await _answer(request, parts.settings, exchange.issue)


@router.post(
    "/oauth/revoke",
    operation_id="oauth_revoke",
    summary="Sign out: end the session of a token (RFC 7009)",
    responses={200: {"description": "Ended, or there was nothing to end"}, **ERRORS},
    openapi_extra=REVOCATION_FORM,
)
async def revoke(request: Request, parts: PartsDep) -> Response:
    return await _answer(request, parts.settings, exchange.revoke)


@router.get(
    "/oauth/jwks",
    operation_id="oauth_jwks",
    summary="The keys that verify access tokens (RFC 7517)",
    response_model=JwkSet,
)
async def jwks(request: Request) -> Response:
    document = await identity_of(request.app).keys.document()
    return Response(
        orjson.dumps(document), media_type="application/json", headers={"Cache-Control": "max-age=300"}
    )


@router.get(
    "/.well-known/oauth-authorization-server",
    operation_id="oauth_metadata",
    summary="The authorization server's metadata (RFC 8414)",
)
async def metadata(parts: PartsDep) -> Metadata:
    issuer = parts.settings.panel_url
    return Metadata(
        issuer=issuer,
        token_endpoint=f"{issuer}/oauth/token",
        revocation_endpoint=f"{issuer}/oauth/revoke",
        jwks_uri=f"{issuer}/oauth/jwks",
        scopes_supported=list(SCOPES),
        response_types_supported=[],
        grant_types_supported=["password", "refresh_token"],
        token_endpoint_auth_methods_supported=["none"],
        revocation_endpoint_auth_methods_supported=["none"],
        service_documentation=f"{issuer}/api/docs",
    )


async def _answer(
    request: Request,
    settings: Settings,
    capability: Callable[[Identity, dict[str, str], Caller], Awaitable[Outcome]],
) -> Response:
    try:
        form = await read_form(request)
        outcome = await capability(identity_of(request.app), form, caller_of(request, settings))
    except OAuth2Error as error:
        status, body, headers = error()
        outcome = Outcome(Answer(status, dict(body), dict(headers)))
    response = Response(orjson.dumps(outcome.answer.body), outcome.answer.status, outcome.answer.headers)
    response.headers["Cache-Control"] = "no-store"
    if outcome.cookie is not None:
        _set_cookie(response, outcome.cookie, settings)
    return response


def _set_cookie(response: Response, token: str, settings: Settings) -> None:
    response.set_cookie(
        REFRESH_COOKIE,
        token,
        max_age=settings.refresh_token_expire_days * 86_400 if token else 0,
        path=COOKIE_PATH,
        secure=settings.panel_url.startswith("https:"),
        httponly=True,
        samesite="strict",
    )
