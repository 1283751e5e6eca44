"""Which addresses a customer's URL may lead to: public ones, and those the operator listed.

A name is resolved once, every address of the answer is vetted, and the connection goes to a
vetted address itself: what the name resolves to a moment later (DNS rebinding) does not matter.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from backend.engines.errors import EngineError, Retry

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], list[str]]

URL_LIMIT = 2000
DEFAULT_PORTS = {"http": 80, "https": 443}
SSH_PORT = 22
SSH_USER = "git"
INTERNAL_SUFFIXES = ("localhost", "local", "localdomain", "internal", "intranet", "lan", "home.arpa", "onion")

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_REFUSED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "240.0.0.0/4",
        # IPv4-compatible, local-use NAT64, Teredo and ORCHID: all stand for something else.
        "::/96",
        "64:ff9b:1::/48",
        "2001::/23",
        "fec0::/10",
    )
)
_SCP = re.compile(
    r"(?P<user>[\w.-]+)@(?P<host>[^\s/:@\[\]]+|\[[0-9a-fA-F:.]+\]):(?!//)(?P<path>.*)", re.ASCII
)
_SSH_USER = re.compile(r"[A-Za-z0-9_][\w.-]{0,63}", re.ASCII)
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\ufeff\\]")
_ENDPOINT = re.compile(r"(?P<host>[\w.-]+|\[[0-9a-fA-F:.]+\]):(?P<port>\d{1,5})")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?", re.IGNORECASE)


def forbidden(message: str, detail: str) -> EngineError:
    """`detail` is also the code of the field's error when an order is refused for it."""
    return EngineError("source_forbidden", message, detail=detail)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the operator opened besides the public internet (`GIT_ALLOWED_PRIVATE`)."""

    endpoints: frozenset[tuple[str, int]] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Allowed:
        """Of `host:port`, `ip:port`, `[ip6]:port`, an address or a CIDR. Raises ValueError."""
        endpoints, networks = set(), []
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
                continue
            except ValueError:
                pass
            if not (match := _ENDPOINT.fullmatch(entry)):
                raise ValueError(f"neither host:port nor CIDR: {entry!r}")
            endpoints.add((match["host"].strip("[]").lower(), int(match["port"])))
        return cls(frozenset(endpoints), tuple(networks))

    def endpoint(self, host: str, port: int) -> bool:
        return (host.lower().rstrip("."), port) in self.endpoints

    def opened(self, host: str, port: int) -> bool:
        """Whether the operator listed it, so that it may be spoken to without encryption."""
        literal = _literal(host.rstrip("."))
        return self.endpoint(host, port) or (literal is not None and self.address(literal, port))

    def address(self, address: Address, port: int) -> bool:
        return (str(address), port) in self.endpoints or any(
            address.version == network.version and address in network for network in self.networks
        )


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository's address taken apart. An ssh path without `/` in front begins at the user's home."""

    scheme: str
    host: str
    port: int
    path: str
    user: str = ""

    @property
    def origin(self) -> str:
        """Whom one speaks to: what a secret was given for, and is sent to nobody else."""
        return f"{self.scheme}://{self._bracketed}:{self.port}"

    @property
    def url(self) -> str:
        if self.scheme == "ssh" and not self.path.startswith("/"):
            return f"{self.user}@{self._bracketed}:{self.path}"
        user = f"{self.user}@" if self.user else ""
        usual = SSH_PORT if self.scheme == "ssh" else DEFAULT_PORTS[self.scheme]
        port = "" if self.port == usual else f":{self.port}"
        return f"{self.scheme}://{user}{self._bracketed}{port}{self.path}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def parse_remote(url: str) -> Remote:
    """Of `https://…`, `http://…`, `ssh://…` or `user@host:path`. Raises `source_forbidden`."""
    _check_signs(url)
    if (short := _SCP.fullmatch(url)) is not None:
        return _ssh_remote(short["user"], short["host"].strip("[]"), SSH_PORT, short["path"])
    if url[:6].lower() != "ssh://":
        parts, host, port = split_url(url)
        return Remote(parts.scheme, host, port, parts.path)
    try:
        parts = urlsplit(url)
        port = parts.port or SSH_PORT
    except ValueError:
        raise forbidden("The repository's address is not a valid URL.", "address_invalid") from None
    if parts.password is not None:
        raise _credentials()
    return _ssh_remote(parts.username or SSH_USER, parts.hostname or "", port, url[6:].partition("/")[2], "/")


def _ssh_remote(user: str, host: str, port: int, path: str, root: str = "") -> Remote:
    if "?" in path or "#" in path:
        raise forbidden("The repository's address must not contain `?` or `#`.", "address_query")
    # What begins with a dash would be an option to the program that the server runs.
    if not _SSH_USER.fullmatch(user) or not path.strip("/") or (not root and path.startswith("-")):
        message = "An ssh address names a user, a host and a path, as in git@host:path."
        raise forbidden(message, "address_ssh")
    return Remote("ssh", _ascii_host(host), port, root + path, user)


def _check_signs(url: str) -> None:
    if not url or len(url) > URL_LIMIT:
        message = f"The repository's address must have between 1 and {URL_LIMIT} characters."
        raise forbidden(message, "address_length")
    if _UNPRINTABLE.search(url):
        message = "The repository's address must not contain blanks, control characters or backslashes."
        raise forbidden(message, "address_signs")


def _credentials() -> EngineError:
    message = "Take the name and password out of the address: secrets do not belong in URLs."
    return forbidden(message, "address_credentials")


def split_url(url: str) -> tuple[SplitResult, str, int]:
    """The parts, ASCII host and port of a web address fit to fetch from. Raises `source_forbidden`."""
    _check_signs(url)
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
    except ValueError:
        raise forbidden("The repository's address is not a valid URL.", "address_invalid") from None
    if parts.scheme not in DEFAULT_PORTS:
        message = "Only addresses like https://host/path and git@host:path can be deployed from."
        raise forbidden(message, "address_scheme")
    if "@" in parts.netloc:
        raise _credentials()
    if parts.fragment or parts.query:
        raise forbidden("The repository's address must not contain `?` or `#`.", "address_query")
    return parts, _ascii_host(host), DEFAULT_PORTS[parts.scheme] if port is None else port


def _ascii_host(host: str) -> str:
    invalid = forbidden("The host in the repository's address is not valid.", "address_host")
    if ":" in host:
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError:
            raise invalid from None
    try:
        name = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        raise invalid from None
    if len(name) > 253 or not _HOST.fullmatch(name) or ".." in name:
        raise invalid
    return name.lower()


def check_url(url: str, allowed: Allowed = Allowed()) -> Remote:
    """Refuse what can be told to be wrong without the network, so that an order fails at once."""
    remote = parse_remote(url)
    host, port = remote.host, remote.port
    if allowed.endpoint(host, port):
        return remote
    name = host.rstrip(".")
    if (literal := _literal(name)) is not None:
        vet(literal, port, allowed)
    elif "." not in name or any(name == end or name.endswith(f".{end}") for end in INTERNAL_SUFFIXES):
        message = f"{name} is an internal address; the repository must be on a public one."
        raise forbidden(message, "address_internal")
    return remote


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        # What the C library takes for an address too: 127.1, 0x7f000001, 2130706433.
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        embedded = address.ipv4_mapped or address.sixtofour
        if embedded is None and address in _NAT64:
            embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if embedded is not None:
            return is_public(embedded)
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _REFUSED if network.version == address.version)
    )


def vet(address: Address, port: int, allowed: Allowed) -> None:
    if not allowed.address(address, port) and (not is_public(address) or _is_our_own(address)):
        message = f"{address} is an internal address; the repository must be on a public one."
        raise forbidden(message, "address_internal")


def _is_our_own(address: Address) -> bool:
    """A public address of this very machine leads to its internal services as well."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return bool(probe.getsockname()[0] == str(address))
    except OSError:
        return False


def system_resolver(host: str, port: int) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def resolve(host: str, port: int, allowed: Allowed, resolver: Resolver = system_resolver) -> list[str]:
    """The addresses of a host, all of them vetted. Raises `source_forbidden`, `source_unreachable`."""
    try:
        found = list(dict.fromkeys(resolver(host, port)))
    except socket.gaierror as error:
        temporary = error.errno == socket.EAI_AGAIN
        raise EngineError(
            "source_unreachable",
            f"The host {host} cannot be found.",
            retry=Retry.BACKOFF if temporary else Retry.NEVER,
            detail="host_unknown",
            host=host,
        ) from None
    except (UnicodeError, OSError):
        message = f"The host {host} cannot be found."
        raise EngineError("source_unreachable", message, detail="host_unknown", host=host) from None
    if not allowed.endpoint(host, port):
        for text in found:
            vet(ipaddress.ip_address(text), port, allowed)
    return found


def connect(
    host: str, port: int, timeout: float, allowed: Allowed, resolver: Resolver = system_resolver
) -> socket.socket:
    """A TCP connection to a vetted address of `host`."""
    last: OSError | None = None
    for address in resolve(host, port, allowed, resolver):
        try:
            return socket.create_connection((address, port), timeout=timeout)
        except OSError as error:
            last = error
    raise EngineError(
        "source_unreachable",
        f"No connection to {host}: {last.strerror or 'it does not answer' if last else 'it has no address'}.",
        retry=Retry.BACKOFF,
        detail="no_connection",
        host=host,
    )
