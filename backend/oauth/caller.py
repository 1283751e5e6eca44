"""Who is at the other end of a request: the address behind the proxies, and the page that sent it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.requests import HTTPConnection

from backend.config import Settings
from backend.utils.addresses import Network, parse, within

REFRESH_COOKIE = "gavan_refresh"
DEVICE_COOKIE = "gavan_device"
"""By it a browser is known again; it opens nothing."""
_LONGEST_DEVICE = 100


@dataclass(frozen=True, slots=True)
class Caller:
    address: str
    user_agent: str | None
    refresh_cookie: str | None
    from_panel: bool | None
    """True when the browser says that the panel's own page asks, False when another page does,
    None when no browser speaks."""
    device_cookie: str | None = None


def caller_of(request: Request, settings: Settings) -> Caller:
    device = request.cookies.get(cookie_name(DEVICE_COOKIE, settings), "")
    return Caller(
        address=client_address(request, settings.trusted_proxies),
        user_agent=request.headers.get("user-agent"),
        refresh_cookie=request.cookies.get(cookie_name(REFRESH_COOKIE, settings)),
        from_panel=_from_panel(request, settings),
        device_cookie=device if 0 < len(device) <= _LONGEST_DEVICE else None,
    )


def cookie_name(name: str, settings: Settings) -> str:
    """With https, a name that no page of a sibling host or of plain http can set."""
    return f"__Secure-{name}" if settings.panel_url.startswith("https:") else name


def client_address(request: HTTPConnection, trusted_proxies: tuple[str, ...]) -> str:
    """The nearest address that is not one of our proxies; `unknown` if there is none.

    `X-Forwarded-For` is read from the right, and only as far as trusted proxies wrote it:
    further left anybody may write anything. A peer without address is our own edge on a
    unix socket.
    """
    trusted = _networks(trusted_proxies)
    peer = request.client.host if request.client else ""
    address = parse(peer)
    if peer and (address is None or not within(address, trusted)):
        return str(address) if address else "unknown"
    nearest = address
    for hop in reversed(",".join(request.headers.getlist("x-forwarded-for")).split(",")):
        parsed = parse(hop.strip())
        if parsed is None:
            break
        nearest = parsed
        if not within(parsed, trusted):
            break
    return str(nearest) if nearest else "unknown"


def _from_panel(request: Request, settings: Settings) -> bool | None:
    """Customers' apps live on sibling hosts, which SameSite does not keep apart; these headers do.

    Scripts of a page cannot set either of them.
    """
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    if origin is not None:
        return is_panel(origin, request, settings)
    return True if site == "same-origin" else None


def is_panel(origin: str, request: HTTPConnection, settings: Settings) -> bool:
    if origin == _origin(settings.panel_url):
        return True
    # In development the panel is opened by several names of the same machine.
    by_host = f"http://{request.headers.get('host', '')}"
    return settings.environment == "development" and origin == by_host and _is_loopback(by_host)


@lru_cache
def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    address = parse(host)
    return host == "localhost" or (address is not None and address.is_loopback)


@lru_cache
def _networks(proxies: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(proxy, strict=False) for proxy in proxies)
