"""A stack as the API tells of it where services run in containers: here they are processes."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Route, expect

from tests.browser.panel import Panel

ID = "0199c2d4-9f3e-7c51-b2a4-3d5e6f708200"
NAME = "harbour-automation"


def _words(english: str, russian: str) -> dict[str, str]:
    return {"en": english, "ru": russian}


def _service(part: str, suffix: str, title: dict[str, str], image: str, **changes: Any) -> dict[str, Any]:
    return {
        "part": part,
        "title": title,
        "id": f"{ID[:-1]}{len(suffix)}",
        "name": NAME + suffix,
        "status": "running",
        "status_reason": None,
        "status_reason_code": None,
        "status_reason_parameters": {},
        "url": None,
        "host": NAME + suffix,
        "port": 5432,
        "plan_id": "dinghy",
        "image": image,
        "needs": [],
        "waiting": False,
        "deployment_id": ID,
        "deployment_state": "live",
        "deployment_reason": None,
        "deployment_reason_code": None,
        "deployment_reason_parameters": {},
        "behind": False,
        "dropped": False,
        **changes,
    }


_STACK = {
    "id": ID,
    "name": NAME,
    "template_id": "n8n-queue",
    "version": 2,
    "title": _words("n8n in queue mode", "n8n с очередью"),
    "icon": "again",
    "deleting": False,
    "parameters": {"time_zone": "Europe/Lisbon", "workers": "2"},
    "secrets": [
        {"name": "key", "title": _words("Encryption key", "Ключ шифрования"), "masked": "••••••••"},
        {"name": "db", "title": _words("Database password", "Пароль базы данных"), "masked": "••••••••"},
    ],
    "services": [
        _service(
            "db",
            "-db",
            _words("Database", "База данных"),
            "docker.io/library/postgres:17.6",
            status="failed",
            deployment_state="failed",
            deployment_reason="The release did not become healthy in time.",
            behind=True,
        ),
        _service("redis", "-redis", _words("Broker", "Брокер"), "docker.io/library/redis:8.2", dropped=True),
        _service(
            "app",
            "",
            _words("n8n", "n8n"),
            "docker.io/n8nio/n8n:2.20.9@sha256:" + "4f" * 32,
            status="pending",
            deployment_state="queued",
            url=f"http://{NAME}.localhost:8080",
            needs=["db"],
            waiting=True,
        ),
    ],
    "upgrade": {
        "version": 3,
        "changes": _words("Workflows start sooner.", "Процессы запускаются быстрее."),
        "images": [
            {
                "part": "app",
                "name": NAME,
                "before": "docker.io/n8nio/n8n:2.20.9@sha256:" + "4f" * 32,
                "after": "docker.io/n8nio/n8n:2.21.0@sha256:" + "a7" * 32,
            }
        ],
        "added": [
            {
                "part": "cache",
                "name": f"{NAME}-cache",
                "title": _words("Cache", "Кэш"),
                "image": "docker.io/valkey/valkey:8.1",
                "plan_id": "dinghy",
            }
        ],
        "dropped": [{"part": "db", "name": f"{NAME}-db"}],
        "parameters": [],
    },
    "created_at": "2026-11-20T08:30:00Z",
}


_QUOTE = {
    "charged": True,
    "currency": "EUR",
    "services": [],
    "month_minor": 3940,
    "month_total_minor": 3940,
    "setup_total_minor": 0,
    "held_minor": 3940,
    "balance_minor": 2500,
    "available_minor": 2500,
    "missing_minor": 1440,
}


async def one(panel: Panel) -> None:
    """One that failed, one that waits for it, one that is no longer part of it, and a newer version."""

    async def answer(route: Route) -> None:
        mine = await (await route.fetch(url=f"{panel.address}/api/v1/services?size=1")).json()
        await route.fulfill(json={**_STACK, "project_id": mine["items"][0]["project_id"]})

    await panel.page.route(f"**/api/v1/stacks/{ID}", answer)
    await panel.open(f"/stacks/{ID}")
    await expect(panel.part("dropped")).to_be_visible()


async def available(panel: Panel) -> None:
    """The form of a template of several services, as where they run in containers."""

    async def answer(route: Route) -> None:
        found = await (await route.fetch()).json()
        able = [{**item, "available": True, "missing_abilities": []} for item in found["items"]]
        await route.fulfill(json={"items": able})

    async def quote(route: Route) -> None:
        await route.fulfill(json=_QUOTE)

    await panel.page.route("**/api/v1/stack-templates", answer)
    await panel.page.route("**/api/v1/stacks/preview", quote)
    await panel.page.reload()
    await expect(panel.part("stack-quote").locator("dl")).to_be_visible()
