"""What payment gateways call; a signature or an address stands for a token."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from backend.billing.payments import messages
from backend.billing.payments import schemas as s
from backend.context import PartsDep
from backend.oauth.caller import client_address
from backend.oauth.identity import identity_of
from backend.openapi import problems
from backend.utils.http import body_of, json_answer

MOST_BYTES = 2**20
"""More than any of their messages has."""

router = APIRouter(prefix="/api/v1", tags=["billing"])
Gateway = Annotated[str, Path(max_length=20, pattern="^[a-z]+$", examples=["stripe"])]


@router.post(
    "/payment-webhooks/{gateway}",
    operation_id="payment_webhooks_receive",
    summary="A payment gateway tells of something",
    response_model=s.Kept,
    responses=problems(400, 404, 413, 422, 429),
)
async def payment_webhooks_receive(gateway: Gateway, request: Request, parts: PartsDep) -> Response:
    """Stripe signs what it sends, YooKassa sends it from published addresses; all else is refused with 400.

    What is genuine is kept as it came and applied behind the answer, once however often it comes.
    """
    address = client_address(request, parts.settings.trusted_proxies)
    await identity_of(request.app).limits.check("hook", address=address)
    body = await body_of(request, MOST_BYTES)
    notice = messages.read(parts.settings, gateway, request.headers, body, address)
    async with parts.transaction() as session:
        await messages.keep(session, parts.settings, gateway, notice, body)
    return json_answer({"received": True})
