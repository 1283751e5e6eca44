"""Scheduled jobs in the browser: from the empty page to the output of a run, and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from playwright.async_api import expect

from tests.browser.panel import Panel


async def test_a_job_is_made_run_read_and_deleted(
    panel: Panel, deployed: Callable[..., Awaitable[str]]
) -> None:
    service = await deployed()
    await panel.open(f"/services/{service}/cron")
    await expect(panel.part("no-cron")).to_be_visible()
    await panel.part("new-cron").click()
    form = panel.part("cron-form")
    await form.locator("[name=name]").fill("Tide")
    await form.locator("[name=command]").fill("echo the tide rises; exit 4")
    await form.locator("#cron-preset").select_option("30 3 * * 1")
    await expect(panel.part("cron-times")).to_contain_text("Monday, at 03:30")
    await form.locator("[name=schedule]").fill("30 25 * * *")
    panel.watch.allow(422, "/api/v1/cron-schedules")
    await form.locator("[name=schedule]").blur()
    await expect(form.locator("#cron-schedule-error")).to_be_visible()
    await form.locator("[name=schedule]").fill("0 4 * * *")
    await form.locator("[type=submit]").click()
    await expect(panel.part("cron-job")).to_contain_text("Every day at 04:00")
    await panel.part("run-now").click()
    await expect(panel.part("cron-run").locator("[data-run-state=failed]")).to_be_visible(timeout=60_000)
    await expect(panel.part("cron-run")).to_contain_text("4")
    await panel.part("run-log").click()
    await expect(panel.part("run-printed")).to_contain_text("the tide rises")
    await panel.page.keyboard.press("Escape")
    await panel.part("remove-cron").click()
    await panel.part("dialog").locator("[value=yes]").click()
    await expect(panel.part("no-cron")).to_be_visible()
