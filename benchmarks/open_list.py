"""The panel with one route left open, for `auth_overhead`: GET /api/v1/services asks nobody who they are.

Everything else of the request stays: the same function, parameters, statement and shape, for the person
whose id `OPEN_LIST` names.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.responses import Response

from backend.main import create_app as create_panel
from backend.oauth.identity import Principal
from backend.roles.permissions import CUSTOMER

PATH = "/api/v1/services"
Endpoint = Callable[..., Awaitable[Response]]


def create_app() -> FastAPI:
    user, project = os.environ["OPEN_LIST"].split()
    somebody = Principal(
        user_id=UUID(user),
        session_id=UUID(user),
        client_id="bench",
        email="bench@example.com",
        permissions=CUSTOMER,
        projects={UUID(project): "owner"},
    )
    app = create_panel()
    for place, route in enumerate(app.router.routes):
        if isinstance(route, APIRoute) and route.path == PATH and "GET" in (route.methods or ()):
            opened = APIRoute(PATH, without_principal(route.endpoint, somebody), methods=["GET"])
            app.router.routes[place] = opened
            return app
    raise LookupError(PATH)


def without_principal(endpoint: Endpoint, principal: Principal) -> Endpoint:
    """The endpoint as FastAPI would see it had its author forgotten to ask who is there."""
    signature = inspect.signature(endpoint, eval_str=True)
    kept = [one for one in signature.parameters.values() if one.name != "principal"]

    async def opened(**given: Any) -> Response:
        return await endpoint(principal=principal, **given)

    opened.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    return opened
