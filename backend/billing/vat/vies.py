"""VIES, the Commission's service that asks the member states about VAT numbers, after its published REST API.

`POST /check-vat-number`. Its answer is 200 for a number that nobody has, too, and often for a member state
that does not answer: only `valid` decides, and only without an error beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import orjson

_UNTOLD = "---"
"""What it says where a country keeps names to itself."""


class ViesUnavailable(Exception):
    """It, or the member state behind it, could not be asked: nothing is known of the number."""


@dataclass(frozen=True, slots=True)
class ViesAnswer:
    valid: bool
    consultation: str | None
    """Given only to who says who they are."""
    owner: str | None


async def ask(url: str, vat_id: str, requester: str, seconds: float) -> ViesAnswer:
    """Of a number in its full form; `requester` is the operator's own, or nothing. Raises
    `ViesUnavailable`.
    """
    body = {"countryCode": vat_id[:2], "vatNumber": vat_id[2:]}
    if requester:
        body |= {"requesterMemberStateCode": requester[:2], "requesterNumber": requester[2:]}
    try:
        async with httpx.AsyncClient(timeout=seconds) as http:
            answer = await http.post(f"{url}/check-vat-number", json=body)
    except httpx.HTTPError as error:
        raise ViesUnavailable(type(error).__name__) from None
    try:
        said = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        raise ViesUnavailable(f"HTTP {answer.status_code}, not JSON") from None
    return _read(said, answer.status_code)


def _read(said: Any, status: int) -> ViesAnswer:
    if not isinstance(said, dict) or not isinstance(said.get("valid"), bool) or said.get("errorWrappers"):
        raise ViesUnavailable(f"HTTP {status}: {_error(said)}")
    if status != 200:
        raise ViesUnavailable(f"HTTP {status}")
    return ViesAnswer(said["valid"], _text(said, "requestIdentifier", 100), _text(said, "name", 300))


def _text(said: dict[str, Any], name: str, most: int) -> str | None:
    found = said.get(name)
    if not isinstance(found, str):
        return None
    words = " ".join("".join(sign if sign.isprintable() else " " for sign in found).split())
    return words[:most] if words and words != _UNTOLD else None


def _error(said: Any) -> str:
    """Such as `MS_UNAVAILABLE`."""
    errors = said.get("errorWrappers") if isinstance(said, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    return str(first.get("error"))[:60] if isinstance(first, dict) else "no answer"
