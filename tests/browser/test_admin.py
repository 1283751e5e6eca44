"""What an administrator sees of everybody's, and everybody else does not."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.conftest import Windows
from tests.browser.harbour import Harbour
from tests.browser.panel import Panel
from tests.support.customer import Customer


async def test_an_administrator_sees_all(windows: Windows, admin: Customer, harbour: Harbour) -> None:
    name, service = "tide-tables", harbour.services["tide-tables"]
    panel = await windows(admin)
    await panel.open("/services")
    await panel.link("Overview").click()
    await panel.at("/admin")
    await expect(panel.heading()).to_have_text("Overview")
    await expect(panel.part("parts").get_by_role("listitem")).not_to_have_count(0)
    await expect(panel.part("parts").locator("[data-state=down]")).to_have_count(0)

    await panel.link("All services").click()
    await panel.at("/admin/services")
    await expect(panel.heading()).to_have_text("All services")
    await panel.field("Search by name").fill(name)
    row = panel.part(f"service-{name}")
    await expect(row).to_contain_text(harbour.owner.email)
    await row.get_by_role("link", name=name, exact=True).click()
    await panel.at(f"/services/{service}")
    await expect(panel.page.get_by_text("as an administrator")).to_be_visible()
    await expect(panel.part("stop")).to_have_count(0)
    await expect(panel.part("tabs").get_by_role("link")).to_have_text(
        ["Overview", "Deployments", "Processes", "Logs", "Metrics", "Domains"]
    )
    await panel.link("Logs").click()
    await expect(panel.part("log")).to_be_visible()

    await panel.link("All jobs").click()
    await panel.at("/admin/jobs")
    await expect(panel.heading()).to_have_text("All jobs")
    await panel.field("Kind").select_option("service.deploy")
    await panel.part("job-row").filter(has_text=name).first.get_by_role("link", name="Deployment").click()
    await expect(panel.heading()).to_contain_text(name)


async def test_a_customer_sees_nothing_of_it(panel: Panel) -> None:
    await panel.open("/services")
    links = panel.part("nav").get_by_role("link")
    await expect(links).to_have_text(["Services", "Jobs", "Billing", "Projects", "Profile"])
    for path in ("/admin", "/admin/services", "/admin/jobs"):
        await panel.open(path)
        await expect(panel.heading()).to_have_text("Nothing at this berth")
    # Nor when the browser is told that there is more.
    panel.watch.allow(403, "/api/v1/admin/.*")
    await panel.page.evaluate(
        """() => {
          const profile = JSON.parse(localStorage["gavan.profile"]);
          profile.permissions.push("admin:overview", "admin:services", "admin:jobs");
          localStorage["gavan.profile"] = JSON.stringify(profile);
        }"""
    )
    for path in ("/admin", "/admin/services", "/admin/jobs"):
        await panel.open(path)
        await expect(panel.page.get_by_text("You are not permitted to do this.")).to_be_visible()


async def test_a_stranger_sees_nothing_of_a_service(panel: Panel, harbour: Harbour) -> None:
    panel.watch.allow(404, "/api/v1/.*")
    for path in (
        f"/services/{harbour.services['tide-tables']}",
        f"/deployments/{harbour.live}",
        f"/jobs/{harbour.job}",
    ):
        await panel.open(path)
        await expect(panel.heading()).to_have_text("Nothing at this berth")
