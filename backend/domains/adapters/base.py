"""What an adapter to a DNS provider does, and how it fails."""

from __future__ import annotations

from typing import Protocol


class DnsError(Exception):
    """`code` is one of the panel's words, `words` the provider's own."""

    def __init__(self, code: str, words: str = "") -> None:
        super().__init__(f"{code}: {words}")
        self.code, self.words = code, words[:500]


class DnsAdapter(Protocol):
    async def present(self, name: str, value: str) -> None:
        """Add a TXT record beside those that are there; once more changes nothing. Raises `DnsError`."""

    async def clear(self, name: str, value: str) -> None:
        """Remove that record, if it is there. Raises `DnsError`."""
