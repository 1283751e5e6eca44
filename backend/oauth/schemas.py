"""Shapes of the OAuth endpoints, for the document: their wire format is set by the RFCs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class TokenAnswer(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "access_token": "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiJ9.…",
                    "token_type": "Bearer",
                    "expires_in": 900,
                    "refresh_token": "d0Tq0Zxk5a9W…",
                    "scope": "full",
                }
            ]
        }
    )

    access_token: str = Field(description="JWT (RFC 9068); send it as `Authorization: Bearer …`.")
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Seconds.")
    refresh_token: str | None = Field(
        default=None, description="Good for one use. The client `panel` gets it as a cookie instead."
    )
    scope: str = Field(
        description="What the token is good for, separated by blanks; `full` is all that the person may."
    )


class OAuthError(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "error": "invalid_grant",
                    "error_description": "The e-mail address or the password is wrong.",
                }
            ]
        }
    )

    error: str = Field(
        description="Stable, for programs: RFC 6749 §5.2, `mfa_required`, `mfa_refused`, `too_many_requests`."
    )
    error_description: str | None = Field(
        default=None, description="In English, for people who write programs."
    )
    mfa_token: str | None = Field(
        default=None, description="Of `mfa_required`: for the second step, good once and for its client."
    )
    mfa_methods: list[Literal["otp", "passkey", "recovery_code"]] | None = Field(
        default=None, description="Of `mfa_required`: what the second step may be."
    )
    expires_in: int | None = Field(default=None, description="Of `mfa_required`: seconds.", examples=[300])


class JwkSet(BaseModel):
    keys: list[dict[str, Any]] = Field(
        description="Public keys on P-256 for ES256; a token's header names its own by `kid`."
    )


class IntrospectionAnswer(BaseModel):
    """RFC 7662 §2.2. Of a token that is not active, nothing else is said."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"active": True, "scope": "services:read", "token_type": "Bearer", "exp": 1800000000}
            ]
        }
    )

    active: bool = Field(description="Whether the token is good now, and this client may know about it.")
    scope: str | None = Field(default=None, examples=["services:read"])
    client_id: str | None = Field(default=None, description="Which client it was issued to.")
    token_type: Literal["Bearer", "refresh_token"] | None = Field(
        default=None, description="`Bearer` is an access token."
    )
    exp: int | None = Field(default=None, description="Unix time at which it ends.")
    iat: int | None = Field(default=None, description="Unix time at which its session began.")
    sub: str | None = Field(default=None, description="The id of the person it acts for.")
    aud: str | None = Field(default=None, description="Whom access tokens are for: this API.")
    iss: str | None = Field(default=None, description="This installation.")


class Metadata(BaseModel):
    """RFC 8414, with RFC 7636 and RFC 9207."""

    issuer: str = Field(examples=["https://panel.example.com"])
    authorization_endpoint: str = Field(examples=["https://panel.example.com/oauth/authorize"])
    token_endpoint: str = Field(examples=["https://panel.example.com/oauth/token"])
    revocation_endpoint: str = Field(examples=["https://panel.example.com/oauth/revoke"])
    introspection_endpoint: str = Field(examples=["https://panel.example.com/oauth/introspect"])
    jwks_uri: str = Field(examples=["https://panel.example.com/oauth/jwks"])
    scopes_supported: list[str] = Field(
        description="All there are; an application gets no more than it registered."
    )
    response_types_supported: list[str] = Field(examples=[["code"]])
    response_modes_supported: list[str] = Field(examples=[["query"]])
    grant_types_supported: list[str] = Field(examples=[["authorization_code", "refresh_token"]])
    code_challenge_methods_supported: list[str] = Field(examples=[["S256"]])
    token_endpoint_auth_methods_supported: list[str] = Field(
        examples=[["none", "client_secret_basic", "client_secret_post"]]
    )
    revocation_endpoint_auth_methods_supported: list[str] = Field(
        examples=[["none", "client_secret_basic", "client_secret_post"]]
    )
    introspection_endpoint_auth_methods_supported: list[str] = Field(
        examples=[["client_secret_basic", "client_secret_post"]]
    )
    authorization_response_iss_parameter_supported: bool = Field(
        description="Answers to the application carry `iss` (RFC 9207)."
    )
    service_documentation: str = Field(examples=["https://panel.example.com/api/docs"])


def _form(required: list[str], example: dict[str, str], **properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "required": required, "properties": properties, "examples": [example]}
    return {
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": schema}},
        }
    }


_CLIENT = {
    "type": "string",
    "maxLength": 64,
    "description": (
        "`cli` for scripts; `panel` keeps its refresh token in a cookie; an application's own id. "
        "One with a secret sends both by HTTP Basic, or here."
    ),
    "examples": ["cli"],
}
_SECRET = {"type": "string", "format": "password", "maxLength": 128, "description": "Unless by HTTP Basic."}
TOKEN_FORM = _form(
    ["grant_type"],
    {
        "grant_type": "password",
        "client_id": "cli",
        "username": "ada@example.com",
        "password": "a lighthouse on a foggy quay",
    },
    grant_type={
        "type": "string",
        "enum": [
            *("password", "refresh_token", "authorization_code", "client_credentials"),
            *("urn:gavan:params:oauth:grant-type:mfa", "urn:gavan:params:oauth:grant-type:passkey"),
        ],
    },
    client_id=_CLIENT,
    username={"type": "string", "description": "E-mail address, for `password`.", "maxLength": 254},
    password={"type": "string", "format": "password", "maxLength": 128},
    refresh_token={"type": "string", "description": "For `refresh_token`, unless it is in the cookie."},
    client_secret=_SECRET,
    mfa_token={"type": "string", "description": "For `…:mfa`: of the error `mfa_required`."},
    otp={"type": "string", "description": "For `…:mfa`: a code of the authenticator app."},
    recovery_code={"type": "string", "description": "For `…:mfa`: one of the recovery codes."},
    passkey={
        "type": "string",
        "description": "For `…:passkey`, and for `…:mfa`: as JSON, what the browser answered to the "
        "challenge of `POST /api/v1/passkeys/options`.",
    },
    code={"type": "string", "description": "For `authorization_code`: good once, for a minute."},
    redirect_uri={"type": "string", "description": "For `authorization_code`: as it was asked with."},
    code_verifier={"type": "string", "description": "For `authorization_code`: RFC 7636 §4.1."},
    scope={
        "type": "string",
        "description": "Narrows the token; all that the client may have if left out.",
        "examples": ["full"],
    },
)
REVOCATION_FORM = _form(
    ["token"],
    {"client_id": "cli", "token": "the refresh token"},
    client_id=_CLIENT,
    token={"type": "string", "description": "Access or refresh token, unless it is in the cookie."},
    client_secret=_SECRET,
    token_type_hint={"type": "string", "description": "Not needed, and taken no notice of."},
)
INTROSPECTION_FORM = _form(
    ["token"],
    {"client_id": "0199c2d4-9f3e-7c51-b2a4-3d5e6f708192", "client_secret": "gavan_secret_…", "token": "…"},
    client_id=_CLIENT,
    client_secret=_SECRET,
    token={"type": "string", "description": "Access or refresh token."},
    token_type_hint={"type": "string", "description": "Not needed, and taken no notice of."},
)


def _parameter(name: str, description: str, *, required: bool = True, **schema: Any) -> dict[str, Any]:
    kind = {"type": "string", **schema}
    return {"name": name, "in": "query", "required": required, "schema": kind, "description": description}


AUTHORIZE_QUERY = {
    "parameters": [
        _parameter("response_type", "`code`: nothing else is given.", enum=["code"]),
        _parameter("client_id", "The application's id.", maxLength=64),
        _parameter("redirect_uri", "One of the registered, exactly.", maxLength=500),
        _parameter("scope", "All that is registered if left out.", required=False, maxLength=1000),
        _parameter("state", "Comes back unchanged.", required=False, maxLength=1000),
        _parameter("code_challenge", "RFC 7636 §4.2.", minLength=43, maxLength=128),
        _parameter("code_challenge_method", "`S256`: `plain` is refused.", enum=["S256"]),
    ]
}
AUTHORIZE_ANSWERS: dict[int | str, dict[str, Any]] = {
    303: {
        "description": "To the page that asks the person, or back to the application with an error",
        "headers": {"Location": {"schema": {"type": "string"}}},
    }
}
ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": OAuthError, "description": "RFC 6749 §5.2"},
    401: {"model": OAuthError, "description": "The client's HTTP Basic credentials are wrong"},
    403: {"model": OAuthError, "description": "The cookie was sent by a page that is not the panel's"},
    413: {"model": OAuthError, "description": "Too large"},
}
LIMITED: dict[int | str, dict[str, Any]] = {
    429: {"model": OAuthError, "description": "Too many attempts; see `Retry-After`"}
}
