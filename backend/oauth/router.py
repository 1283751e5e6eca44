"""`/oauth/…`: tokens, revocation, and what clients need to find and verify them."""

from __future__ import annotations

import orjson
from authlib.oauth2.rfc6749 import OAuth2Error
from fastapi import APIRouter, Request
from starlette.responses import Response

from backend.config import Settings
from backend.context import PartsDep, SessionDep
from backend.oauth import authorization, clientauth, exchange
from backend.oauth.authorization import Refused
from backend.oauth.caller import DEVICE_COOKIE, REFRESH_COOKIE, caller_of, cookie_name
from backend.oauth.clientauth import METHODS, SECRET_METHODS
from backend.oauth.exchange import Capability, Outcome
from backend.oauth.forms import read_form, read_query
from backend.oauth.identity import identity_of
from backend.oauth.keys import SET_MAX_AGE
from backend.oauth.pkce import S256
from backend.oauth.principal import SCOPES
from backend.oauth.schemas import (
    AUTHORIZE_ANSWERS,
    AUTHORIZE_QUERY,
    ERRORS,
    INTROSPECTION_FORM,
    LIMITED,
    REVOCATION_FORM,
    TOKEN_FORM,
    IntrospectionAnswer,
    JwkSet,
    Metadata,
    TokenAnswer,
)
from backend.oauth.second_step import MFA, PASSKEY
from backend.oauth.server import Answer

COOKIE_PATH = "/oauth"
# As long as browsers keep a cookie at most.
_DEVICE_SECONDS = 400 * 86_400


router = APIRouter(tags=["oauth"])


@router.get(
    "/oauth/authorize",
    operation_id="oauth_authorize",
    summary="Ask a person for access (RFC 6749 §4.1, with PKCE)",
    status_code=303,
    response_class=Response,
    responses=AUTHORIZE_ANSWERS,
    openapi_extra=AUTHORIZE_QUERY,
)
async def authorize(request: Request, parts: PartsDep, session: SessionDep) -> Response:
    """Send the person's browser here: the panel asks, and the answer comes to `redirect_uri`."""
    settings = parts.settings
    try:
        try:
            given = read_query(request)
        except OAuth2Error as error:
            raise Refused(error, None) from None
        page = await authorization.page_for(session, settings, given, caller_of(request, settings))
    except Refused as refused:
        page = authorization.page_of_error(settings, refused)
    return Response(status_code=303, headers={"Location": page, "Cache-Control": "no-store"})


@router.post(
    "/oauth/token",
    operation_id="oauth_token",
    summary="Sign in, or renew a token",
    response_model=TokenAnswer,
    responses={**ERRORS, **LIMITED},
    openapi_extra=TOKEN_FORM,
)
async def token(request: Request, parts: PartsDep) -> Response:
    """Grants: a code of the authorization page, a refresh token, a password, a second factor, a passkey, or a
    client's own secret. A refresh token holds once: one that comes twice ends its session.
    """
    return await _answer(request, parts.settings, exchange.issue)


@router.post(
    "/oauth/revoke",
    operation_id="oauth_revoke",
    summary="Sign out: end the session of a token (RFC 7009)",
    responses={200: {"description": "Ended, or there was nothing to end"}, **ERRORS, **LIMITED},
    openapi_extra=REVOCATION_FORM,
)
async def revoke(request: Request, parts: PartsDep) -> Response:
    """Access and refresh tokens of the session are void; signing out twice is fine."""
    return await _answer(request, parts.settings, exchange.revoke)


@router.post(
    "/oauth/introspect",
    operation_id="oauth_introspect",
    summary="What a token is good for (RFC 7662)",
    response_model=IntrospectionAnswer,
    responses={**ERRORS, **LIMITED},
    openapi_extra=INTROSPECTION_FORM,
)
async def introspect(request: Request, parts: PartsDep) -> Response:
    """For applications with a secret, about tokens of their own."""
    return await _answer(request, parts.settings, exchange.introspect)


@router.get(
    "/oauth/jwks",
    operation_id="oauth_jwks",
    summary="The keys that verify access tokens (RFC 7517)",
    response_model=JwkSet,
)
async def jwks(request: Request) -> Response:
    """A key that was replaced stays in the set for as long as tokens live that it signed."""
    document = await identity_of(request.app).keys.document()
    return Response(
        orjson.dumps(document),
        media_type="application/json",
        headers={"Cache-Control": f"max-age={SET_MAX_AGE}"},
    )


@router.get(
    "/.well-known/oauth-authorization-server",
    operation_id="oauth_metadata",
    summary="The authorization server's metadata (RFC 8414)",
)
async def metadata(parts: PartsDep) -> Metadata:
    """Where a client finds the endpoints, and which grants, scopes and methods they take."""
    issuer = parts.settings.panel_url
    return Metadata(
        issuer=issuer,
        authorization_endpoint=f"{issuer}/oauth/authorize",
        token_endpoint=f"{issuer}/oauth/token",
        revocation_endpoint=f"{issuer}/oauth/revoke",
        introspection_endpoint=f"{issuer}/oauth/introspect",
        jwks_uri=f"{issuer}/oauth/jwks",
        scopes_supported=list(SCOPES),
        response_types_supported=["code"],
        response_modes_supported=["query"],
        grant_types_supported=[
            *("authorization_code", "refresh_token", "client_credentials", "password", MFA, PASSKEY)
        ],
        code_challenge_methods_supported=[S256],
        token_endpoint_auth_methods_supported=METHODS,
        revocation_endpoint_auth_methods_supported=METHODS,
        introspection_endpoint_auth_methods_supported=SECRET_METHODS,
        authorization_response_iss_parameter_supported=True,
        service_documentation=f"{issuer}/api/docs",
    )


async def _answer(
    request: Request,
    settings: Settings,
    capability: Capability,
) -> Response:
    try:
        form = await read_form(request)
        credentials = clientauth.read(request.headers.get("authorization"), form)
        caller = caller_of(request, settings)
        outcome = await exchange.counted(capability, identity_of(request.app), form, caller, credentials)
    except OAuth2Error as error:
        status, body, headers = error()
        outcome = Outcome(Answer(status, dict(body), dict(headers)))
    response = Response(orjson.dumps(outcome.answer.body), outcome.answer.status, outcome.answer.headers)
    response.headers["Cache-Control"] = "no-store"
    if outcome.cookie is not None:
        lifetime = settings.refresh_token_expire_days * 86_400 if outcome.cookie else 0
        _set_cookie(response, REFRESH_COOKIE, outcome.cookie, lifetime, settings)
    if outcome.device is not None:
        _set_cookie(response, DEVICE_COOKIE, outcome.device, _DEVICE_SECONDS, settings)
    return response


def _set_cookie(response: Response, name: str, value: str, seconds: int, settings: Settings) -> None:
    response.set_cookie(
        cookie_name(name, settings),
        value,
        max_age=seconds,
        path=COOKIE_PATH,
        secure=settings.panel_url.startswith("https:"),
        httponly=True,
        samesite="strict",
    )
