"""Settings of prices: when customers are told that one changes, and who is asked about VAT numbers."""

from __future__ import annotations

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings


class PriceSettings(BaseSettings):
    price_notice_days: int = Field(default=30, ge=0, le=365)
    vies_url: str = ""
    vies_recheck_days: int = Field(default=30, ge=1, le=365)

    @field_validator("vies_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("VIES_URL has to be an http(s) address, or empty")
        return value.rstrip("/")
