"""Looking at a domain from outside: its proof of ownership, and where it leads.

Nothing that a customer writes into DNS makes us connect anywhere. DNS is asked through the operator's
resolver, and by http only the edge's own addresses are visited: those that the operator named, or that the
installation's own host names have.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx

from backend.config import Settings
from backend.domains.challenges import HttpChallenges
from backend.domains.models import Look, Proof
from backend.domains.names import app_host, base_of, challenge_name, is_wildcard
from backend.domains.resolving import Addresses, Outcome, Resolver

VISIT_SECONDS = 5.0
SHOWN = 10
"""Records of DNS that a customer is shown; the longest text is cut to 200 signs."""
_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""The edge is asked by plain http; reading the authorities' certificates would cost each client 20 ms."""


@dataclass(frozen=True, slots=True)
class Finding:
    look: Look
    seen: dict[str, Any]
    proof: Proof | None
    anothers: bool
    """It leads to a service's host name that is not this one's: whoever wrote that means another one."""


class Checker:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._resolver = Resolver(settings)
        self._challenges = HttpChallenges(settings)

    async def expected(self, service: str) -> tuple[str, ...]:
        """The edge's addresses, as far as we know them."""
        if self._settings.edge_public_addresses:
            return self._settings.edge_public_addresses
        return (await self._resolver.addresses(app_host(self._settings, service))).values

    async def look_at(self, name: str, token: str, service: str) -> Finding:
        # Of a wildcard any name below it will do; one that nobody made says most.
        asked = f"gavan-{secrets.token_hex(6)}.{base_of(name)}" if is_wildcard(name) else name
        texts, leads, expected = await asyncio.gather(
            self._resolver.texts(challenge_name(name)),
            self._resolver.addresses(asked),
            self.expected(service),
        )
        proved = token in texts.values
        own = app_host(self._settings, service)
        # The first of them is what the domain's owner wrote; what follows may be the operator's own zone.
        meant = next((host for host in leads.aliases if is_app_host(self._settings, host)), None)
        anothers = meant not in (None, own)
        look = where(leads, expected)
        reached = await self._reached(asked, leads, expected) if look is Look.HERE else None
        seen = {
            "txt": [text[:200] for text in texts.values[:SHOWN]],
            "txt_answered": texts.outcome is not Outcome.UNANSWERED,
            "aliases": list(leads.aliases[:SHOWN]),
            "addresses": list(leads.values[:SHOWN]),
            "expected": list(expected[:SHOWN]),
            "reached": reached,
        }
        proof: Proof | None = None
        if proved:
            proof = Proof.TXT
        elif reached and not anothers and not is_wildcard(name):
            proof = Proof.CNAME if meant == own else Proof.ADDRESS
        return Finding(look, seen, proof, anothers)

    async def _reached(self, host: str, leads: Addresses, expected: tuple[str, ...]) -> bool:
        """Whether a visitor of the host gets to this very edge."""
        ours = [address for address in leads.values if address in expected]
        with self._challenges.echo() as (path, said):
            answers = await asyncio.gather(*(self._visit(address, host, path) for address in ours[:4]))
        return all(answer == said for answer in answers)

    async def _visit(self, address: str, host: str, path: str) -> str | None:
        port = self._settings.domains_http_port
        at = f"[{address}]" if ip_address(address).version == 6 else address
        url, headers = f"http://{at}:{port}{path}", {"Host": host}
        client = httpx.AsyncClient(trust_env=False, timeout=VISIT_SECONDS, verify=_NO_AUTHORITIES)
        try:
            async with (
                asyncio.timeout(VISIT_SECONDS),
                client,
                client.stream("GET", url, headers=headers) as answer,
            ):
                if answer.status_code != 200:
                    return None
                # Whoever answers there may go on without end.
                async for part in answer.aiter_bytes(200):
                    return part.decode(errors="replace")
        except (httpx.HTTPError, TimeoutError):
            return None
        return None


def is_app_host(settings: Settings, host: str) -> bool:
    before, _, after = (urlsplit(settings.apps_url).hostname or "").partition("{name}")
    return bool(before or after) and host.startswith(before) and host.endswith(after)


def where(leads: Addresses, expected: tuple[str, ...]) -> Look:
    if leads.outcome is Outcome.UNANSWERED:
        return Look.UNANSWERED
    if not leads.values:
        return Look.MISSING
    if not expected:
        return Look.UNKNOWN
    ours = [address in expected for address in leads.values]
    if all(ours):
        return Look.HERE
    return Look.PARTLY if any(ours) else Look.ELSEWHERE
