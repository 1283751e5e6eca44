"""What DNS says, by the system's resolver or those of DOMAINS_RESOLVER."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver

from backend.config import Settings
from backend.domains.settings import parse_server

LIFETIME = 5.0
"""Seconds that one question may take, over all name servers and tries."""
LONGEST = 20
"""Records of one answer that anybody looks at: the zone's owner says how many there are."""


class Outcome(StrEnum):
    FOUND = "found"
    NOTHING = "nothing"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True)
class Answer:
    outcome: Outcome
    values: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    """The names that it led over by CNAME, without a dot at the end."""


@dataclass(frozen=True, slots=True)
class Addresses:
    outcome: Outcome
    values: tuple[str, ...]
    aliases: tuple[str, ...]


class Resolver:
    def __init__(self, settings: Settings) -> None:
        self._dns = dns.asyncresolver.Resolver(configure=not settings.domains_resolver)
        if settings.domains_resolver:
            servers = (parse_server(one) for one in settings.domains_resolver)
            self._dns.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in servers]
        self._dns.lifetime = LIFETIME
        self._dns.timeout = 2.0

    async def texts(self, name: str) -> Answer:
        """TXT records, the parts of each put together."""
        return await self._ask(name, dns.rdatatype.TXT)

    async def addresses(self, name: str) -> Addresses:
        """A and AAAA. Unanswered if one of the two was and the other found nothing."""
        four, six = await asyncio.gather(
            self._ask(name, dns.rdatatype.A), self._ask(name, dns.rdatatype.AAAA)
        )
        values = four.values + six.values
        outcome = Outcome.FOUND if values else Outcome.NOTHING
        if not values and Outcome.UNANSWERED in (four.outcome, six.outcome):
            outcome = Outcome.UNANSWERED
        return Addresses(outcome, values, four.aliases or six.aliases)

    async def _ask(self, name: str, kind: dns.rdatatype.RdataType) -> Answer:
        try:
            # The dot at the end keeps the machine's own search list out of it.
            found = await self._dns.resolve(
                dns.name.from_text(f"{name}."), kind, raise_on_no_answer=False, search=False
            )
        except (dns.resolver.NXDOMAIN, dns.name.EmptyLabel, dns.name.LabelTooLong, dns.name.NameTooLong):
            return Answer(Outcome.NOTHING)
        except (dns.exception.DNSException, OSError):
            return Answer(Outcome.UNANSWERED)
        aliases = tuple(
            record.target.to_text(omit_final_dot=True).lower()
            for rrset in found.chaining_result.cnames
            for record in rrset
        )[:LONGEST]
        records = list(found.rrset or ())[:LONGEST]
        if kind == dns.rdatatype.TXT:
            values = tuple(b"".join(record.strings).decode(errors="replace") for record in records)
        else:
            values = tuple(record.address for record in records)
        return Answer(Outcome.FOUND if values else Outcome.NOTHING, values, aliases)
