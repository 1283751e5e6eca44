"""Which forge is calling, by its headers, and whether it holds the webhook's secret.

One secret serves them all. It has the form of Standard Webhooks, `whsec_` and base64, so that it can be
GitLab's signing token; to every other forge, and as GitLab's secret token, it is the text as it stands.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

PREFIX = "whsec_"
TOLERANCE = 300
"""Seconds by which a signed time may differ from ours (Standard Webhooks)."""


class Forge(StrEnum):
    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"
    BITBUCKET = "bitbucket"


@dataclass(frozen=True, slots=True)
class Call:
    """What is said of a delivery beside its body; `forge` is None for a call of a deploy hook."""

    forge: Forge | None
    event: str
    delivery_id: str | None


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def recognised(headers: Mapping[str, str]) -> Call | None:
    """Gitea and its kin send GitHub's headers too, so theirs are looked for first."""
    if event := headers.get("x-gitea-event") or headers.get("x-forgejo-event"):
        ids = ("x-gitea-delivery", "x-forgejo-delivery")
        return _call(Forge.GITEA, event, headers, *ids)
    if event := headers.get("x-github-event"):
        return _call(Forge.GITHUB, event, headers, "x-github-delivery")
    if event := headers.get("x-gitlab-event"):
        # The first stays the same when a delivery is sent again; older servers have only the second.
        return _call(Forge.GITLAB, event, headers, "idempotency-key", "x-gitlab-event-uuid")
    if event := headers.get("x-event-key"):
        return _call(Forge.BITBUCKET, event, headers, "x-request-uuid", "x-request-id")
    return None


def _call(forge: Forge, event: str, headers: Mapping[str, str], *ids: str) -> Call:
    # An id is one among those of its forge only.
    given = next((headers[name] for name in ids if headers.get(name)), None)
    delivery_id = f"{forge}:{_short(given, 80)}" if given else None
    return Call(forge, _short(event, 60), delivery_id)


def _short(text: str, length: int) -> str:
    """Headers are any bytes; what is kept of them is plain."""
    plain = "".join(sign for sign in text if sign.isascii() and sign.isprintable())
    if len(plain) <= length:
        return plain
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def complaint(forge: Forge | None, headers: Mapping[str, str], body: bytes, secret: str) -> str | None:
    """Why this is not to be believed: a stable code; None if it is signed as it should be."""
    if forge is None:
        return "forge_unknown"
    if forge is Forge.GITLAB and "webhook-signature" in headers:
        return _standard(headers, body, secret)
    if forge is Forge.GITLAB:
        return _compared(headers.get("x-gitlab-token"), secret)
    if forge is Forge.GITEA:
        given = headers.get("x-gitea-signature") or headers.get("x-forgejo-signature")
        return _compared(given, _mac(secret.encode(), body).hex())
    name = "x-hub-signature-256" if forge is Forge.GITHUB else "x-hub-signature"
    return _compared(headers.get(name), "sha256=" + _mac(secret.encode(), body).hex())


def _standard(headers: Mapping[str, str], body: bytes, secret: str) -> str | None:
    """Standard Webhooks: id, time and body are signed, so that nobody can send it again later."""
    identity, moment = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (moment.isascii() and moment.isdecimal()) or abs(time.time() - int(moment[:15])) > TOLERANCE:
        return "signature_old"
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        return "signature_wrong"
    signed = b".".join((identity.encode("utf-8", "surrogatepass"), moment.encode(), body))
    right = "v1," + base64.b64encode(_mac(key, signed)).decode()
    # While a key is being replaced, a sender may sign with both.
    matches = [_equal(given, right) for given in headers["webhook-signature"].split()[:8]]
    return None if any(matches) else "signature_wrong"


def _compared(given: str | None, right: str) -> str | None:
    if not given:
        return "signature_missing"
    return None if _equal(given, right) else "signature_wrong"


def _equal(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), right.encode())


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
