"""A service's name is the first label of its address, so it is a DNS label (RFC 1123), unique everywhere."""

from __future__ import annotations

import re

from backend.exceptions import Invalid, invalid_field

MIN, MAX = 3, 40
_LABEL = re.compile(r"[a-z](?:[a-z0-9]|-(?!-))*[a-z0-9]", re.ASCII)

# fmt: off
RESERVED = frozenset({
    "about", "abuse", "account", "accounts", "admin", "administrator", "api", "app", "apps", "assets",
    "auth", "autoconfig", "autodiscover", "billing", "blog", "cdn", "console", "contact", "dashboard",
    "db", "dev", "dns", "docs", "edge", "email", "examples", "ftp", "gavan", "git", "grafana", "health",
    "help", "host", "hostmaster", "imap", "info", "internal", "invoice", "invoices", "ipfs", "isatap",
    "legal", "lk", "localhost", "login", "mail", "metrics", "monitoring", "mx", "news", "noc", "ns",
    "ns1", "ns2", "oauth", "operator", "panel", "pay", "payment", "payments", "pop", "pop3", "postgres",
    "postmaster", "privacy", "prometheus", "proxy", "public", "redis", "register", "registry", "root",
    "routes", "security", "server", "shop", "signin", "signup", "smtp", "sso", "staging", "static",
    "status", "store", "support", "system", "terms", "test", "traefik", "update", "vpn", "webhook",
    "webhooks", "webmail", "wpad", "www",
})
# fmt: on


def check_name(name: str) -> None:
    """Raises `Invalid` on field `name`, saying what to change."""
    if not MIN <= len(name) <= MAX:
        raise _refuse(f"The name must have {MIN} to {MAX} characters.", "name_length")
    if name != name.lower():
        raise _refuse("The name must be in lower case: it becomes a host name.", "name_not_lower_case")
    if not _LABEL.fullmatch(name):
        raise _refuse(
            "The name may hold a–z, 0–9 and single hyphens, begins with a letter and ends with a letter "
            "or digit: it becomes a host name.",
            "name_characters",
        )
    if name in RESERVED:
        raise _refuse("This name is reserved. Please choose another.", "name_reserved")


def _refuse(message: str, code: str) -> Invalid:
    return invalid_field(["body", "name"], message, code)
