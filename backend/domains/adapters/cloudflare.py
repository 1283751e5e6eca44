"""Cloudflare's API, version 4: zones and their DNS records, with an API token."""

from __future__ import annotations

from typing import Any

import httpx

from backend.domains.adapters.base import DnsError

SECONDS = 20.0
TTL = 60


class Cloudflare:
    def __init__(self, address: str, token: str) -> None:
        self._address = address.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}

    async def present(self, name: str, value: str) -> None:
        async with self._client() as http:
            zone = await self._zone(http, name)
            if not await self._records(http, zone, name, value):
                body = {"type": "TXT", "name": name, "content": f'"{value}"', "ttl": TTL}
                await self._ask(http, "POST", f"/zones/{zone}/dns_records", json=body)

    async def clear(self, name: str, value: str) -> None:
        async with self._client() as http:
            zone = await self._zone(http, name)
            for record in await self._records(http, zone, name, value):
                await self._ask(http, "DELETE", f"/zones/{zone}/dns_records/{record}")

    async def _zone(self, http: httpx.AsyncClient, name: str) -> str:
        labels = name.split(".")
        for at in range(1, len(labels) - 1):
            found = await self._ask(http, "GET", "/zones", params={"name": ".".join(labels[at:])})
            if found:
                return str(found[0]["id"])
        raise DnsError("dns_no_zone", name)

    async def _records(self, http: httpx.AsyncClient, zone: str, name: str, value: str) -> list[str]:
        params = {"type": "TXT", "name": name, "per_page": "100"}
        found = await self._ask(http, "GET", f"/zones/{zone}/dns_records", params=params)
        return [str(one["id"]) for one in found if one["content"].strip('"') == value]

    async def _ask(self, http: httpx.AsyncClient, method: str, path: str, **more: Any) -> Any:
        try:
            answer = await http.request(method, path, **more)
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise DnsError("dns_unreachable", type(error).__name__) from None
        if isinstance(body, dict) and body.get("success"):
            return body.get("result") or []
        said = "; ".join(str(one.get("message", "")) for one in (body or {}).get("errors") or [])
        denied = answer.status_code in (400, 401, 403)
        raise DnsError("dns_not_admitted" if denied else "dns_update_refused", said)

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self._address, headers=self._headers, timeout=SECONDS)
