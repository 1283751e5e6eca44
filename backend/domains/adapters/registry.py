"""The adapter of a domain's DNS provider, with its credentials opened."""

from __future__ import annotations

from backend.config import Settings
from backend.domains.adapters.base import DnsAdapter
from backend.domains.adapters.cloudflare import Cloudflare
from backend.domains.adapters.rfc2136 import Rfc2136
from backend.domains.models import Domain
from backend.domains.sealing import unseal
from backend.engines.addresses import Allowed


def adapter_of(settings: Settings, domain: Domain) -> DnsAdapter | None:
    """None without a provider. Raises `SealBroken` when the credentials were sealed with another key."""
    if domain.provider is None or domain.provider_secret is None:
        return None
    secret = unseal("provider", domain.id, domain.provider_secret)
    if domain.provider == "cloudflare":
        return Cloudflare(settings.cloudflare_api_url, secret)
    allowed = Allowed.parse(settings.domains_allowed_private)
    return Rfc2136(domain.provider_settings or {}, secret, allowed)
