"""Settings of payments; a gateway whose secrets are absent is not offered."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode
from stdnum import iban
from stdnum.exceptions import ValidationError as NotValid

from backend.billing.money import exponent, is_currency

YOOKASSA_NETWORKS = (
    *("185.71.76.0/27", "185.71.77.0/27", "77.75.153.0/25", "77.75.154.128/25"),
    *("77.75.156.11", "77.75.156.35", "2a02:5180::/32"),
)
"""From where YooKassa says that it calls."""

Bounds = tuple[int, int]


class PaymentSettings(BaseSettings):
    payment_limits: Annotated[tuple[tuple[str, Bounds], ...], NoDecode] = ()
    payment_expire_hours: int = Field(default=24, ge=1, le=24 * 30)
    payment_poll_seconds: float = Field(default=60, ge=1)
    payment_contact: str = Field(default="", max_length=500)
    gateway_timeout_seconds: float = Field(default=30, gt=0)

    gateway_message_retention_days: int = Field(default=400, ge=30, le=36_500)

    stripe_secret_key: SecretStr | None = None
    stripe_webhook_secret: SecretStr | None = None
    stripe_api_url: str = "https://api.stripe.com"

    yookassa_shop_id: str = ""
    yookassa_secret_key: SecretStr | None = None
    yookassa_api_url: str = "https://api.yookassa.ru/v3"
    yookassa_networks: Annotated[tuple[str, ...], NoDecode] = YOOKASSA_NETWORKS
    yookassa_receipt_vat_code: int | None = Field(default=None, ge=1, le=12)

    bank_recipient: str = Field(default="", max_length=140)
    bank_account: str = Field(default="", max_length=34)
    bank_code: str = Field(default="", max_length=20)
    bank_name: str = Field(default="", max_length=140)
    bank_currency: str = ""

    @field_validator(
        *("stripe_secret_key", "stripe_webhook_secret", "yookassa_secret_key", "yookassa_receipt_vat_code"),
        mode="before",
    )
    @classmethod
    def _nothing_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("stripe_api_url", "yookassa_api_url")
    @classmethod
    def _is_api(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError("must be a URL")
        return value.rstrip("/")

    @field_validator("yookassa_networks", mode="before")
    @classmethod
    def _parts(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip()) or YOOKASSA_NETWORKS

    @field_validator("yookassa_networks")
    @classmethod
    def _networks_of_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ipaddress.ip_network(network, strict=False)
        return value

    @field_validator("payment_limits", mode="before")
    @classmethod
    def _bounds(cls, value: object) -> object:
        """`EUR:5-10000, JPY:500-1000000`, in whole major units."""
        if not isinstance(value, str):
            return value
        found: dict[str, Bounds] = {}
        for part in filter(None, (part.strip() for part in value.split(","))):
            currency, colon, amounts = part.partition(":")
            least, dash, most = amounts.partition("-")
            numbers = colon and dash and least.isdecimal() and most.isdecimal() and amounts.isascii()
            if not is_currency(currency) or not numbers or not 0 < int(least) <= int(most) <= 10**9:
                raise ValueError("must be as EUR:5-10000, JPY:500-1000000: least and most, in whole units")
            found[currency] = (int(least), int(most))
        return tuple(found.items())

    @field_validator("bank_currency")
    @classmethod
    def _known_or_none(cls, value: str) -> str:
        if value and not is_currency(value):
            raise ValueError("must be a currency's code of ISO 4217, as EUR")
        return value

    @model_validator(mode="after")
    def _gateways_are_whole(self) -> Self:
        if (self.stripe_secret_key is None) != (self.stripe_webhook_secret is None):
            raise ValueError("Stripe needs both STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET")
        if bool(self.yookassa_shop_id) != (self.yookassa_secret_key is not None):
            raise ValueError("YooKassa needs both YOOKASSA_SHOP_ID and YOOKASSA_SECRET_KEY")
        if bool(self.bank_account) != bool(self.bank_recipient):
            raise ValueError("bank transfers need both BANK_RECIPIENT and BANK_ACCOUNT")
        if self.bank_account[:2].isalpha():
            try:
                iban.validate(self.bank_account)
            except NotValid:
                raise ValueError("BANK_ACCOUNT is not a valid IBAN") from None
        return self

    def payment_bounds(self, currency: str) -> Bounds:
        """The least and the most that one payment may be, in minor units."""
        digits = exponent(currency)
        least, most = dict(self.payment_limits).get(currency, (5, 10_000) if digits else (500, 1_000_000))
        return least * 10**digits, most * 10**digits

    def payable(self) -> bool:
        """Whether customers are told of any way to pay."""
        return bool(self.gateways() or self.bank_account or self.payment_contact)

    def gateways(self) -> tuple[str, ...]:
        """Those that take payments by themselves, in the order in which they are offered."""
        stripe = ("stripe",) if self.stripe_secret_key is not None else ()
        return (*stripe, *(("yookassa",) if self.yookassa_secret_key is not None else ()))
