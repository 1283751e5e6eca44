"""Ada makes applications; Bob lets them in, or not; Eve wants what is not hers."""

from __future__ import annotations

import httpx
import pytest

from tests.oauth.flows import Application, register
from tests.support.people import Person, UserFactory


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory(name="Ada Lovelace")


@pytest.fixture
async def bob(user_factory: UserFactory) -> Person:
    return await user_factory(name="Bob")


@pytest.fixture
async def eve(user_factory: UserFactory) -> Person:
    return await user_factory(name="Eve")


@pytest.fixture
async def server_app(client: httpx.AsyncClient, ada: Person) -> Application:
    """With a secret, on a server."""
    return await register(client, ada)


@pytest.fixture
async def phone_app(client: httpx.AsyncClient, ada: Person) -> Application:
    """Without a secret, on somebody's device."""
    return await register(
        client, ada, name="Tides to go", confidential=False, redirect_uris=["http://127.0.0.1/back"]
    )
