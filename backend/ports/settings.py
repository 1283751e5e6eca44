"""Settings of public ports: which there are, where the edge listens for them, and what customers are told."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Self

from pydantic import field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def parse_range(value: object) -> object:
    """`20000-29999` as a pair of numbers."""
    if not isinstance(value, str):
        return value
    low, dash, high = value.partition("-")
    numbers = value.isascii() and dash and low.isdecimal() and high.isdecimal()
    if not numbers or not 1024 <= int(low) <= int(high) <= 65535:
        raise ValueError("must be two ports from 1024 on, the lower one first, as in 20000-29999")
    return int(low), int(high)


class PortSettings(BaseSettings):
    app_ports: Annotated[tuple[int, int], NoDecode] = (20000, 29999)
    public_ports: Annotated[tuple[int, int] | None, NoDecode] = None
    public_address: str = ""
    public_listen: str = "0.0.0.0"  # noqa: S104 - being reached from everywhere is what they are for

    @field_validator("app_ports", mode="before")
    @classmethod
    def _is_range(cls, value: object) -> object:
        return parse_range(value)

    @field_validator("public_ports", mode="before")
    @classmethod
    def _is_range_or_none(cls, value: object) -> object:
        return None if value == "" else parse_range(value)

    @field_validator("public_address")
    @classmethod
    def _is_host(cls, value: str) -> str:
        if not value or _HOST.fullmatch(value):
            return value
        try:
            return str(ipaddress.IPv6Address(value.strip("[]")))
        except ValueError:
            raise ValueError("must be a host name or an address, without scheme and port") from None

    @field_validator("public_listen")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return str(ipaddress.ip_address(value.strip("[]")))

    @model_validator(mode="after")
    def _ports_can_be_told(self) -> Self:
        if self.public_ports is None:
            return self
        if not self.public_address:
            raise ValueError("PUBLIC_PORTS needs PUBLIC_ADDRESS, which customers are told")
        low, high = self.public_ports
        if low <= self.app_ports[1] and self.app_ports[0] <= high:
            raise ValueError("PUBLIC_PORTS and APP_PORTS must not overlap")
        return self
