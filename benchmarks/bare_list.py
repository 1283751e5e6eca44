"""The base of `services_list`: the panel's own SELECT by raw asyncpg under FastAPI, and nothing else.

Serves one statement with fixed parameters, as the JSON file that `BARE_LIST` names says. No token, no
permission, no query parameters, no cursor, no shape: the fastest honest way to the same rows. It also gets
what the panel's pool gives itself: ids as text, and no round trip that resets the session.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from fastapi import FastAPI
from starlette.responses import Response


class _Connection(asyncpg.Connection):
    def get_reset_query(self) -> str:
        return ""


async def _prepare(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("uuid", schema="pg_catalog", encoder=str, decoder=str, format="text")


def create_app() -> FastAPI:
    given = json.loads(Path(os.environ["BARE_LIST"]).read_text())
    sql, parameters, size = given["sql"], given["parameters"], given["size"]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(
            given["dsn"],
            min_size=given["connections"],
            max_size=given["connections"],
            connection_class=_Connection,
            init=_prepare,
        ) as app.state.pool:
            yield

    app = FastAPI(lifespan=lifespan, openapi_url=None)

    @app.get("/api/v1/services")
    async def services() -> Response:
        rows: list[Any] = await app.state.pool.fetch(sql, *parameters)
        return Response(orjson.dumps([dict(row) for row in rows[:size]]), media_type="application/json")

    return app
