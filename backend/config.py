"""Configuration: everything that differs between installations, read from the environment once.

Each setting is documented in `.env.example`; none that is secret has a default.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from backend.backups.settings import BackupSettings
from backend.billing.countries import is_country
from backend.billing.invoices.settings import InvoiceSettings
from backend.billing.money import is_currency
from backend.billing.payments.settings import PaymentSettings
from backend.billing.price_settings import PriceSettings
from backend.cronjobs.settings import CronSettings
from backend.domains.settings import DomainSettings
from backend.engines.docker.bases import REGISTRIES, BaseImages
from backend.mail.servers import SmsGateway, SmtpServer, parse_sender
from backend.ports.settings import PortSettings
from backend.stacks.settings import TemplateSettings

ROOT = Path(__file__).resolve().parent.parent
IMAGES = BaseImages()
WEAK_PASSWORDS = frozenset({"", "password", "postgres", "secret", "changeme", "gavan", "admin", "redis"})


class Settings(
    PaymentSettings,
    PriceSettings,
    DomainSettings,
    InvoiceSettings,
    CronSettings,
    PortSettings,
    BackupSettings,
    TemplateSettings,
):
    # A refusal is printed and logged, and what is refused may be a secret.
    model_config = SettingsConfigDict(
        env_file=ROOT / ".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    environment: Literal["development", "production"] = "production"
    secret_key: SecretStr
    database_url: SecretStr
    redis_url: SecretStr

    panel_url: str
    apps_url: str
    edge_address: str
    edge_pid_file: Path
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()

    engine: Literal["process", "docker"] = "process"
    engine_home: Path
    engine_socket: Path | None = None
    docker_host: str = "unix:///var/run/docker.sock"
    docker_swarm_address: str = "127.0.0.1"
    docker_registry: str = ""
    docker_registry_user: str = ""
    docker_registry_password: SecretStr | None = None
    docker_node_socket: str = "/var/run/docker.sock"
    build_ca_bundle: Path | None = None
    build_python_image: str = IMAGES.python
    build_node_image: str = IMAGES.node
    build_go_image: str = IMAGES.go
    build_go_runtime_image: str = IMAGES.go_runtime
    build_static_image: str = IMAGES.static
    build_registries: Annotated[tuple[str, ...], NoDecode] = REGISTRIES
    build_cgroup_parent: str = ""
    image_max_bytes: int = Field(default=4 * 2**30, gt=0)
    archive_max_bytes: int = Field(default=256 * 2**20, gt=0)
    build_reserve_bytes: int = Field(default=2 * 2**30, ge=0)
    engine_secret: SecretStr
    data_dir: Path

    access_token_expire_minutes: int = Field(default=15, ge=1, le=1440)
    refresh_token_expire_days: int = Field(default=30, ge=1, le=365)
    proof_minutes: int = Field(default=15, ge=1, le=1440)
    signing_key_days: int = Field(default=90, ge=1)
    guess_free_tries: int = Field(default=5, ge=1)
    guess_free_tries_anywhere: int = Field(default=20, ge=1)
    guess_longest_delay_seconds: float = Field(default=900, ge=1)
    login_rate_per_address: str = "60/5minutes"
    registration_rate_per_address: str = "30/hour"
    code_rate_per_subject: str = "5/hour"
    code_rate_per_address: str = "30/hour"
    email_verification: Literal["off", "required", "sign_in"] | None = None
    breached_passwords_file: Path | None = None

    smtp_url: SecretStr | None = None
    mail_from: str = ""
    sms_gateway_url: SecretStr | None = None
    sms_gateway_header: SecretStr | None = None
    sms_gateway_format: Literal["json", "form"] = "json"
    sms_gateway_body: str = '{"to": "{to}", "text": "{text}", "id": "{id}"}'
    letter_lease_seconds: float = Field(default=60, ge=2)
    letter_retention_days: int = Field(default=30, ge=2, le=3650)

    log_format: Literal["pretty", "json"] = "json"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    git_allowed_private: Annotated[tuple[str, ...], NoDecode] = ()
    source_check_rate_per_user: str = "60/10minutes"
    archive_rate_per_user: str = "60/hour"
    fetch_timeout_seconds: float = Field(default=120, gt=0)
    fetch_max_bytes: int = Field(default=512 * 2**20, gt=0)
    app_restarts: int = Field(default=6, ge=0)
    build_timeout_seconds: float = Field(default=900, gt=0)
    build_max_bytes: int = Field(default=2 * 2**30, gt=0)
    health_timeout_seconds: float = Field(default=60, gt=0)
    deployments_kept: int = Field(default=3, ge=1)
    replicas_per_process: int = Field(default=10, ge=1, le=1000)
    replicas_per_service: int = Field(default=20, ge=1, le=1000)

    job_lease_seconds: float = Field(default=15, ge=1)
    job_relay_seconds: float = Field(default=2, ge=0.2)
    reconcile_seconds: float = Field(default=10, ge=0.5)
    services_per_project: int = Field(default=50, ge=1)
    volumes_per_service: int = Field(default=5, ge=0, le=100)
    volume_most_gib: int = Field(default=100, ge=1, le=65536)
    projects_per_user: int = Field(default=20, ge=1)
    invitations_per_project: int = Field(default=50, ge=1)
    invitation_rate_per_user: str = "30/hour"
    hook_rate_per_address: str = "600/minute"
    hook_rate_per_service: str = "60/minute"
    hook_delivery_retention_days: int = Field(default=90, ge=1, le=3650)
    invitation_days: int = Field(default=7, ge=1, le=365)
    view_as_minutes: int = Field(default=15, ge=1, le=60)

    billing_enabled: bool = True
    currency: str = "EUR"
    credit_limit_minor: int = Field(default=0, ge=0)
    billing_time_zone: str = "UTC"
    operator_country: str | None = None
    prices_include_tax: bool = False
    tax_eu_one_stop_shop: bool = True
    coupon_rate_per_user: str = "60/10minutes"
    adjustment_limit_minor: int = Field(default=10_000, ge=0)
    credit_limit_most_minor: int = Field(default=1_000_000, ge=0)

    metrics_seconds: float = Field(default=15, ge=1)
    metrics_retention_days: int = Field(default=90, ge=7, le=3650)
    event_retention_days: int = Field(default=90, ge=1, le=3650)
    console_idle_minutes: float = Field(default=15, gt=0)
    console_longest_minutes: float = Field(default=240, gt=0)
    consoles_per_user: int = Field(default=5, ge=1)

    audit_retention_days: int = Field(default=365, ge=30, le=36_500)
    sign_in_retention_days: int = Field(default=180, ge=90)

    database_pool_size: int = Field(default=10, ge=2)

    @field_validator(
        *("git_allowed_private", "trusted_proxies", "cors_origins", "build_registries"), mode="before"
    )
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ipaddress.ip_network(network, strict=False)
        return value

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not re.fullmatch(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?", origin):
                raise ValueError("an origin is https://host or https://host:port, in small letters, no path")
        return value

    @field_validator("apps_url")
    @classmethod
    def _has_name(cls, value: str) -> str:
        if "{name}" not in value:
            raise ValueError("APPS_URL must contain {name}, as in http://{name}.localhost:8080")
        return value.rstrip("/")

    @field_validator("panel_url")
    @classmethod
    def _no_trailing_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("secret_key", "engine_secret")
    @classmethod
    def _is_long_key(cls, value: SecretStr) -> SecretStr:
        try:
            raw = base64.b64decode(value.get_secret_value(), validate=True)
        except binascii.Error:
            raise ValueError("must be base64") from None
        if len(raw) < 32 or len(set(raw)) < 12:
            raise ValueError(
                "must be at least 32 random bytes in base64; `openssl rand -base64 32` makes one"
            )
        return value

    @field_validator(
        *("smtp_url", "sms_gateway_url", "sms_gateway_header"),
        *("email_verification", "breached_passwords_file", "engine_socket", "build_ca_bundle"),
        mode="before",
    )
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("currency")
    @classmethod
    def _is_currency(cls, value: str) -> str:
        if not is_currency(value):
            raise ValueError("must be a currency's code of ISO 4217, as EUR")
        return value

    @field_validator("operator_country", mode="before")
    @classmethod
    def _is_country(cls, value: object) -> object:
        if value in ("", None):
            return None
        if not isinstance(value, str) or not is_country(value):
            raise ValueError("must be a country's code of ISO 3166, as DE")
        return value

    @field_validator("billing_time_zone")
    @classmethod
    def _is_time_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("must be a time zone's name, as Europe/Berlin") from None
        return value

    @field_validator("docker_swarm_address")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return str(ipaddress.IPv4Address(value))

    @field_validator("docker_node_socket")
    @classmethod
    def _is_absolute(cls, value: str) -> str:
        if value and not value.startswith("/"):
            raise ValueError("must be an absolute path, or empty")
        return value

    @field_validator("docker_registry")
    @classmethod
    def _is_registry(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc):
            raise ValueError("must be http:// or https:// and a host, without a login")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _engine_can_be_reached(self) -> Self:
        if self.engine == "process" and self.engine_socket is None:
            raise ValueError("ENGINE=process needs ENGINE_SOCKET")
        return self

    @model_validator(mode="after")
    def _letters_can_be_sent(self) -> Self:
        for name, parse in (("SMTP_URL", self.smtp_server), ("SMS_GATEWAY_URL", self.sms_gateway)):
            try:
                parse()
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None
        if self.smtp_url is not None or self.mail_from:
            try:
                parse_sender(self.mail_from)
            except ValueError as error:
                raise ValueError(f"MAIL_FROM {error}") from None
        return self

    @model_validator(mode="after")
    def _production_is_strict(self) -> Self:
        if self.environment != "production":
            return self
        problems = []
        if not self.panel_url.startswith("https://"):
            problems.append("PANEL_URL must be https")
        if self.engine == "process":
            problems.append("ENGINE=process does not isolate customers well enough")
        for name, url in (("DATABASE_URL", self.database_url), ("REDIS_URL", self.redis_url)):
            if not url.get_secret_value().startswith("unix:") and _password_of(url) in WEAK_PASSWORDS:
                problems.append(f"{name} has no password or a well-known one")
        if any(origin.startswith("http:") for origin in self.cors_origins):
            problems.append("CORS_ORIGINS has a page of plain http, which anybody on the way can rewrite")
        if not all(url.startswith("https:") for url in (self.stripe_api_url, self.yookassa_api_url)):
            problems.append("STRIPE_API_URL and YOOKASSA_API_URL must be https")
        if self.git_allowed_private:
            problems.append("GIT_ALLOWED_PRIVATE opens the internal network to customers")
        if self.domains_allowed_private:
            problems.append("DOMAINS_ALLOWED_PRIVATE opens the internal network to customers")
        if problems:
            raise ValueError("not fit for ENVIRONMENT=production: " + "; ".join(problems))
        return self

    @property
    def order_needs_verified_email(self) -> bool:
        return self._verification != "off"

    @property
    def sign_in_needs_verified_email(self) -> bool:
        return self._verification == "sign_in"

    @property
    def _verification(self) -> str:
        """Unless it is said otherwise, an address has to be verified where letters can be sent."""
        return self.email_verification or ("sign_in" if self.smtp_url else "off")

    @property
    def master_key(self) -> bytes:
        return base64.b64decode(self.secret_key.get_secret_value())

    def smtp_server(self) -> SmtpServer | None:
        return SmtpServer.parse(self.smtp_url.get_secret_value()) if self.smtp_url is not None else None

    def sms_gateway(self) -> SmsGateway | None:
        if self.sms_gateway_url is None:
            return None
        header = self.sms_gateway_header.get_secret_value() if self.sms_gateway_header is not None else None
        return SmsGateway.parse(
            self.sms_gateway_url.get_secret_value(),
            header,
            self.sms_gateway_body,
            form=self.sms_gateway_format == "form",
        )

    def sqlalchemy_url(self) -> str:
        return self.database_url.get_secret_value().replace("postgresql://", "postgresql+asyncpg://", 1)

    def app_url(self, name: str) -> str:
        return self.apps_url.replace("{name}", name)


def _password_of(url: SecretStr) -> str:
    _, _, rest = url.get_secret_value().partition("://")
    userinfo, at, _ = rest.rpartition("@")
    return userinfo.partition(":")[2] if at else ""


_present: Settings | None = None


def get_settings() -> Settings:
    """The process's settings: read from the environment once, unless others were `use`d."""
    global _present
    if _present is None:
        _present = Settings()  # type: ignore[call-arg]
    return _present


def use(settings: Settings) -> Settings:
    """Let this process have these settings; what depends on them is made anew when it is asked next."""
    global _present
    _present = settings
    return settings
