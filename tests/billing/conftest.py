"""An installation without credit: what is ordered has to be paid for."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from backend.config import Settings
from backend.database import Database
from tests.billing.meters import Fleet
from tests.billing.purse import Purse
from tests.billing.shop import Shop
from tests.support.people import Person, UserFactory


@pytest.fixture
def settings(settings_of: Callable[..., Settings]) -> Settings:
    return settings_of(credit_limit_minor=0)


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory()


@pytest.fixture
async def admin(user_factory: UserFactory) -> Person:
    return await user_factory(roles=("user", "admin"))


@pytest.fixture
def purse(database: Database, ada: Person) -> Purse:
    """Ada's money: `await purse.top_up(1000)`, `(await purse.standing()).balance`."""
    return Purse(database, ada.project_id)


@pytest.fixture
def fleet(database: Database, settings: Settings, ada: Person) -> Fleet:
    """Services of Ada's project, started and stopped by decree."""
    return Fleet(database, settings, ada.project_id)


@pytest.fixture
def shop(client: httpx.AsyncClient, database: Database, settings: Settings, ada: Person) -> Shop:
    """Ada orders, and a worker does the jobs: `await shop.order(plan_id="cutter")`, `await shop.work()`."""
    return Shop(client, database, settings, ada)
