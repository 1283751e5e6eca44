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
    scope: str


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

    error: str
    error_description: str | None = None


class JwkSet(BaseModel):
    keys: list[dict[str, Any]]


class Metadata(BaseModel):
    """RFC 8414."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    jwks_uri: str
    scopes_supported: list[str]
    response_types_supported: list[str]
    grant_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]
    service_documentation: str


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
    "description": "`cli` for scripts; `panel` keeps its refresh token in a cookie.",
    "examples": ["cli"],
}
TOKEN_FORM = _form(
    ["grant_type", "client_id"],
    {
        "grant_type": "password",
        "client_id": "cli",
        "username": "ada@example.com",
        "password": "a lighthouse on a foggy quay",
    },
    grant_type={"type": "string", "enum": ["password", "refresh_token"]},
    client_id=_CLIENT,
    username={"type": "string", "description": "E-mail address, for `password`.", "maxLength": 254},
    password={"type": "string", "format": "password", "maxLength": 128},
    refresh_token={"type": "string", "description": "For `refresh_token`, unless it is in the cookie."},
    scope={"type": "string", "description": "Narrows the token; `full` if left out.", "examples": ["full"]},
)
REVOCATION_FORM = _form(
    ["client_id"],
    {"client_id": "cli", "token": "the refresh token"},
    client_id=_CLIENT,
    token={"type": "string", "description": "Access or refresh token, unless it is in the cookie."},
    token_type_hint={"type": "string", "enum": ["access_token", "refresh_token"]},
)
ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": OAuthError, "description": "RFC 6749 §5.2"},
    403: {"model": OAuthError, "description": "The cookie was sent by a page that is not the panel's"},
    413: {"model": OAuthError, "description": "Too large"},
}
LIMITED: dict[int | str, dict[str, Any]] = {
    429: {"model": OAuthError, "description": "Too many attempts; see `Retry-After`"}
}
