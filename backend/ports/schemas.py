"""What the API gives about public ports."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class OpenedPort(BaseModel):
    port: int = Field(description="Of this service alone, until it is closed.")
    address: str = Field(description="What to connect to: host and port.")
    created_at: datetime = Field(description="When it was opened.")


class PortPrice(BaseModel):
    month_minor: int = Field(description="For a month, in the currency's smallest unit.")
    currency: str = Field(description="ISO 4217.")


class PublicPortView(BaseModel):
    supported: bool = Field(description="Whether the service can have one here.")
    opened: OpenedPort | None = Field(description="Null while it is open to nobody but the edge.")
    price: PortPrice | None = Field(description="What it costs; null where nothing is charged for it.")
