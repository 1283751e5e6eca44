"""Fixtures that every test of the backend stands on: real servers, a database of its own, the application.

The servers start once a run and are shared by all xdist workers. Each test gets a database
cloned from a migrated template (about 30 ms) and an empty Redis database.
"""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis

from backend.catalogue.loading import load
from backend.config import Settings
from backend.database import Database
from backend.main import create_app
from backend.oauth.clients import ensure_clients
from backend.roles.shipped import ensure_roles
from tests.support.people import UserFactory
from tests.support.servers import TEMPLATE, Servers, postgres_url, redis_url

_INPUT = "gavan_servers"
_KEY = pytest.StashKey[Servers]()


def _servers(config: pytest.Config) -> Servers:
    servers = config.stash.get(_KEY, None)
    if servers is None:
        servers = config.stash[_KEY] = Servers()
        servers.start()
        asyncio.run(_fill_template(servers.directory))
    return servers


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:  # type: ignore[no-untyped-def]
    node.workerinput[_INPUT] = str(_servers(node.config).directory)


def pytest_unconfigure(config: pytest.Config) -> None:
    servers = config.stash.get(_KEY, None)
    if servers is not None:
        servers.stop()


def make_settings(directory: Path, home: Path, database: str, redis: int, **changes: object) -> Settings:
    """Settings of an installation below `home`, as the environment would give them."""
    values: dict[str, object] = {
        "environment": "development",
        "secret_key": base64.b64encode(secrets.token_bytes(32)).decode(),
        "engine_secret": base64.b64encode(secrets.token_bytes(32)).decode(),
        "database_url": postgres_url(directory, database),
        "redis_url": redis_url(directory, redis),
        "panel_url": "http://localhost:8080",
        "apps_url": "http://{name}.localhost:8080",
        "edge_address": "127.0.0.1:8080",
        "edge_routes_file": home / "routes.map",
        "edge_pid_file": home / "edge.pid",
        "engine_home": home / "engine",
        "engine_socket": home / "engine.sock",
        "data_dir": home / "data",
        "backup_dir": home / "backups",
        "trusted_proxies": "127.0.0.1",
        # Gateways that are offered; there is nobody at these addresses.
        "stripe_secret_key": "sk_test_of_nobody",
        "stripe_webhook_secret": "whsec_of_nobody",
        "stripe_api_url": "https://127.0.0.1:9",
        "yookassa_shop_id": "0",
        "yookassa_secret_key": "test_of_nobody",
        "yookassa_api_url": "https://127.0.0.1:9",
        "public_ports": "31000-31999",
        "public_address": "ports.example.org",
        "public_listen": "127.0.0.1",
        "log_format": "pretty",
        "log_level": "WARNING",
        # Orders are not paid for, except in the tests of billing.
        "credit_limit_minor": 1_000_000_000,
        **changes,
    }
    return Settings(_env_file=None, **values)  # type: ignore[call-arg, arg-type]


async def _fill_template(directory: Path) -> None:
    settings = make_settings(directory, directory, TEMPLATE, 0)
    database = Database(settings)
    async with database.transaction() as session:
        await ensure_clients(session)
        await ensure_roles(session)
        await load(session, settings)
    await database.close()


@pytest.fixture(scope="session")
def servers_directory(request: pytest.FixtureRequest) -> Path:
    given = getattr(request.config, "workerinput", {}).get(_INPUT)
    return Path(given) if given else _servers(request.config).directory


@pytest.fixture(scope="session")
async def _maintenance(servers_directory: Path) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_url(servers_directory, "postgres"))
    yield connection
    await connection.close()


@pytest.fixture
async def database_name(_maintenance: asyncpg.Connection) -> AsyncIterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    await _maintenance.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
    yield name
    await _maintenance.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def redis_database(servers_directory: Path) -> int:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    number = 1 + int(worker.removeprefix("gw"))
    async with Redis.from_url(redis_url(servers_directory, number)) as redis:
        await redis.flushdb()
    return number


@pytest.fixture
def settings_of(
    servers_directory: Path, tmp_path: Path, database_name: str, redis_database: int
) -> Callable[..., Settings]:
    """Settings of this test's installation, with changes: `settings_of(environment="production", …)`."""

    def make(**changes: object) -> Settings:
        return make_settings(servers_directory, tmp_path, database_name, redis_database, **changes)

    return make


@pytest.fixture
def settings(settings_of: Callable[..., Settings]) -> Settings:
    """Override in a module to run its application with other settings."""
    return settings_of()


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    """The application, started as uvicorn starts it, with its notices connected."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        async with asyncio.timeout(60):
            while not app.state.parts.notices.connected:
                await asyncio.sleep(0.005)
        yield app


@pytest.fixture
def database(app: FastAPI) -> Database:
    return app.state.parts.database


@pytest.fixture
async def client(app: FastAPI, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to the application as the edge would; it carries no credentials."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=settings.panel_url) as client:
        yield client


@pytest.fixture
def user_factory(app: FastAPI) -> UserFactory:
    """`user = await user_factory(name="Ada", roles=("user", "admin"))`, then `user.headers`."""
    return UserFactory(app)
