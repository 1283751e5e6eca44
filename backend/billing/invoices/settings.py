"""Settings of invoices: who issues them, and how their numbers begin."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

SeriesPrefix = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9-]{0,9}$")]


class InvoiceSettings(BaseSettings):
    operator_name: str = Field(default="", max_length=200)
    """The panel's host name stands in its place."""
    operator_address: Annotated[tuple[str, ...], NoDecode] = ()
    operator_vat_id: str = Field(default="", max_length=20)
    operator_registration: str = Field(default="", max_length=200)
    invoice_prefix: SeriesPrefix = "INV"
    credit_note_prefix: SeriesPrefix = "CN"

    @field_validator("operator_address", mode="before")
    @classmethod
    def _lines(cls, value: object) -> object:
        """`Quay 1; 20457 Hamburg`."""
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(";") if part.strip())
