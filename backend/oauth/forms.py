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
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise InvalidRequestError("The form is malformed.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise InvalidRequestError("A parameter is given more than once.")
    if any("\0" in name or "\0" in value for name, value in pairs):
        raise InvalidRequestError("The form is malformed.")
    return {name: value for name, value in form.items() if value}
