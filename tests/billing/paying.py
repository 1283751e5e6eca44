"""A project that pays: the API on one side, the worker's part run by hand on the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text

from backend.billing.payments import messages, polling
from backend.billing.payments.desk import Desk
from backend.billing.payments.gateways.registry import Gateways
from backend.billing.payments.kinds import kinds
from backend.billing.payments.message_models import GatewayMessage
from backend.config import Settings
from backend.database import Database
from backend.jobs import runner
from backend.jobs.publisher import Publisher
from tests.billing.purse import Purse
from tests.billing.stripelike import GOOD, KEY, WEBHOOK_SECRET, Stripelike, signed
from tests.billing.yookassalike import FROM, SECRET, SHOP, YooKassalike
from tests.support.people import Person, UserFactory

LEASE = timedelta(seconds=30)
Json = dict[str, Any]


@dataclass
class Till:
    client: httpx.AsyncClient
    database: Database
    settings: Settings
    person: Person
    sent: list[tuple[str, UUID, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        publisher = Publisher(lambda *given: self.sent.append(given))
        self.desk = Desk(self.settings, self.database, Gateways(self.settings), publisher)
        self.purse = Purse(self.database, self.person.project_id, self.settings.currency)

    @property
    def path(self) -> str:
        return f"/api/v1/projects/{self.person.project_id}/billing"

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        headers = self.person.headers | more.pop("headers", {})
        return await self.client.request(method, self.path + path, json=body, headers=headers, **more)

    async def accepted(self, amount: int = 2000, *, gateway: str = "stripe", **more: Any) -> Json:
        body = {"gateway": gateway, "amount": amount, "currency": self.settings.currency, **more}
        answer = await self.ask("POST", "/payments", body)
        assert answer.status_code == 202, answer.text
        found: Json = answer.json()
        return found

    async def work(self, job_id: str | UUID) -> Json:
        """Run a job once, as a worker does; the job as it is then."""
        await runner.run(UUID(str(job_id)), self.database, kinds(self.desk), LEASE)
        answer = await self.client.get(f"/api/v1/jobs/{job_id}", headers=self.person.headers)
        found: Json = answer.json()
        return found

    async def payment(self, payment_id: str) -> Json:
        answer = await self.ask("GET", f"/payments/{payment_id}")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def begun(self, amount: int = 2000, **more: Any) -> Json:
        """A payment that the gateway has, as it is then."""
        accepted = await self.accepted(amount, **more)
        await self.work(accepted["job_id"])
        return await self.payment(accepted["payment_id"])

    async def saved_card(self, stripelike: Stripelike, number: str = GOOD) -> str:
        """A card that is kept without a payment."""
        answer = await self.ask("POST", "/payment-methods", {"gateway": "stripe"})
        assert answer.status_code == 202, answer.text
        accepted = answer.json()
        assert (await self.work(accepted["job_id"]))["state"] == "succeeded"
        place = f"/payment-method-setups/{accepted['setup_id']}"
        stripelike.pay((await self.ask("GET", place)).json()["action_url"], number)
        await self.poll()
        setup = (await self.ask("GET", place)).json()
        assert setup["state"] == "succeeded", setup
        return str(setup["method_id"])

    async def paid(self, stripelike: Stripelike, amount: int = 2000) -> Json:
        """A payment that has succeeded, on Stripe's page."""
        payment = await self.begun(amount)
        stripelike.pay(payment["action_url"])
        await self.poll()
        payment = await self.payment(payment["id"])
        assert payment["state"] == "succeeded", payment
        return payment

    async def told(self, gateway: str = "stripe", **message: Any) -> int:
        """A message arrives and is applied; the status of the answer."""
        answer = await self.client.post(f"/api/v1/payment-webhooks/{gateway}", **message)
        await self.apply()
        return answer.status_code

    async def stripe_says(self, event: Json | bytes, **more: Any) -> int:
        return await self.told(**signed(event, **more))

    async def yookassa_says(self, message: Any, address: str = FROM) -> int:
        return await self.told("yookassa", json=message, headers={"X-Forwarded-For": address})

    async def apply(self) -> None:
        async with self.database.transaction() as session:
            waiting = select(GatewayMessage.id).where(GatewayMessage.state == "received")
            ids = (await session.execute(waiting)).scalars().all()
        for message_id in ids:
            await messages.apply(self.desk, message_id)

    async def poll(self) -> dict[str, int]:
        """As if time had passed since somebody asked last."""
        for table in ("payments", "refunds", "method_setups", "disputes"):
            await self.execute(f"UPDATE {table} SET next_check_at = now() WHERE next_check_at IS NOT NULL")
        await self.execute("UPDATE auto_top_ups SET next_check_at = now()")
        return dict(await polling.poll(self.desk))

    async def execute(self, statement: str, **values: Any) -> None:
        async with self.database.transaction() as session:
            await session.execute(text(statement), values)

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        async with self.database.transaction() as session:
            return list((await session.execute(text(statement), values)).all())

    async def balance(self) -> int:
        return (await self.purse.standing()).balance

    async def close(self) -> None:
        await self.desk.gateways.close()
        self.desk.publisher.close()


@pytest.fixture
def stripe_settings(settings_of: Callable[..., Settings], stripelike: Stripelike) -> Settings:
    return settings_of(
        credit_limit_minor=0,
        stripe_secret_key=KEY,
        stripe_webhook_secret=WEBHOOK_SECRET,
        stripe_api_url=stripelike.url,
    )


@pytest.fixture
def yookassa_settings(settings_of: Callable[..., Settings], yookassa: YooKassalike) -> Settings:
    return settings_of(
        credit_limit_minor=0,
        currency="RUB",
        yookassa_shop_id=SHOP,
        yookassa_secret_key=SECRET,
        yookassa_api_url=yookassa.url,
        yookassa_receipt_vat_code=1,
    )


@pytest.fixture
async def till(
    client: httpx.AsyncClient, database: Database, settings: Settings, ada: Person
) -> AsyncIterator[Till]:
    """Ada's project."""
    till = Till(client, database, settings, ada)
    yield till
    await till.close()


@pytest.fixture
async def other_till(
    client: httpx.AsyncClient, database: Database, settings: Settings, user_factory: UserFactory
) -> AsyncIterator[Till]:
    """Somebody else's."""
    till = Till(client, database, settings, await user_factory())
    yield till
    await till.close()
