"""Bodies as they are, answers that were serialised once, and the parameters that all lists share."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from backend.exceptions import ContentTooLarge
from backend.utils.json import to_json

Cursor = Annotated[
    str | None,
    Query(max_length=1000, description="`next_page` or `previous_page` of an earlier answer."),
]
Size = Annotated[int, Query(ge=1, le=100, description="Items a page.")]


async def body_of(request: Request, most: int) -> bytes:
    """Raises `ContentTooLarge` as soon as it has more bytes than that."""
    parts, length = [], 0
    async for part in request.stream():
        length += len(part)
        if length > most:
            raise ContentTooLarge("The request is larger than this endpoint takes.")
        parts.append(part)
    return b"".join(parts)


def json_bytes(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def json_answer(body: Any, status: int = 200) -> Response:
    return Response(to_json(body), status, media_type="application/json")


def job_location(job_id: UUID) -> str:
    return f"/api/v1/jobs/{job_id}"
