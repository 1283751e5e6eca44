"""How a client says who it is (RFC 6749 §2.3): by id alone, by HTTP Basic, or by its secret in the form."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError

NONE, BASIC, POST = "none", "client_secret_basic", "client_secret_post"
METHODS = [NONE, BASIC, POST]
SECRET_METHODS = [BASIC, POST]


@dataclass(frozen=True, slots=True)
class Credentials:
    method: str = NONE
    client_id: str | None = None
    secret: str | None = field(default=None, repr=False)


def read(authorization: str | None, form: dict[str, str]) -> Credentials:
    """Raises `InvalidRequestError` for two ways at once, `InvalidClientError` for a malformed header."""
    client_id, secret = form.get("client_id"), form.get("client_secret")
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return Credentials(POST if secret else NONE, client_id, secret)
    named, given = _basic(encoded.strip())
    if secret is not None or client_id not in (None, named):
        raise InvalidRequestError("The client names itself in two ways.")
    return Credentials(BASIC, named, given)


def refused(method: str) -> InvalidClientError:
    """The same for an unknown client and a wrong secret."""
    return InvalidClientError(
        description="The client is unknown, or could not prove that it is itself.",
        status_code=401 if method == BASIC else 400,
    )


def _basic(encoded: str) -> tuple[str, str]:
    try:
        named, colon, given = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise refused(BASIC) from None
    named, given = unquote_plus(named), unquote_plus(given)
    if not colon or not named or "\0" in named:
        raise refused(BASIC)
    return named, given
