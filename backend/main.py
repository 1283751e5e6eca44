"""The application factory: `uvicorn backend.main:create_app --factory`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from backend import exceptions, openapi
from backend.celery.publish import send
from backend.config import Settings, get_settings, use
from backend.context import Parts
from backend.database import Database
from backend.engines.registry import make_engine
from backend.jobs.publisher import Publisher
from backend.logger import setup
from backend.oauth.identity import identity_of
from backend.routers import ROUTERS
from backend.utils.crossorigin import CrossOrigin
from backend.utils.middleware import Boundary
from backend.utils.notify import Notices


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    listening = asyncio.create_task(parts.notices.run())
    try:
        yield
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
        await identity_of(app).close()
        parts.publisher.close()
        await parts.database.close()


def create_app(settings: Settings | None = None) -> FastAPI:
    settings = use(settings) if settings else get_settings()
    setup(settings.log_level, settings.log_format)
    app = FastAPI(
        title="Gavan",
        version="1",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # A path that is not in the document is no path, and no address is made of a Host header.
        redirect_slashes=False,
        **openapi.METADATA,
    )
    database = Database(settings)
    app.state.parts = Parts(settings, database, Notices(database), Publisher(send), make_engine(settings))
    exceptions.install(app)
    for router in ROUTERS:
        # `include_router` matches every request twice, which a list feels; ours add nothing when included.
        app.router.routes.extend(router.routes)
    openapi.install(app)
    app.add_middleware(Boundary)
    app.add_middleware(CrossOrigin, settings=settings)
    return app
