"""A console and plots in a browser, under the panel's policy: what breaks it fails the test."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser import looking
from tests.browser.conftest import Windows
from tests.browser.harbour import Harbour


async def test_a_console_by_keyboard(windows: Windows, harbour: Harbour) -> None:
    panel = await windows(harbour.owner)
    await panel.open(f"/services/{harbour.services['tide-tables']}/console")
    await looking.console(panel)
    screen = panel.part("console").locator(".xterm-rows")
    # Colours of any kind keep within the policy for styles.
    await panel.page.keyboard.type("printf '\\033[38;2;255;100;0mA\\033[1;4;31mB\\033[0m\\n'\n")
    await expect(screen).to_contain_text("AB")
    await panel.page.set_viewport_size({"width": 500, "height": 800})
    await panel.page.keyboard.type("clear; stty size; echo гавань\n")
    await expect(screen).to_contain_text("гавань")
    # Tab is the shell's; Escape twice leaves.
    await panel.page.keyboard.press("Escape")
    await panel.page.keyboard.press("Escape")
    await expect(panel.part("console-leave")).to_be_focused()
    await panel.page.keyboard.press("Enter")
    await expect(panel.part("console-connect")).to_be_focused()
    await looking.console(panel)
    await panel.page.keyboard.type("exit\n")
    await expect(panel.part("console-connect")).to_be_visible()
    await expect(panel.part("console-state")).not_to_be_empty()


async def test_plots_and_their_tables(windows: Windows, harbour: Harbour) -> None:
    panel = await windows(harbour.owner)
    await panel.open(f"/services/{harbour.services['tide-tables']}/metrics")
    await looking.plots(panel)
    for name in ("24h", "7d", "90d"):
        await panel.page.locator(f"[data-action='metrics.range'][data-value='{name}']").click()
        chosen = panel.page.locator("[data-action='metrics.range'][aria-pressed=true]")
        await expect(chosen).to_have_attribute("data-value", name)
    rows = panel.part("metric-cpu").locator("details tbody tr")
    assert 15 < await rows.count() <= 25
