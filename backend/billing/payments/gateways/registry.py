"""The gateways that an installation has, by its settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backend.billing.payments.gateways.base import Gateway, GatewayRefused, Inbox
from backend.billing.payments.gateways.stripe import StripeGateway
from backend.billing.payments.gateways.stripe_inbox import StripeInbox
from backend.billing.payments.gateways.yookassa import YooKassaGateway
from backend.billing.payments.gateways.yookassa_inbox import YooKassaInbox
from backend.config import Settings

SAVING = frozenset({"stripe", "yookassa"})
"""Keep a method with a payment."""
SETTING_UP = frozenset({"stripe"})
"""Keep a method without one."""


class Gateways:
    """For a process that speaks to them: made at the first need, closed together."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: dict[str, Gateway] = {}

    def named(self, name: str) -> Gateway:
        """Raises `GatewayRefused` for one that is no longer configured."""
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    async def close(self) -> None:
        for gateway in self._made.values():
            await gateway.close()
        self._made.clear()

    def _make(self, name: str) -> Gateway:
        settings = self._settings
        if name == "stripe" and settings.stripe_secret_key is not None:
            return StripeGateway(
                settings.stripe_secret_key.get_secret_value(),
                settings.stripe_api_url,
                settings.gateway_timeout_seconds,
            )
        if name == "yookassa" and settings.yookassa_secret_key is not None:
            return YooKassaGateway(
                settings.yookassa_shop_id,
                settings.yookassa_secret_key.get_secret_value(),
                settings.yookassa_api_url,
                settings.gateway_timeout_seconds,
                settings.yookassa_receipt_vat_code,
            )
        raise GatewayRefused("gateway_not_configured")


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Gateways]:
    gateways = Gateways(settings)
    try:
        yield gateways
    finally:
        await gateways.close()


def inbox_of(settings: Settings, name: str) -> Inbox | None:
    if name == "stripe" and settings.stripe_webhook_secret is not None:
        return StripeInbox(settings.stripe_webhook_secret.get_secret_value())
    if name == "yookassa" and settings.yookassa_secret_key is not None:
        return YooKassaInbox(settings.yookassa_networks)
    return None
