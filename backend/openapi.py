"""The API document: what FastAPI derives, finished so that clients can be generated from it."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.responses import HTMLResponse, Response

from backend.exceptions import PROBLEM

METADATA: dict[str, Any] = {
    "summary": "Deploy, run and sell services on your own machines.",
    "description": (
        "Everything the Gavan panel does, it does through this API.\n\n"
        "**Sign in**: `POST /oauth/token` (form: `grant_type=password`, `client_id=cli`, `username`, "
        "`password`), then send `Authorization: Bearer …`. An account with a second factor is answered with "
        "the error `mfa_required` and an `mfa_token`: send that with "
        "`grant_type=urn:gavan:params:oauth:grant-type:mfa` and `otp`, `recovery_code` or `passkey`.\n\n"
        "**Work** answers `202` with `Location: /api/v1/jobs/{id}`; follow the job there or as a stream of "
        "server-sent events at `/api/v1/jobs/{id}/events`.\n\n"
        "**Repeat safely**: send `Idempotency-Key` with every POST that starts work; the same key and body "
        "give the first answer again.\n\n"
        "**Lists** are cursor pages: pass `next_page` of one answer as `cursor` of the next call.\n\n"
        "**Errors** are RFC 9457 problem documents with a stable `code`. What is not yours answers 404."
    ),
    "license_info": {"name": "MIT", "identifier": "MIT"},
}
TAGS = [
    {"name": "oauth", "description": "Tokens (RFC 6749, 7009, 7636, 7662, 8414, 9207)."},
    {
        "name": "account",
        "description": "Registration, and the signed-in person: profile, second factors, sessions.",
    },
    {
        "name": "applications",
        "description": "Applications and personal tokens, and who was given access; used by way of `oauth`.",
    },
    {"name": "projects", "description": "Every resource belongs to a project; membership gives access."},
    {"name": "catalogue", "description": "What can be ordered."},
    {"name": "services", "description": "Ordered services: life cycle, deployments, variables, logs."},
    {"name": "stacks", "description": "Templates of several services, and what is made of them."},
    {"name": "billing", "description": "Prices, balance, usage, invoices and payments of a project."},
    {"name": "jobs", "description": "Accepted work and its progress."},
    {"name": "audit", "description": "What was done, by whom, from where."},
    {
        "name": "admin",
        "description": "For the operator: users, roles, letters, everyone's services, jobs and trail.",
    },
    {"name": "system", "description": "Health of the API itself."},
]
_PROBLEM_SCHEMA = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "examples": ["about:blank"]},
        "title": {"type": "string", "examples": ["Not found"]},
        "status": {"type": "integer", "examples": [404]},
        "detail": {"type": "string", "examples": ["There is no such service."]},
        "code": {"type": "string", "description": "Stable, for programs.", "examples": ["not_found"]},
        "request_id": {
            "type": ["string", "null"],
            "description": "Names the request in the logs.",
            "examples": ["a51d2e0c9f6b4f0d8e7c3b2a19080706"],
        },
        "parameters": {
            "type": "object",
            "description": "What the code says nothing of: how much is missing, say.",
            "additionalProperties": True,
            "examples": [{"currency": "EUR", "needed": 500, "available": 120}],
        },
        "errors": {
            "type": "array",
            "description": "Of a payload: what is wrong with which field.",
            "items": {
                "type": "object",
                "required": ["loc", "message", "code"],
                "properties": {
                    "loc": {
                        "type": "array",
                        "items": {"type": ["string", "integer"]},
                        "examples": [["body", "name"]],
                    },
                    "message": {"type": "string", "examples": ["This name is reserved."]},
                    "code": {"type": "string", "examples": ["name_reserved"]},
                    "parameters": {
                        "type": "object",
                        "description": "What the code says nothing of: the line of a file, say.",
                        "additionalProperties": True,
                        "examples": [{"line": 7}],
                    },
                },
            },
        },
    },
}
EVENTS = "text/event-stream"
WORK: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "Accepted; `Location` names the job in which it is done.",
        "headers": {
            "Location": {
                "required": True,
                "schema": {"type": "string", "format": "uri-reference"},
                "example": "/api/v1/jobs/0197a2c4-5d3e-7b1a-9c2f-1e0d8b7a6c5d",
            }
        },
    }
}
_MEANING = {
    400: "Malformed request",
    401: "Sign-in required",
    403: "Not permitted",
    404: "No such thing, or not yours",
    409: "Conflict with the present state",
    413: "Too large",
    422: "The payload is not valid",
    429: "Too many requests; see `Retry-After`",
    503: "Temporarily unavailable",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route for the problem documents it may answer with."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _MEANING[status], "content": {PROBLEM: {"schema": schema}}}
        for status in statuses
    }


def events(words: str, **kinds: type[BaseModel] | None) -> dict[int | str, dict[str, Any]]:
    """The 200 of a stream: its events by name, and the model that an event's data is as JSON."""
    return {200: {"description": words, "content": {EVENTS: {"itemSchema": {"oneOf": _events(kinds)}}}}}


def _events(kinds: dict[str, type[BaseModel] | None]) -> list[dict[str, Any]]:
    nothing: dict[str, Any] = {"type": "object", "maxProperties": 0}
    contents = {
        name: {"$ref": f"#/components/schemas/{model.__name__}"} if model else nothing
        for name, model in kinds.items()
    }
    return [
        {
            "required": ["event", "data"],
            "properties": {
                "event": {"const": name},
                "data": {"contentMediaType": "application/json", "contentSchema": content},
            },
        }
        for name, content in contents.items()
    ]


def document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            tags=TAGS,
            license_info=app.license_info,
        )
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = _PROBLEM_SCHEMA
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for path in schema["paths"].values():
            for operation in path.values():
                responses = operation.get("responses", {})
                if "422" in responses:
                    responses["422"] = problems(422)[422]
        _say_scopes(app, schema)
        app.openapi_schema = schema
    return app.openapi_schema


def _say_scopes(app: FastAPI, schema: dict[str, Any]) -> None:
    """What a token must hold for each operation; FastAPI knows only scopes that `Security` names."""
    for route in app.routes:
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        needed = sorted(_scopes_below(route.dependant))
        for method in route.methods or ():
            operation = schema["paths"][route.path_format][method.lower()]
            for requirement in operation.get("security", ()):
                requirement.update(dict.fromkeys(requirement, needed))


def _scopes_below(dependant: Dependant) -> set[str]:
    found = set(getattr(dependant.call, "scopes", ()))
    return found.union(*(_scopes_below(one) for one in dependant.dependencies))


def export(app: FastAPI) -> bytes:
    """The document as it is kept in `openapi/openapi.json`: sorted, so that diffs are small."""
    return orjson.dumps(document(app), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Gavan API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/api/docs/swagger-ui.css">
<div id="reference"></div>
<script src="/api/docs/swagger-ui-bundle.js"></script>
<script src="/api/docs/start.js"></script>
</html>
"""
_START = """SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  filter: true,
  docExpansion: "list",
  tagsSorter: undefined,
  persistAuthorization: false,
});
"""
_ASSETS = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
}


def install(app: FastAPI) -> None:
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    rendered: dict[str, bytes] = {}

    @app.get("/api/openapi.json", include_in_schema=False)
    async def openapi_document() -> Response:
        body = rendered.setdefault("document", orjson.dumps(document(app)))
        return Response(body, media_type="application/json")

    @app.get("/api/docs", include_in_schema=False)
    async def reference(_: Request) -> Response:
        return HTMLResponse(_PAGE)

    @app.get("/api/docs/start.js", include_in_schema=False)
    async def start() -> Response:
        return Response(_START, media_type="text/javascript")

    for name, media_type in _ASSETS.items():
        app.add_api_route(f"/api/docs/{name}", _asset(name, media_type), include_in_schema=False)


def _asset(name: str, media_type: str) -> Any:
    source = files("fastapi_swagger.resources").joinpath(name)

    async def asset() -> Response:
        return Response(
            source.read_bytes(), media_type=media_type, headers={"Cache-Control": "public, max-age=86400"}
        )

    return asset
