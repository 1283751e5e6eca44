"""Typed errors and how they leave the API: RFC 9457 `application/problem+json`.

A capability raises one of these; it knows nothing of HTTP but the class it picks.
`code` is stable and meant for programs, `detail` for people.
"""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from loguru import logger
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route

from backend.logger import request_id

PROBLEM = "application/problem+json"


class GavanError(Exception):
    """Base of all errors that the API explains to its caller."""

    status = 500
    code = "internal_error"
    title = "Internal error"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        errors: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code
        self.errors = errors
        self.headers = headers or {}
        self.parameters = parameters


class BadRequest(GavanError):
    status, code, title = 400, "bad_request", "Bad request"


class Unauthorized(GavanError):
    status, code, title = 401, "unauthorized", "Sign-in required"


class Forbidden(GavanError):
    status, code, title = 403, "forbidden", "Not permitted"


class NotFound(GavanError):
    status, code, title = 404, "not_found", "Not found"


class Conflict(GavanError):
    status, code, title = 409, "conflict", "Conflict with the present state"


class ContentTooLarge(GavanError):
    status, code, title = 413, "content_too_large", "Content too large"


class Invalid(GavanError):
    status, code, title = 422, "invalid", "The request does not fit the schema"


class TooManyRequests(GavanError):
    status, code, title = 429, "too_many_requests", "Too many requests"


class Unavailable(GavanError):
    status, code, title = 503, "unavailable", "Temporarily unavailable"


def invalid_field(
    loc: list[str | int], message: str, code: str, parameters: dict[str, Any] | None = None
) -> Invalid:
    """An `Invalid` about one field, in the shape of schema errors; `parameters` fill the code's words."""
    error = {"loc": loc, "message": message, "code": code}
    return Invalid(message, code=code, errors=[error | ({"parameters": parameters} if parameters else {})])


def problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    errors: list[dict[str, Any]] | None = None,
    headers: dict[str, str] | None = None,
    parameters: dict[str, Any] | None = None,
) -> Response:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id.get(),
    }
    if errors:
        body["errors"] = errors
    if parameters:
        body["parameters"] = parameters
    if status == 401:
        headers = {"WWW-Authenticate": "Bearer", **(headers or {})}
    # The standard library, since a field's name may hold what is no UTF-8: half of a surrogate pair.
    content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return Response(content, status, headers, media_type=PROBLEM)


async def _gavan_error(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, GavanError)
    return problem(
        exc.status,
        exc.code,
        exc.title,
        exc.detail,
        errors=exc.errors,
        headers=exc.headers,
        parameters=exc.parameters,
    )


async def _validation_error(request: Request, exc: Exception) -> Response:
    # The offending value is left out: it may be a password.
    assert isinstance(exc, RequestValidationError)
    errors = [
        {"loc": list(error["loc"]), "message": error["msg"], "code": error["type"]} for error in exc.errors()
    ]
    methods = _methods_of(request)
    if methods and request.method not in methods:
        return _method_not_allowed(methods)
    return problem(422, Invalid.code, Invalid.title, "One or more fields are not valid.", errors=errors)


_NO_TEXT = "There was an error parsing the body"
"""What FastAPI says, with 400, of a body that is no text; one that is no JSON is 422 to it."""


async def _http_error(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    if exc.detail == _NO_TEXT:
        errors = [{"loc": ["body"], "message": str(exc.detail), "code": "unreadable"}]
        return problem(422, Invalid.code, Invalid.title, "The body cannot be read.", errors=errors)
    if exc.status_code == 405:
        return _method_not_allowed(_methods_of(request))
    code, title = ("not_found", NotFound.title) if exc.status_code == 404 else ("http_error", "Error")
    return problem(exc.status_code, code, title, str(exc.detail), headers=dict(exc.headers or {}))


def _method_not_allowed(methods: set[str]) -> Response:
    allow = {"Allow": ", ".join(sorted(methods))}
    return problem(405, "method_not_allowed", "Method not allowed", "Method Not Allowed", headers=allow)


def _methods_of(request: Request) -> set[str]:
    """All methods of the path: the framework knows those of the first route that has it.

    `/tokens/end-all` is that path, and no token of `/tokens/{id}` with an odd id.
    """
    found = [route for route in request.app.routes if isinstance(route, Route) and _has(route, request)]
    fewest = min((len(route.param_convertors) for route in found), default=0)
    return {
        method for route in found if len(route.param_convertors) == fewest for method in route.methods or ()
    }


def _has(route: Route, request: Request) -> bool:
    return route.matches(request.scope)[0] is not Match.NONE


def unexpected(method: str, path: str, error: Exception) -> Response:
    """The answer to what nobody foresaw; the log knows the rest."""
    logger.opt(exception=error).error("unhandled error on {} {}", method, path)
    return problem(500, GavanError.code, GavanError.title, "Something went wrong on our side; it was logged.")


def unavailable(method: str, path: str, error: Exception) -> Response:
    """The answer while the database is away: whoever asks again in a moment is helped."""
    logger.warning("the database is away for {} {}: {}", method, path, type(error).__name__)
    detail = "The database does not answer. Please try again in a moment."
    headers = {"Retry-After": "2"}
    return problem(503, Unavailable.code, Unavailable.title, detail, headers=headers)


def install(app: FastAPI) -> None:
    app.add_exception_handler(GavanError, _gavan_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
