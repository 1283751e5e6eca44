"""Names of domains: what a customer types becomes what DNS knows, or is refused with the reason."""

from __future__ import annotations

import ipaddress
import re
from functools import cache
from urllib.parse import urlsplit

import idna
from publicsuffixlist import PublicSuffixList

from backend.config import Settings
from backend.engines.addresses import INTERNAL_SUFFIXES
from backend.exceptions import Invalid, invalid_field

LONGEST = 253
WILDCARD = "*."
RESERVED = frozenset({"routes.generation"})
"""Not hosts, but what the edge's map of routes is kept by."""
CHALLENGE = "_gavan-challenge"
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def app_host(settings: Settings, service: str) -> str:
    """The service's own host name, which a CNAME of its domain leads to."""
    return urlsplit(settings.app_url(service)).hostname or ""


def is_wildcard(name: str) -> bool:
    return name.startswith(WILDCARD)


def base_of(name: str) -> str:
    """`example.com` of `*.example.com`."""
    return name.removeprefix(WILDCARD)


def parents(name: str) -> list[str]:
    """What an address in DNS would have to be asked of besides `name`: each name above it, and the wildcards
    over it. The wildcard of a name covers the names below that name and not itself."""
    labels = base_of(name).split(".")
    above = [".".join(labels[at:]) for at in range(1, len(labels) - 1)]
    if is_wildcard(name):
        return [base_of(name), *above, *(WILDCARD + one for one in above)]
    return [*above, *(WILDCARD + one for one in above)]


def challenge_name(name: str) -> str:
    """Where the proof of ownership stands in DNS."""
    return f"{CHALLENGE}.{base_of(name)}"


def shown(name: str) -> str:
    """As people write it, where that says the same."""
    prefix, base = (WILDCARD, base_of(name)) if is_wildcard(name) else ("", name)
    try:
        return prefix + idna.decode(base)
    except idna.IDNAError:
        return name


def normalised(given: str, settings: Settings) -> str:
    """The name as it is kept. Raises `Invalid` on field `name`."""
    name = given.strip().rstrip(".")
    prefix = WILDCARD if is_wildcard(name) else ""
    name = name[len(prefix) :]
    if "*" in name:
        raise _refuse("A * may only stand for the first label, as in *.example.com.", "domain_wildcard")
    name = _in_ascii(name)
    if len(prefix + name) > LONGEST or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise _refuse("This is not the name of a domain, as www.example.com.", "domain_invalid")
    if _is_address(name):
        raise _refuse("This is an address of the internet, not a domain.", "domain_is_address")
    if "." not in name or any(name == end or name.endswith(f".{end}") for end in INTERNAL_SUFFIXES):
        raise _refuse("This name is not one of the public internet.", "domain_internal")
    _check_ours(prefix, name, settings)
    if _suffixes().is_public(name):
        raise _refuse(f"{name} is a suffix under which many have their domains.", "domain_public_suffix")
    return prefix + name


def _in_ascii(name: str) -> str:
    try:
        return idna.encode(name, uts46=True, std3_rules=True).decode().lower()
    except (idna.IDNAError, UnicodeError):
        raise _refuse("This is not the name of a domain, as www.example.com.", "domain_invalid") from None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        # Browsers read a name whose last label is a number as an address, however it is spelled.
        return bool(re.fullmatch(r"[0-9]+|0x[0-9a-f]*", name.rpartition(".")[2]))
    return True


def _check_ours(prefix: str, name: str, settings: Settings) -> None:
    panel = urlsplit(settings.panel_url).hostname or ""
    apps = (urlsplit(settings.app_url("x")).hostname or "").partition(".")[2]
    for own in filter(None, (panel, apps, *RESERVED)):
        below = name == own or name.endswith(f".{own}")
        # A wildcard would take in what is ours.
        covers = bool(prefix) and own.endswith(f".{name}")
        if below or covers:
            raise _refuse("This name belongs to the panel itself.", "domain_is_ours")


def _refuse(message: str, code: str) -> Invalid:
    return invalid_field(["body", "name"], message, code)
