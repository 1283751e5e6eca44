"""Numbers as those of a service that has run for a while; nobody waits for them."""

from __future__ import annotations

import math
import time
from typing import Any

from playwright.async_api import Route, expect

from tests.browser.panel import Panel

MIB = 2**20
SPANS = {"1h": (3600, 15), "24h": (86_400, 300), "7d": (604_800, 1800), "90d": (7_776_000, 21_600)}


def metrics(wanted: str, by: str) -> dict[str, Any]:
    span, step = SPANS[wanted]
    until = int(time.time()) // step * step
    at = list(range(until - span, until + step, step))

    def unit(process: str | None, replica: int | None, scale: float) -> dict[str, Any]:
        wave = [scale * (1 + math.sin(number / 17) / 3 + (number % 7) / 30) for number in range(len(at))]
        wave[len(at) // 3] *= 2
        gap: list[float | None] = [None if 90 < number < 100 else value for number, value in enumerate(wave)]

        def times(factor: float) -> list[float | None]:
            return [None if value is None else round(value * factor, 1) for value in gap]

        return {
            "process": process,
            "replica": replica,
            **{"cpu_millis": times(80), "cpu_peak": times(110)},
            **{"memory_bytes": times(60 * MIB), "memory_peak": times(64 * MIB)},
            **{"received": times(9_000), "sent": times(31_000)},
        }

    units = [("web", 1, 1.0), ("web", 2, 0.8), ("worker", 1, 0.4)]
    series = [unit(*one) for one in units] if by == "unit" else [unit(None, None, 2.2)]
    now = [
        {
            "process": process,
            "replica": replica,
            "cpu_millis": 80 * scale,
            "memory_bytes": int(64 * MIB * scale),
            "memory_limit": 256 * MIB,
            "received": 9000 * scale,
            "sent": 31_000 * scale,
        }
        for process, replica, scale in units
    ]
    limits = {"memory_bytes": 256 * MIB, "cpu_millis": 250}
    return {"range": wanted, "step": step, "at": at, "series": series, "now": now, "limits": limits}


async def plots(panel: Panel) -> None:
    """A plot of each measure, of each unit, with what ended."""

    async def answer(route: Route) -> None:
        asked = route.request.url
        wanted = next(name for name in SPANS if f"range={name}" in asked)
        await route.fulfill(json=metrics(wanted, "unit" if "by=unit" in asked else "sum"))

    async def ends(route: Route) -> None:
        page = await (await route.fetch()).json()
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1500))
        page["items"] = [
            {
                "id": "01990000-0000-7000-8000-000000000001",
                "at": moment,
                "kind": "exited",
                "deployment_id": page["items"][0]["deployment_id"],
                "process": "web",
                "replica": 2,
                "reason_code": "unit_exited",
                "reason": "It used more memory than the 256 MiB of its plan and was killed.",
                "reason_parameters": {
                    "because": "out_of_memory",
                    "limit_bytes": 256 * MIB,
                    "exit_status": 137,
                },
            },
            *page["items"],
        ]
        await route.fulfill(json=page)

    await panel.page.route("**/metrics?*", answer)
    await panel.page.route("**/events?*", ends)
    await panel.page.reload()
    await expect(panel.part("metric-memory").locator("canvas")).to_be_visible()
    await panel.part("metric-by").get_by_role("button").last.click()
    await expect(panel.part("metric-network").locator("canvas")).to_be_visible()
    await panel.part("metric-network").locator("summary").click()


async def console(panel: Panel) -> None:
    await panel.part("console-connect").click()
    await expect(panel.page.locator("[data-testid=console][data-open]")).to_be_visible()
    await expect(panel.part("console").locator(".xterm-rows")).to_contain_text("$")
    await panel.page.keyboard.type("echo $((6 * 7))-harbour\n")
    await expect(panel.part("console").locator(".xterm-rows")).to_contain_text("42-harbour")
