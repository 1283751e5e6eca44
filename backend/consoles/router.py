"""Consoles: a ticket by the API, then a WebSocket that it opens."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, WebSocket
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response
from starlette.websockets import WebSocketState

from backend.audit.actor import Actor, current
from backend.consoles import serving, tickets
from backend.context import Parts, PartsDep, SessionDep
from backend.engines.base import EngineError
from backend.engines.scale import NAME, WEB
from backend.exceptions import Conflict
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.roles.permissions import SERVICES_CONSOLE
from backend.utils.http import json_answer

router = APIRouter(prefix="/api/v1", tags=["services"])
Operator = Annotated[Principal, Depends(require(SERVICES_CONSOLE))]

FIRST_SECONDS = 10
"""In which the ticket has to come."""
_GOING_AWAY, _NORMAL = 1012, 1000


class ConsoleIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"process": "web", "replica": 1}]}
    )

    process: str = Field(WEB, pattern=f"^{NAME}$", description="Whose unit it is.", examples=["web"])
    replica: int = Field(1, ge=1, le=1000, strict=True, examples=[1])


class ConsoleTicket(BaseModel):
    id: UUID
    ticket: str = Field(
        description="Good once. Send it as the first message of the WebSocket at `url`: "
        '`{"ticket": …, "columns": 80, "rows": 24}`. Then binary messages are what is typed and printed; '
        '`{"resize": [columns, rows]}` follows the window, `{"seen": bytes}` tells what was shown, for no '
        'more than 256 KiB are sent ahead of it. The server says `{"open": true}`, at last `{"end": why}`.',
        examples=["q5hN1kY0Zl8m3nq2Vn8Q7kqPp0yXo9cJ1rT4bB6uWzE"],
    )
    url: str = Field(examples=["/api/v1/consoles/socket"])
    expires_at: datetime


@router.post(
    "/services/{service_id}/consoles",
    operation_id="consoles_create",
    summary="Ask for a console",
    status_code=201,
    response_model=ConsoleTicket,
    responses=problems(401, 403, 404, 409, 422),
)
async def consoles_create(
    service_id: UUID,
    session: SessionDep,
    parts: PartsDep,
    principal: Operator,
    wanted: ConsoleIn | None = None,
) -> Response:
    """A ticket for a shell in one of the service's units, good for a minute and for its session.

    Its opening and its end are on record; what is typed is not.
    """
    if "console" not in parts.engine.abilities:
        raise Conflict("This installation's engine has no consoles.", code="not_supported_here")
    wanted = wanted or ConsoleIn.model_validate({})
    issued = await tickets.issue(
        session, parts.settings, principal, service_id, wanted.process, wanted.replica
    )
    return json_answer(
        {
            "id": issued.id,
            "ticket": issued.ticket,
            "url": "/api/v1/consoles/socket",
            "expires_at": issued.expires_at,
        },
        201,
    )


class _Wire:
    """The browser's end of the socket."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self.code = _NORMAL
        """With which the other end closed it."""

    async def receive(self) -> bytes | str | None:
        message = await self._socket.receive()
        if message["type"] != "websocket.receive":
            self.code = message.get("code", _NORMAL)
            return None
        data: bytes | str = message["bytes"] if message.get("bytes") is not None else message["text"]
        return data

    async def send(self, data: bytes) -> None:
        await self._socket.send_bytes(data)


@router.websocket("/consoles/socket")
async def console_socket(socket: WebSocket) -> None:
    parts: Parts = socket.app.state.parts
    await socket.accept()
    wire, actor = _Wire(socket), current()
    asked = await _first(wire)
    console = await serving.admit(parts, asked["ticket"], actor) if asked else None
    if asked is None or console is None:
        return await _end(socket, "ticket")
    why = "lost"

    async def opened() -> None:
        await socket.send_text('{"open":true}')

    try:
        why = await serving.serve(parts, console, wire, asked["columns"], asked["rows"], opened)
        if why == "left" and wire.code == _GOING_AWAY:
            why = "restarted"
    except EngineError as error:
        why = error.code
    except RuntimeError:
        # Of a socket that was closed under what was being sent.
        why = "left"
    finally:
        await asyncio.shield(_record(parts, console, why, actor))
    await _end(socket, why)


async def _record(parts: Parts, console: serving.Admitted, why: str, actor: Actor) -> None:
    await serving.over(parts, console, why[:20], actor)


async def _first(wire: _Wire) -> dict[str, Any] | None:
    """The message with the ticket; None if there is none, or it is nonsense."""
    try:
        message = await asyncio.wait_for(wire.receive(), FIRST_SECONDS)
        said = orjson.loads(message) if isinstance(message, str) else None
    except (TimeoutError, ValueError):
        return None
    if not isinstance(said, dict) or not isinstance(said.get("ticket"), str):
        return None
    sizes = {name: said.get(name) for name in ("columns", "rows")}
    defaults = {"columns": 80, "rows": 24}
    return {
        "ticket": said["ticket"],
        **{name: size if type(size) is int else defaults[name] for name, size in sizes.items()},
    }


async def _end(socket: WebSocket, why: str) -> None:
    """Tell why it is over, if anybody is there."""
    if socket.client_state is WebSocketState.CONNECTED:
        with contextlib.suppress(RuntimeError, OSError):
            await socket.send_text(orjson.dumps({"end": why}).decode())
            await socket.close(_NORMAL)
