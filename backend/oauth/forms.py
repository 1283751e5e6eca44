"""Reading the forms of the OAuth endpoints (RFC 6749 §3.2, appendix B), strictly and with a bound."""

from __future__ import annotations

from urllib.parse import parse_qsl

from authlib.oauth2.rfc6749 import InvalidRequestError
from fastapi import Request

MAX_BYTES = 16 * 1024
MAX_FIELDS = 20
_TYPE = "application/x-www-form-urlencoded"


async def read_form(request: Request) -> dict[str, str]:
    """The fields; empty ones count as absent. Raises Authlib's `InvalidRequestError`."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise InvalidRequestError(f"Send the parameters as {_TYPE}.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise InvalidRequestError("The request is too large.", status_code=413)
    try:
        return _fields(body.decode("ascii"))
    except ValueError:
        raise InvalidRequestError("The form is malformed.") from None


def read_query(request: Request) -> dict[str, str]:
    """The same of the query string. Raises Authlib's `InvalidRequestError`."""
    try:
        return _fields(request.scope["query_string"].decode("ascii"))
    except ValueError:
        raise InvalidRequestError("The query is malformed.") from None


def _fields(encoded: str) -> dict[str, str]:
    pairs = parse_qsl(
        encoded, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=MAX_FIELDS
    )
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidRequestError("A parameter is given more than once.")
    if any("\0" in name or "\0" in value for name, value in pairs):
        raise InvalidRequestError("A parameter holds a NUL.")
    return {name: value for name, value in fields.items() if value}
