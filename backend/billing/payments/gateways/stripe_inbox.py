"""Stripe's webhooks: signed with a secret of the endpoint, over the time and the body as it was sent.

The scheme is spelled out, since the library that also knows it is too large for every API process; a test
holds the two against each other.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from typing import Any

import orjson

from backend.billing.payments.gateways.base import About, Inbox, Notice, Tampered, own_id

TOLERANCE = 300
"""Seconds by which the time of a message may differ from ours, as Stripe's own libraries have it."""

_ABOUT = {
    "payment_intent": About.PAYMENT,
    "checkout.session": About.PAYMENT,
    "refund": About.REFUND,
    "dispute": About.DISPUTE,
    "charge": About.REFUND,
}


class StripeInbox(Inbox):
    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def read(self, headers: Mapping[str, str], body: bytes, address: str) -> Notice:
        if not self._signed(headers.get("stripe-signature", ""), body):
            raise Tampered
        try:
            event = orjson.loads(body)
            return _notice(event)
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            raise Tampered from None

    def _signed(self, header: str, body: bytes) -> bool:
        parts = [part.partition("=")[::2] for part in header[:2000].split(",")]
        moment = next((value for name, value in parts if name.strip() == "t"), "")
        if not (moment.isascii() and moment.isdecimal() and len(moment) < 16):
            return False
        if abs(time.time() - int(moment)) > TOLERANCE:
            return False
        right = hmac.digest(self._secret, moment.encode() + b"." + body, "sha256").hex().encode()
        # While a secret is being replaced, Stripe signs with both.
        given = [value.encode() for name, value in parts if name.strip() == "v1"]
        return any(hmac.compare_digest(one, right) for one in given)


def _notice(event: dict[str, Any]) -> Notice:
    """Raises KeyError or TypeError for what is no event."""
    about = event["data"]["object"]
    kind, what = str(event["type"])[:80], str(about["object"])
    meant = _ABOUT.get(what, About.OTHER)
    ref: object = about.get("id")
    metadata = about.get("metadata") or {}
    owner = own_id(metadata.get("payment_id"))
    if what == "checkout.session" and about.get("mode") == "setup":
        meant, owner = About.SETUP, own_id(metadata.get("setup_id"))
    elif what in ("refund", "charge"):
        # All refunds of a payment are looked at together, in whatever order they are told of.
        ref = about.get("payment_intent")
        if what == "charge" and "refund" not in kind:
            meant = About.OTHER
    return Notice(str(event["id"])[:200], kind, meant, str(ref)[:120] if ref else None, owner)
