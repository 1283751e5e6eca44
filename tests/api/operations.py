"""Every operation of the API document, and how a test calls it: a new one has to be added here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI

PUBLIC = frozenset(
    {
        *("oauth_token", "oauth_revoke", "oauth_jwks", "oauth_metadata", "users_register"),
        *("plans_list", "templates_list", "system_health", "system_ready"),
    }
)
"""Answered without a token: everything else says 401."""

OWN = frozenset({"me_get", "me_update", "projects_list", "orders_create"})
"""About nobody but whoever asks, although there is no id in the path."""

EMPTY_LISTS = frozenset({"services_list", "orders_list", "jobs_list"})


def order_body() -> dict[str, Any]:
    return {
        "template_id": "git-app",
        "plan_id": "dinghy",
        "name": f"t-{uuid4().hex[:10]}",
        "source": {"repo_url": "https://git.example.com/a.git"},
        "variables": {"TOKEN": "a value"},
    }


FORMS = {
    "oauth_token": {
        "grant_type": "password",
        "client_id": "cli",
        "username": "a@example.com",
        "password": "x",
    },
    "oauth_revoke": {"client_id": "cli", "token": "x"},
}
BODIES: dict[str, Any] = {
    "users_register": lambda: {"email": f"{uuid4().hex}@example.com", "password": "a lighthouse on a quay"},
    "me_update": lambda: {"name": "Somebody"},
    "orders_create": order_body,
    "services_update": lambda: {"health_path": "/changed"},
    "variables_replace": lambda: {"variables": {"TOKEN": "another value"}},
    "deployments_create": dict,
}


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    document: dict[str, Any]

    @property
    def ids(self) -> list[str]:
        """Names of the ids in the path."""
        return [one["name"] for one in self.document.get("parameters", []) if one["in"] == "path"]

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """Of the query, by name, with their schemas."""
        found = self.document.get("parameters", [])
        return {one["name"]: one["schema"] for one in found if one["in"] == "query"}

    @property
    def is_admin(self) -> bool:
        return "admin" in self.document["tags"]

    @property
    def is_list(self) -> bool:
        return "cursor" in self.parameters

    def declares(self, answer: httpx.Response) -> bool:
        return str(answer.status_code) in self.document["responses"]

    def at(self, ids: Mapping[str, str]) -> str:
        """The path; a `KeyError` names an id that the test does not know how to fill."""
        return self.path.format(**{name: ids[name] for name in self.ids})

    async def call(
        self,
        client: httpx.AsyncClient,
        ids: Mapping[str, str],
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        """A well-formed call. Streams are not waited for beyond their first bytes."""
        sent: dict[str, Any] = {"headers": dict(headers or {}), "params": params}
        if self.id in FORMS:
            sent["data"] = FORMS[self.id]
        elif "requestBody" in self.document:
            sent["json"] = BODIES[self.id]()
        return await client.request(self.method, self.at(ids), **sent)


def operations(app: FastAPI) -> list[Operation]:
    return list(_operations(app.openapi()))


def _operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, one in methods.items():
            yield Operation(one["operationId"], method.upper(), path, one)


def is_problem(answer: httpx.Response, *, oauth: bool = False) -> bool:
    """Whether it is an error in the documented shape."""
    body = answer.json()
    if oauth:
        return "error" in body
    return (
        answer.headers["content-type"] == "application/problem+json"
        and body["status"] == answer.status_code
        and bool(body["code"])
        and bool(body["title"])
        and bool(body["detail"])
        and body["request_id"] == answer.headers["x-request-id"]
    )
