"""The main job: somebody new brings an app from git, sees it live, breaks it, and mends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from playwright.async_api import expect

from embedded.examples import publish
from tests.browser.panel import Panel, showing
from tests.support.customer import PASSWORD
from tests.support.mailbox import Mailbox
from tests.support.stack import ROOT, Stack

Fresh = Callable[[str], str]


async def test_from_registration_to_a_mended_app(
    stack: Stack, guest: Panel, fresh: Fresh, mailbox: Mailbox
) -> None:
    panel, git, name = guest, stack.git, fresh("ferry")
    app = showing(git.app("", name), "GREETING")
    first = git.waiting_start(git.waiting_build(app, f"build-{name}"), f"start-{name}")
    git.commit(name, first.files, message="Set sail")

    await panel.open("/")
    await panel.at("/login")
    await panel.link("Register").click()
    await panel.field("Name optional").fill("Inês")
    await panel.field("E-mail").fill(f"{name}@example.com")
    await panel.field("Password").fill(PASSWORD)
    await panel.button("Create account").click()

    await panel.at("/services")
    await expect(panel.page.get_by_text("The harbour is calm")).to_be_visible()
    letter = await mailbox.letter(to=f"{name}@example.com", template="verify_email")
    await panel.page.goto(letter.links[0])
    await expect(panel.heading()).to_have_text("The address is confirmed")
    await panel.link("Go on").click()
    await panel.at("/services")
    await panel.link("Deploy your first app").click()
    await panel.at("/services/new")
    await panel.fill_order(name, git.url(name), GREETING="Welcome aboard")
    await expect(panel.part("address-preview")).to_contain_text(f"http://{name}.localhost:{stack.port}")
    await panel.part("order-submit").click()

    await panel.at("/deployments/[0-9a-f-]+")
    await panel.state("building")
    await panel.step("fetching", "done")
    await panel.step("building", "active")
    await panel.step("checking", "pending")
    await expect(panel.part("log")).to_contain_text("Set sail")
    at_build = await panel.progress_beyond(0)
    assert at_build < 100

    git.open(f"build-{name}")
    await panel.state("checking")
    await panel.step("building", "done")
    await panel.step("checking", "active")
    assert await panel.progress_beyond(at_build) < 100
    await expect(panel.part("log")).not_to_contain_text("Live.")

    git.open(f"start-{name}")
    await panel.state("live")
    await panel.step("checking", "done")
    await expect(panel.part("log")).to_contain_text("Live.")
    assert await panel.progress_beyond(99) == 100
    visitor = await panel.visit()
    assert visitor.url == f"http://{name}.localhost:{stack.port}/"
    await expect(visitor.locator("body")).to_have_text("Welcome aboard")

    broken = replace(app, before="sys.exit('no such table: berths')")
    git.commit(name, broken.files, message="Rename a table")
    await panel.part("redeploy").click()
    await panel.state("failed")
    reason = panel.part("reason")
    await expect(reason).to_have_attribute("data-reason-code", "unit_exited")
    await expect(reason).to_contain_text("The app exited at start")
    await expect(reason).to_contain_text("The previous release keeps serving.")
    await expect(panel.part("log")).to_contain_text("no such table: berths")
    await expect(panel.heading()).to_have_text("Deployment #2")
    await visitor.reload()
    await expect(visitor.locator("body")).to_have_text("Welcome aboard")

    mended = replace(app, before=app.before.replace(".encode()", ".upper().encode()"))
    git.commit(name, mended.files, message="Name it back")
    await panel.part("redeploy").click()
    await expect(panel.heading()).to_have_text("Deployment #3")
    await panel.state("live")
    await visitor.reload()
    await expect(visitor.locator("body")).to_have_text("WELCOME ABOARD")

    await panel.page.get_by_role("navigation", name="Where you are").get_by_role("link", name=name).click()
    await panel.status("running")
    await panel.link("Deployments").click()
    rows = [panel.part(f"deployment-{number}") for number in (3, 2, 1)]
    for row, state, subject in zip(
        rows, ["live", "failed", "replaced"], ["Name it back", "Rename a table", "Set sail"], strict=True
    ):
        await expect(row.locator(".badge")).to_have_attribute("data-state", state)
        await expect(row).to_contain_text(subject)
    await expect(panel.part("deployments").get_by_text("serving now")).to_have_count(1)
    await expect(rows[0]).to_contain_text("serving now")


async def test_an_example_of_the_catalogue(stack: Stack, panel: Panel, fresh: Fresh) -> None:
    publish(ROOT / "examples", stack.layout.examples)
    name = fresh("example")
    await panel.open("/services/new")
    await panel.part("templates").locator("[value=example-static]").check()
    await expect(panel.field("Repository")).to_have_value(f"{panel.address}/examples/static.git")
    await expect(panel.field("Repository")).not_to_be_editable()
    await panel.field("Name").first.fill(name)
    await panel.part("order-submit").click()
    await panel.state("live")
    visitor = await panel.visit()
    await expect(visitor.locator("h1")).to_be_visible()


async def test_a_double_click_orders_once(stack: Stack, panel: Panel, fresh: Fresh) -> None:
    name = fresh("double")
    stack.git.commit(name, {"index.html": "once"})
    await panel.open("/services/new")
    await panel.fill_order(name, stack.git.url(name))
    await panel.part("order-submit").dblclick()
    await panel.state("live")
    await panel.open("/services")
    await expect(panel.part("services").get_by_role("listitem")).to_have_count(1)


async def test_a_failed_first_order_says_why(stack: Stack, panel: Panel, fresh: Fresh) -> None:
    name = fresh("empty")
    stack.git.commit(name, {"README": "nothing to run"})
    await panel.open("/services/new")
    await panel.fill_order(name, stack.git.url(name))
    await panel.part("order-submit").click()
    await panel.state("failed")
    await expect(panel.part("reason")).to_have_attribute("data-reason-code", "app_unrecognised")
    await expect(panel.part("reason")).not_to_contain_text("previous release")
    await panel.open("/services")
    row = panel.part(f"service-{name}")
    await expect(row.locator(".badge")).to_have_attribute("data-state", "failed")
    await row.get_by_role("link", name=name, exact=True).click()
    await panel.status("failed")
    await expect(panel.part("open-app")).to_have_count(0)


async def test_what_is_wrong_with_an_order_is_said_beside_the_field(
    stack: Stack, panel: Panel, fresh: Fresh
) -> None:
    await panel.open("/services/new")
    await panel.part("order-submit").click()
    await expect(panel.error_of("Repository")).to_have_text("Please fill this in.")
    await panel.fill_order("Not A Name", "http://10.0.0.1/app.git")
    await expect(panel.page.locator("#name-error")).to_have_text("Begin with a lowercase Latin letter.")
    await panel.field("Name").first.fill("www")
    panel.watch.allow(422, "/api/v1/orders")
    await panel.part("order-submit").click()
    await expect(panel.page.locator("#name-error")).to_contain_text("reserved")
    await expect(panel.page.locator("#name")).to_be_focused()
    await panel.field("Name").first.fill(fresh("inner"))
    await panel.part("order-submit").click()
    await expect(panel.error_of("Repository")).to_contain_text("internal address")
    await panel.at("/services/new")
