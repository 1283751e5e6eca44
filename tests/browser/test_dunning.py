"""Money runs out: what its customer sees of it, and what an administrator does about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from playwright.async_api import expect

from tests.browser.conftest import Windows
from tests.browser.panel import Panel
from tests.support.coffer import Coffer
from tests.support.customer import Customer


async def test_suspended_and_let_go(
    windows: Windows,
    panel: Panel,
    customer: Customer,
    admin: Customer,
    deployed: Callable[..., Awaitable[str]],
    coffer: Coffer,
) -> None:
    service_id = await deployed()
    service = await customer.service(service_id)
    project_id = UUID(service["project_id"])
    await panel.open("/billing")
    await expect(panel.part("balance")).to_be_visible()
    await coffer.drain(project_id)
    await customer.has_status(service_id, "stopped")

    await panel.page.evaluate("localStorage.removeItem('gavan.profile')")
    await panel.open("/services")
    await expect(panel.part("money-notice")).to_have_attribute("data-stage", "suspended")
    row = panel.part(f"service-{service['name']}")
    await expect(row.locator("[data-state=suspended]")).to_be_visible()
    await row.get_by_role("link", name=service["name"], exact=True).click()
    await expect(panel.part("suspended")).to_be_visible()
    for verb in ("start", "redeploy", "restart"):
        await expect(panel.part(verb)).to_have_count(0)
    await panel.link("Go to billing and top up").click()
    await panel.at(f"/billing\\?project={project_id}")
    await expect(panel.part("money-notice")).to_contain_text("€0.50")

    office = await windows(admin)
    await office.open(f"/admin/billing?project={project_id}")
    form = office.part("override-form")
    await form.get_by_label("Never suspend; only write letters").check()
    await form.get_by_label("Reason, for the record").fill("Pays by the quarter, ticket 204")
    await form.get_by_role("button", name="Save").click()
    await expect(office.part("toasts")).to_contain_text("The exception was saved.")
    await customer.has_status(service_id, "running")
    await panel.open(f"/services/{service_id}")
    await expect(panel.part("status")).to_have_text("Running")
    await expect(panel.part("money-notice")).to_have_attribute("data-stage", "grace")
    await coffer.pay(project_id, 100)
