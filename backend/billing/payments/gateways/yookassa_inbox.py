"""YooKassa's notifications are not signed: they come from published addresses, and are only a hint to ask."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import orjson

from backend.billing.payments.gateways.base import About, Inbox, Notice, Tampered, own_id
from backend.utils.addresses import parse


class YooKassaInbox(Inbox):
    def __init__(self, networks: tuple[str, ...]) -> None:
        self._networks = tuple(ipaddress.ip_network(network, strict=False) for network in networks)

    def read(self, headers: Mapping[str, str], body: bytes, address: str) -> Notice:
        caller = parse(address)
        if caller is None or not any(caller in network for network in self._networks):
            raise Tampered
        try:
            return _notice(orjson.loads(body))
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            raise Tampered from None


def _notice(message: dict[str, Any]) -> Notice:
    """Raises KeyError or TypeError for what is no notification."""
    kind, about = str(message["event"])[:80], message["object"]
    ref = str(about["id"])[:120]
    owner = own_id((about.get("metadata") or {}).get("payment_id"))
    # It numbers no messages: one that tells of the same change is a copy.
    event_id = f"{kind}:{ref}"[:200]
    if kind.startswith("payment."):
        return Notice(event_id, kind, About.PAYMENT, ref, owner)
    if kind.startswith("refund."):
        return Notice(event_id, kind, About.REFUND, str(about["payment_id"])[:120])
    return Notice(event_id, kind, About.OTHER, ref)
