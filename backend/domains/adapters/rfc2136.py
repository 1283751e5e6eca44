"""Dynamic updates signed with TSIG (RFC 2136, RFC 8945)."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from typing import TypeVar

import dns.asyncquery
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import dns.update

from backend.domains.adapters.base import DnsError
from backend.engines.addresses import Allowed, resolve
from backend.engines.errors import EngineError

SECONDS = 10.0
TTL = 60
PORT = 53

T = TypeVar("T")
Change = Callable[[dns.update.UpdateMessage, dns.name.Name], None]


class Rfc2136:
    """The server is the customer's word, so only public addresses are spoken to, and only in DNS."""

    def __init__(self, settings: dict[str, str], secret: str, allowed: Allowed) -> None:
        host, port = _apart(settings["server"])
        self._host, self._port, self._allowed = host, port, allowed
        name = dns.name.from_text(settings["key_name"])
        self._keys = dns.tsigkeyring.from_text({settings["key_name"]: (settings["algorithm"], secret)})
        self._key = self._keys[name]

    async def present(self, name: str, value: str) -> None:
        await self._update(name, lambda update, at: update.add(at, TTL, "TXT", f'"{value}"'))

    async def clear(self, name: str, value: str) -> None:
        await self._update(name, lambda update, at: update.delete(at, "TXT", f'"{value}"'))

    async def _update(self, name: str, change: Change) -> None:
        address = await self._address()
        at = dns.name.from_text(name)
        zone = await self._zone(address, at)
        update = dns.update.UpdateMessage(zone, keyring=self._key)
        change(update, at)
        answer = await self._send(update, address)
        if answer.rcode() != dns.rcode.NOERROR:
            raise DnsError("dns_update_refused", dns.rcode.to_text(answer.rcode()))

    async def _zone(self, address: str, name: dns.name.Name) -> dns.name.Name:
        """The zone that holds the name, as the server itself says."""
        here = name
        while here != dns.name.root:
            query = dns.message.make_query(here, dns.rdatatype.SOA)
            query.use_tsig(self._key)
            answer = await self._send(query, address)
            for rrset in (*answer.answer, *answer.authority):
                if rrset.rdtype == dns.rdatatype.SOA and name.is_subdomain(rrset.name):
                    return rrset.name
            here = here.parent()
        raise DnsError("dns_no_zone", self._host)

    async def _address(self) -> str:
        try:
            found = await asyncio.to_thread(resolve, self._host, self._port, self._allowed)
        except EngineError as error:
            internal = error.code == "source_forbidden"
            raise DnsError("dns_server_internal" if internal else "dns_unreachable", self._host) from None
        if not found:
            raise DnsError("dns_unreachable", self._host)
        return found[0]

    async def _send(self, message: dns.message.Message, address: str) -> dns.message.Message:
        try:
            return await _in_time(dns.asyncquery.tcp(message, address, SECONDS, self._port))
        except (dns.tsig.PeerError, dns.tsig.BadSignature, dns.exception.FormError):
            # Whoever does not know the key, or us, answers without a signature.
            raise DnsError("dns_not_admitted", self._host) from None
        except (dns.exception.DNSException, OSError, EOFError, TimeoutError) as error:
            raise DnsError("dns_unreachable", type(error).__name__) from None


async def _in_time(call: Awaitable[T]) -> T:
    async with asyncio.timeout(SECONDS + 1):
        return await call


def _apart(server: str) -> tuple[str, int]:
    host, colon, port = server.rpartition(":")
    if not colon or (not host.startswith("[") and ":" in host):
        host, port = server, str(PORT)
    host = host.strip("[]")
    try:
        host = str(ipaddress.ip_address(host))
    except ValueError:
        host = host.lower()
    return host, min(int(port), 65535)
