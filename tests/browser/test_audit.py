"""The audit trail as a person reads it: unfolded in place, narrowed, taken along as a file."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from playwright.async_api import expect

from tests.browser.conftest import Windows
from tests.browser.panel import Panel
from tests.support.customer import Customer

DECLINED = "https://git.example.com/{}.git"


async def ordered(customer: Customer, name: str) -> str:
    """A service whose repository does not exist; it was changed twice."""
    service = (await customer.order(name, DECLINED.format("a"), variables={"TOKEN": "hidden"}))["service_id"]
    path, source = f"/services/{service}", {"repo_url": DECLINED.format("b"), "ref": "next"}
    await customer.ask("PATCH", path, json={"source": source})
    await customer.ask("PUT", f"{path}/variables", json={"variables": {"TOKEN": None, "NEW": "x"}})
    return str(service)


async def test_own_activity(panel: Panel, customer: Customer, fresh) -> None:  # type: ignore[no-untyped-def]
    name = fresh("app")
    service = await ordered(customer, name)
    await panel.open("/activity")
    await expect(panel.heading()).to_have_text("Activity")
    events = panel.part("audit-event")
    changed = panel.page.locator("[data-audit='service.updated']")
    await expect(changed).to_contain_text(name)

    # By keyboard: the row unfolds in place.
    await changed.locator("summary").focus()
    await panel.page.keyboard.press("Enter")
    changes = changed.get_by_test_id("changes")
    await expect(changes.locator("del", has_text=DECLINED.format("a"))).to_be_visible()
    await expect(changes.locator("ins", has_text=DECLINED.format("b"))).to_be_visible()
    await expect(changes).to_contain_text("Branch")
    await expect(changed.get_by_role("link", name=name)).to_have_attribute("href", f"/services/{service}")
    await expect(changed).to_contain_text(customer.email)

    await panel.field("What").select_option("service.variables_replaced")
    await expect(events).to_have_count(1)
    await events.locator("summary").click()
    await expect(events).to_contain_text("NEW, TOKEN")
    await panel.field("What").select_option("")
    await expect(events).not_to_have_count(1)

    # Only what happened to this service; the address remembers it.
    await changed.locator("summary").click()
    await changed.get_by_role("button", name=f"Only events with: {name}").click()
    await expect(events).to_have_count(3)
    await panel.at(f"/activity\\?.*object_id={service}")
    await panel.reload()
    await expect(events).to_have_count(3)
    await panel.part("chips").get_by_role("button").click()
    await expect(events).not_to_have_count(3)

    await panel.field("From").fill("2999-01-01")
    await expect(panel.page.get_by_text("Nothing fits")).to_be_visible()
    await panel.field("From").fill("")
    await expect(events).not_to_have_count(0)


async def test_activity_follows_the_chosen_project(panel: Panel, customer: Customer, fresh) -> None:  # type: ignore[no-untyped-def]
    await ordered(customer, name := fresh("app"))
    made = (await customer.ask("POST", "/projects", json={"name": "Second berth"})).json()
    await panel.open("/activity")
    events = panel.part("audit-event")
    await expect(events.filter(has_text=name).first).to_be_visible()
    await panel.part("project-switcher").select_option(made["id"])
    await expect(events).to_have_count(1)
    await expect(events).to_have_attribute("data-audit", "project.created")
    await panel.part("project-switcher").select_option("")
    await expect(events.filter(has_text=name).first).to_be_visible()


async def test_why_a_session_ended_is_said_in_russian(windows: Windows, customer: Customer) -> None:
    second = await windows(customer)
    await second.open("/services")
    await second.sign_out()
    await second.at("/login")
    panel = await windows(customer, language="ru")
    await panel.open("/activity")
    event = panel.page.locator("[data-audit='session.ended']")
    await event.locator("summary").click()
    await expect(event.get_by_test_id("changes")).to_contain_text("Выход из аккаунта")


async def test_the_file(panel: Panel, customer: Customer, fresh, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    name = fresh("app")
    await ordered(customer, name)
    await panel.open("/activity")
    await panel.field("What").select_option("service.ordered")
    await expect(panel.part("audit-event")).to_have_count(1)
    async with panel.page.expect_download() as coming:
        await panel.part("export").click()
    await (await coming.value).save_as(tmp_path / "audit.csv")
    body = (tmp_path / "audit.csv").read_text(encoding="utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(body, newline=""))
    assert (row["object_name"], row["user_email"]) == (name, customer.email)


async def test_an_administrator_sees_everyone(
    windows: Windows,
    admin: Customer,
    customer: Customer,
    fresh,  # type: ignore[no-untyped-def]
) -> None:
    name = fresh("app")
    await ordered(customer, name)
    panel = await windows(admin)
    await panel.open("/services")
    await panel.link("Audit trail").click()
    await panel.at("/admin/audit")
    await expect(panel.heading()).to_have_text("Audit trail")
    event = panel.page.locator("[data-audit='service.ordered']", has_text=name)
    await event.locator("summary").click()
    await expect(event).to_contain_text(customer.email)
    await event.get_by_role("button", name="Only events with:").first.click()
    await expect(panel.part("chips").get_by_role("button")).to_have_count(1)
    await expect(panel.page.locator("[data-audit='user.registered']")).to_have_count(1)
