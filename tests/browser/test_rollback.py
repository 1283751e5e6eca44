"""A new version turns out wrong, and its owner goes back to the one before."""

from __future__ import annotations

from collections.abc import Callable

from playwright.async_api import expect

from tests.browser.conftest import Windows
from tests.browser.panel import Panel, showing
from tests.support.customer import Customer
from tests.support.mailbox import Mailbox
from tests.support.stack import Stack

Fresh = Callable[[str], str]


async def two_releases(stack: Stack, customer: Customer, name: str) -> str:
    """The first shows a variable, the second lacks both page and value; returns the service's id."""
    git = stack.git
    git.commit(name, showing(git.app("", name), "GREETING").files, message="Greet")
    accepted = await customer.order(name, git.url(name), variables={"GREETING": "Welcome aboard"})
    await customer.live(accepted)
    service = str(accepted["service_id"])
    git.commit(name, git.app("Closed for repairs", f"{name}-2").files, message="Repaint")
    variables = {"variables": {"GREETING": "Keep off", "PAINT": "wet"}}
    answer = await customer.ask("PUT", f"/services/{service}/variables", json=variables)
    assert answer.status_code == 200, answer.text
    await customer.live(await customer.deploy(service))
    return service


async def test_from_the_history(stack: Stack, customer: Customer, panel: Panel, fresh: Fresh) -> None:
    name = fresh("dock")
    service = await two_releases(stack, customer, name)
    assert (await stack.visit(name)).text == "Closed for repairs"
    await panel.open(f"/services/{service}/deployments")
    await expect(panel.part("roll-back-2")).to_have_count(0)
    await panel.part("roll-back-1").click()
    dialog = panel.part("dialog")
    await expect(dialog.get_by_role("heading", level=2)).to_have_text("Roll back to release #1?")
    changes = panel.part("changes")
    await expect(changes).to_contain_text("Commit:")
    await expect(changes).to_contain_text("GREETING gets the value it had")
    await expect(changes).to_contain_text("PAINT is removed")
    await expect(changes).to_contain_text("with these variables different: GREETING, PAINT.")
    await expect(dialog).not_to_contain_text("Welcome aboard")

    # Who has second thoughts has changed nothing.
    await panel.button("Cancel").click()
    await expect(dialog).to_have_count(0)
    await expect(panel.part("roll-back-1")).to_be_focused()
    assert (await stack.visit(name)).text == "Closed for repairs"

    await panel.page.keyboard.press("Enter")
    await dialog.get_by_role("button", name="Roll back", exact=True).click()
    await panel.at("/deployments/[0-9a-f-]+")
    await panel.state("live")
    await expect(panel.part("restores")).to_have_text("Brings back release #1")
    await expect(panel.part("steps").locator("li")).to_have_count(2)
    await panel.step("checking", "done")
    await expect(panel.part("log")).to_contain_text("Bringing back release #1")
    visitor = await panel.visit()
    await expect(visitor.locator("body")).to_have_text("Welcome aboard")

    await panel.open(f"/services/{service}/deployments")
    rows = [panel.part(f"deployment-{number}") for number in (1, 2, 3)]
    await expect(rows[2]).to_contain_text("rollback to #1")
    await expect(rows[2]).to_contain_text("serving now")
    await expect(rows[1].locator(".badge")).to_have_attribute("data-state", "rolled_back")
    await expect(rows[1]).to_contain_text("It was rolled back to release #1.")
    # What it was rolled back from is still a release, and the service's own variables never changed.
    await rows[1].get_by_role("link").first.click()
    await panel.state("rolled_back")
    await expect(panel.part("reason")).to_have_text("It was rolled back to release #1.")
    await panel.button("Roll back to this release").click()
    await panel.part("dialog").get_by_role("button", name="Roll back", exact=True).click()
    await expect(panel.part("restores")).to_have_text("Brings back release #2")
    await panel.state("live")
    assert (await stack.visit(name)).text == "Closed for repairs"
    listed = (await customer.get(f"/services/{service}/variables"))["items"]
    assert [one["name"] for one in listed] == ["GREETING", "PAINT"]


async def test_who_may_not_sees_no_button(
    stack: Stack, customer: Customer, windows: Windows, mailbox: Mailbox, admin: Customer, fresh: Fresh
) -> None:
    service = await two_releases(stack, customer, fresh("pier"))
    project = (await customer.get("/projects"))["items"][0]["id"]
    viewer = await stack.customer()
    wanted = {"email": viewer.email, "role": "viewer"}
    answer = await customer.ask("POST", f"/projects/{project}/invitations", json=wanted)
    assert answer.status_code == 201, answer.text
    letter = await mailbox.letter(to=viewer.email, template="project_invitation")
    body = {"token": letter.links[0].partition("token=")[2]}
    assert (await viewer.ask("POST", "/invitations/accept", json=body)).status_code == 200
    releases = (await customer.get(f"/services/{service}/deployments"))["items"]
    for somebody in (viewer, admin):
        panel = await windows(somebody)
        for path in (f"/services/{service}/deployments", f"/deployments/{releases[-1]['id']}"):
            await panel.open(path)
            await expect(panel.page.get_by_text("Greet").first).to_be_visible()
            await expect(panel.part("roll-back-1")).to_have_count(0)
            await expect(panel.part("redeploy")).to_have_count(0)
    await viewer.close()


async def test_in_russian_on_a_phone(
    stack: Stack, customer: Customer, windows: Windows, fresh: Fresh
) -> None:
    service = await two_releases(stack, customer, fresh("mole"))
    panel = await windows(customer, language="ru", width=360)
    await panel.open(f"/services/{service}/deployments")
    await panel.part("roll-back-1").click()
    await expect(panel.part("changes")).to_contain_text("GREETING получит прежнее значение")
    await panel.part("dialog").get_by_role("button", name="Откатить", exact=True).click()
    await expect(panel.part("restores")).to_have_text("Возвращает релиз №1")
    await panel.state("live")
    await expect(panel.part("state")).to_have_text("Опубликовано")
