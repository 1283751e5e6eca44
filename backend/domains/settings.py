"""Settings of the edge's files, of customers' domains and of their certificates."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

from backend.engines.addresses import Allowed


class DomainSettings(BaseSettings):
    edge_routes_file: Path
    edge_tls_address: str = ""
    edge_public_addresses: Annotated[tuple[str, ...], NoDecode] = ()
    domains_per_service: int = Field(default=20, ge=1)
    domains_http_port: int = Field(default=80, ge=1, le=65535)
    domains_https_port: int = Field(default=443, ge=1, le=65535)
    domains_resolver: Annotated[tuple[str, ...], NoDecode] = ()
    domains_allowed_private: Annotated[tuple[str, ...], NoDecode] = ()
    domains_check_seconds: float = Field(default=30, ge=0.5)
    domain_check_rate_per_user: str = "60/10minutes"
    acme_directory: str = ""
    acme_email: str = ""
    acme_terms_agreed: bool = False
    acme_ca_bundle: Path | None = None
    dns_propagation_seconds: float = Field(default=120, ge=0)
    cloudflare_api_url: str = "https://api.cloudflare.com/client/v4"

    @field_validator("edge_public_addresses", "domains_resolver", "domains_allowed_private", mode="before")
    @classmethod
    def _listed_with_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("edge_public_addresses")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ipaddress.ip_address(address)) for address in value)

    @field_validator("domains_resolver")
    @classmethod
    def _are_name_servers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for server in value:
            parse_server(server)
        return value

    @field_validator("domains_allowed_private")
    @classmethod
    def _are_endpoints(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Allowed.parse(value)
        return value

    @field_validator("edge_tls_address")
    @classmethod
    def _has_port(cls, value: str) -> str:
        if value and not re.fullmatch(r"([0-9.]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}", value):
            raise ValueError("must be address:port, as 0.0.0.0:443")
        return value

    @field_validator("acme_directory", "cloudflare_api_url")
    @classmethod
    def _is_https(cls, value: str) -> str:
        if value and not re.match(r"https://|http://(127\.0\.0\.1|localhost)[:/]", value):
            raise ValueError("must be an address of https")
        return value

    @field_validator("acme_ca_bundle", mode="before")
    @classmethod
    def _none_if_empty(cls, value: object) -> object:
        return None if value == "" else value

    @property
    def edge_traffic_log(self) -> Path:
        """What the edge writes for `backend.billing.traffic` to count."""
        return self.edge_routes_file.with_name("traffic.log")

    @property
    def edge_domains_file(self) -> Path:
        """Beside the routes, as all that the edge reads."""
        return self.edge_routes_file.with_name("domains.map")

    @property
    def edge_upstreams_file(self) -> Path:
        return self.edge_routes_file.with_name("upstreams.conf")

    @property
    def edge_streams_file(self) -> Path:
        return self.edge_routes_file.with_name("streams.conf")

    @property
    def edge_certificates_dir(self) -> Path:
        return self.edge_routes_file.with_name("certificates")

    @property
    def edge_challenges_dir(self) -> Path:
        return self.edge_routes_file.with_name("challenges")

    @property
    def missing_for_https(self) -> tuple[str, ...]:
        """Names of the settings without which customers' domains are served by plain http."""
        wanted = {
            "EDGE_TLS_ADDRESS": self.edge_tls_address,
            "ACME_DIRECTORY": self.acme_directory,
            "ACME_EMAIL": self.acme_email,
            "ACME_TERMS_AGREED": self.acme_terms_agreed,
        }
        return tuple(name for name, value in wanted.items() if not value)


def parse_server(text: str) -> tuple[str, int]:
    """Address and port of a name server: `192.0.2.1`, `192.0.2.1:5353`, `[2001:db8::1]:53`."""
    found = re.fullmatch(r"([0-9.]+|\[[0-9a-fA-F:]+\])(?::([0-9]{1,5}))?", text)
    if not found:
        raise ValueError("a name server is address or address:port, IPv6 in brackets")
    return str(ipaddress.ip_address(found[1].strip("[]"))), int(found[2] or 53)
