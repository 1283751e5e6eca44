"""What forges and scripts call; a signature or a secret address stands for a token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Header, Path, Request
from starlette.responses import Response

from backend.hooks import schemas as s
from backend.hooks.document import WEBHOOK
from backend.hooks.receiving import LARGE, Received, Receiver
from backend.oauth.caller import client_address
from backend.oauth.identity import identity_of
from backend.openapi import WORK, problems
from backend.utils.http import body_of, job_location, json_answer

MOST_BYTES = 25 * 2**20
"""What GitHub sends at most; `nginx.conf` says the same."""
LARGE_AT_ONCE = 4


class _Hooks:
    """The long-lived parts of this router."""

    def __init__(self, app: FastAPI) -> None:
        self.receiver = Receiver(app.state.parts, identity_of(app).limits)
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    @asynccontextmanager
    async def room(self, request: Request) -> AsyncIterator[None]:
        """Long bodies wait for each other: anybody may send them, and each fills the memory."""
        length = request.headers.get("content-length", "")
        if length.isascii() and length.isdecimal() and int(length) <= LARGE:
            yield
            return
        async with self._large:
            yield


def _hooks_of(app: FastAPI) -> _Hooks:
    hooks: _Hooks | None = getattr(app.state, "hooks", None)
    if hooks is None:
        hooks = app.state.hooks = _Hooks(app)
    return hooks


router = APIRouter(prefix="/api/v1", tags=["services"])


async def _admitted(request: Request) -> _Hooks:
    """Whoever does not call too often."""
    hooks = _hooks_of(request.app)
    settings = request.app.state.parts.settings
    await hooks.receiver.admit(client_address(request, settings.trusted_proxies))
    return hooks


Hooks = Annotated[_Hooks, Depends(_admitted)]
Token = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=90,
        pattern=r"^[\x21-\x7e]+$",
        description="Any unique text; the same one deploys once.",
        examples=["build-204"],
    ),
]
_STARTED: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "Understood. `Location` names the job, if a deployment was started.",
        "headers": {"Location": {"schema": {"type": "string", "format": "uri-reference"}}},
    }
}


@router.post(
    "/webhooks/{hook_id}",
    operation_id="webhooks_receive",
    summary="A forge tells of a push",
    status_code=202,
    response_model=s.Delivered,
    responses=_STARTED | problems(404, 413, 422, 429),
    openapi_extra=WEBHOOK,
)
async def webhooks_receive(hook_id: UUID, request: Request, hooks: Hooks) -> Response:
    """GitHub, GitLab, Gitea, Forgejo and Bitbucket call it with payloads of their own, signed with the
    webhook's secret. What is not signed with it is answered as a webhook that is not there.
    """
    async with hooks.room(request):
        received = await hooks.receiver.webhook(hook_id, request.headers, await body_of(request, MOST_BYTES))
    return _answer(received)


@router.post(
    "/deploy-hooks/{token}",
    operation_id="deploy_hooks_call",
    summary="Deploy by an address",
    status_code=202,
    response_model=s.Delivered,
    responses=WORK | problems(404, 422, 429),
)
async def deploy_hooks_call(token: Token, hooks: Hooks, idempotency_key: Key = None) -> Response:
    """Deploys the newest commit of the service whose deploy hook this is. The body does not matter."""
    return _answer(await hooks.receiver.deploy_hook(token, idempotency_key))


def _answer(received: Received) -> Response:
    answer = json_answer(asdict(received), 202)
    if received.job_id is not None:
        answer.headers["Location"] = job_location(received.job_id)
    return answer
