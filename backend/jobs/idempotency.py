"""`Idempotency-Key`: the same request sent twice does its work once and is answered the same.

The key is written in the transaction that does the work, so a second request with it waits for the
first to commit, and finds nothing if that rolled back (draft-ietf-httpapi-idempotency-key-header).
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import Depends, Header, Request
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from backend.exceptions import Conflict
from backend.jobs.models import IdempotencyKey
from backend.jobs.relay import IdempotencyKeys
from backend.utils.ids import new_id
from backend.utils.json import to_json


@dataclass(slots=True)
class Answer:
    """What a POST that starts work says: its body, and where the work is followed."""

    body: dict[str, Any]
    location: str
    status: int = 202

    def response(self) -> Response:
        return Response(
            to_json(self.body),
            self.status,
            {"Location": self.location},
            media_type="application/json",
        )


@dataclass(slots=True)
class Once:
    key: str | None
    fingerprint: str

    async def __call__(
        self, session: AsyncSession, user_id: UUID, work: Callable[[], Awaitable[Answer]]
    ) -> Response:
        """Do `work`, or give the answer it had. Raises `Conflict` if the key came with something else."""
        if self.key is None:
            return (await work()).response()
        dao = IdempotencyKeys(session)
        row_id = new_id()
        taken = await dao.scalar(
            insert(IdempotencyKey)
            .values(id=row_id, user_id=user_id, key=self.key, fingerprint=self.fingerprint)
            .on_conflict_do_nothing(index_elements=["user_id", "key"])
            .returning(IdempotencyKey.id)
        )
        if taken is None:
            return (await self._earlier(dao, user_id)).response()
        answer = await work()
        row = await dao.get(row_id)
        assert row is not None
        row.status, row.location = answer.status, answer.location
        row.body = orjson.loads(to_json(answer.body))
        await dao.flush()
        return answer.response()

    async def _earlier(self, dao: IdempotencyKeys, user_id: UUID) -> Answer:
        row = await dao.one(
            select(IdempotencyKey).where(IdempotencyKey.user_id == user_id, IdempotencyKey.key == self.key)
        )
        if row is None or row.fingerprint != self.fingerprint or row.status is None or row.location is None:
            raise Conflict(
                "This Idempotency-Key was used for another request.", code="idempotency_key_reused"
            )
        return Answer(row.body or {}, row.location, row.status)


Key = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Any unique text; the same key and body give the first answer again for a day.",
        examples=["0197a2c4-order-1"],
    ),
]


async def once(request: Request, idempotency_key: Key = None) -> Once:
    return _once(request, idempotency_key, await request.body())


async def once_streamed(request: Request, idempotency_key: Key = None) -> Callable[[str], Once]:
    """For a body that is too large to be held: whoever has read it gives its digest."""
    return lambda digest: _once(request, idempotency_key, digest.encode())


def _once(request: Request, key: str | None, content: bytes) -> Once:
    parts = (request.method.encode(), request.url.path.encode(), content)
    return Once(key, hashlib.sha256(b"\0".join(parts)).hexdigest())


OnceDep = Annotated[Once, Depends(once)]
OnceStreamedDep = Annotated[Callable[[str], Once], Depends(once_streamed)]
