"""Projects and their members, users and roles, and looking at an account as its user sees it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import Language, Windows
from tests.browser.inspection import HEIGHTS, misfits, unreadable
from tests.browser.panel import Panel
from tests.support.customer import Customer
from tests.support.mailbox import Mailbox
from tests.support.stack import Stack, until

WIDTHS = (360, 1440)
NIGHT_WATCH = "Night watch of the Oberweserdampfschifffahrtsgesellschaft and all its lighthouses"


@pytest.fixture
async def mate(stack: Stack) -> AsyncIterator[Customer]:
    somebody = await stack.customer()
    yield somebody
    await somebody.close()


async def fits(panel: Panel, width: int) -> None:
    assert [*await unreadable(panel.page, "en"), *await misfits(panel.page, width)] == []
    await panel.page.set_viewport_size({"width": width, "height": HEIGHTS[width]})


async def confirm(panel: Panel, button: str, typed: str | None = None) -> None:
    dialog = panel.part("dialog")
    if typed is not None:
        await dialog.get_by_role("textbox").fill(typed)
    await dialog.get_by_role("button", name=button, exact=True).click()


@pytest.mark.parametrize("width", WIDTHS)
async def test_invited_accepted_changed_removed(
    stack: Stack, windows: Windows, customer: Customer, mate: Customer, mailbox: Mailbox, width: int
) -> None:
    owner, other = await windows(customer, width=width), await windows(mate, width=width)
    name = mate.email.partition("@")[0]
    await owner.open("/projects")
    await fits(owner, width)
    await owner.part("new-project").click()
    await owner.part("new-project-form").get_by_label("Name").fill("Harbour office")
    await owner.button("Make project").click()
    await owner.at("/projects/[0-9a-f-]{36}")
    await expect(owner.heading()).to_have_text("Harbour office")
    project = urlsplit(owner.page.url).path
    danger = owner.page.locator(".danger-zone")
    await expect(owner.part("project-leave")).to_be_disabled()
    await expect(danger).to_contain_text("the only owner and the only member, so you cannot leave. Invite")

    form = owner.part("invite-form")
    await form.get_by_label("E-mail").fill("no address")
    await owner.button("Invite").click()
    await expect(owner.error_of("E-mail")).to_have_text("This does not look like an e-mail address.")
    await form.get_by_label("E-mail").fill(mate.email)
    await owner.button("Invite").click()
    await expect(owner.toast(f"The invitation to {mate.email} is on its way.")).to_be_visible()
    await expect(owner.part("invited")).to_contain_text(mate.email)
    await fits(owner, width)

    letter = await mailbox.letter(to=mate.email, template="project_invitation")
    link = urlsplit(letter.links[0])
    await other.open(f"{link.path}?{link.query}")
    await expect(other.part("accepting")).to_contain_text(mate.email)
    await fits(other, width)
    await other.part("accept").click()
    await other.at(project)
    await expect(other.part("member")).to_have_count(2)
    await expect(other.part("invite-form")).to_be_hidden()
    await expect(other.part("project-switcher")).to_be_visible()
    await expect(other.part("project-leave")).to_be_enabled()
    await fits(other, width)
    # A link that was used is said to be, to somebody else and again to the same person.
    await other.open(f"{link.path}?{link.query}")
    await expect(other.part("invitation")).to_contain_text("You are a member of Harbour office already.")

    await owner.reload()
    await expect(owner.part("project-leave")).to_be_disabled()
    await expect(danger).to_contain_text("cannot leave. Hand the project over to another member first.")
    role = owner.field(f"Role of {name}")
    await expect(role).to_have_value("developer")
    await role.select_option("owner")
    await expect(owner.part("project-leave")).to_be_enabled()
    await role.select_option("viewer")
    await expect(owner.part("project-leave")).to_be_disabled()
    await expect(owner.toast("The role was changed.").last).to_be_visible()
    await other.open(project)
    await expect(other.part("member").filter(has_text=mate.email)).to_contain_text("Viewer")

    await owner.button(f"Remove {name}").click()
    await confirm(owner, "Remove")
    await expect(owner.part("member")).to_have_count(1)
    other.watch.allow(404, "/api/v1/projects/.*")
    await other.open(project)
    await expect(other.heading()).to_have_text("Nothing at this berth")

    await owner.part("project-delete").click()
    await confirm(owner, "Delete project", "Harbour office")
    await owner.at("/projects")
    await expect(owner.part("project")).to_have_count(1)


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_pages_fit_and_can_be_read(
    stack: Stack,
    windows: Windows,
    customer: Customer,
    mate: Customer,
    admin: Customer,
    mailbox: Mailbox,
    language: Language,
) -> None:
    made = await customer.ask("POST", "/projects", json={"name": "Harbour office"})
    project = f"/projects/{made.json()['id']}"
    for email, role in ((mate.email, "billing"), ("somebody@example.com", "owner")):
        await customer.ask("POST", f"{project}/invitations", json={"email": email, "role": role})
    letter = await mailbox.letter(to=mate.email, template="project_invitation")
    link = urlsplit(letter.links[0])
    person = f"/admin/users/{(await mate.get('/me'))['id']}"
    places = [
        (customer, project, "members"),
        (mate, f"{link.path}?{link.query}", "accepting"),
        (mate, "/invitation?token=nothing-that-was-ever-sent", "invitation"),
        (admin, person, "user-roles"),
    ]
    found = []
    for somebody, path, part in places:
        panel = await windows(somebody, language=language)
        panel.watch.allow(404, "/api/v1/invitations/preview")
        await panel.open(path)
        await expect(panel.part(part)).to_be_visible()
        found += await unreadable(panel.page, language)
        for width in HEIGHTS:
            found += await misfits(panel.page, width)
    assert found == []


async def notes(route: Route, told: list[str]) -> None:
    told.append(route.request.headers.get("referer", ""))
    await route.continue_()


async def test_a_link_leads_through_sign_in(
    stack: Stack, windows: Windows, customer: Customer, mate: Customer, mailbox: Mailbox
) -> None:
    project = (await customer.get("/projects"))["items"][0]["id"]
    wanted = {"email": mate.email, "role": "viewer"}
    answer = await customer.ask("POST", f"/projects/{project}/invitations", json=wanted)
    assert answer.status_code == 201, answer.text
    letter = await mailbox.letter(to=mate.email, template="project_invitation")
    link = urlsplit(letter.links[0])
    panel = await windows()
    panel.watch.allow(400, "/oauth/token")
    told: list[str] = []
    await panel.page.route("**/api/**", lambda route: notes(route, told))
    await panel.open(f"{link.path}?{link.query}")
    # Through sign-in and registration the link goes on, its secret stays out of the address.
    await panel.at(r"/login\?next=%2Finvitation")
    await panel.link("Register").click()
    await panel.at(r"/register\?next=%2Finvitation")
    await panel.link("Sign in").click()
    await panel.sign_in(mate.email, mate.password)
    await expect(panel.part("accepting")).to_contain_text(mate.email)
    await panel.at("/invitation")
    # By the account menu in another language, the page still knows it.
    await panel.part("account").click()
    await panel.part("account-menu").get_by_text("Русский").click()
    await expect(panel.part("accepting")).to_contain_text(mate.email)
    await panel.part("account-menu").get_by_text("English").click()
    await expect(panel.heading()).to_have_text("Invitation")
    secret = link.query.removeprefix("token=")
    assert told
    assert not [address for address in told if secret in address]
    await panel.open("/invitation")
    await expect(panel.part("invitation")).to_contain_text("The link is gone")
    panel.watch.allow(422, "/api/v1/invitations/preview")
    await panel.open("/invitation?token=nothing")
    await expect(panel.part("invitation")).to_contain_text("This link leads nowhere")


async def test_lists_and_orders_follow_the_chosen_project(
    stack: Stack, windows: Windows, customer: Customer
) -> None:
    made = await customer.ask("POST", "/projects", json={"name": "Second berth"})
    assert made.status_code == 201, made.text
    panel = await windows(customer)
    await panel.open("/services")
    narrowed = re.compile(rf"/api/v1/(services|jobs)\?.*project_id={made.json()['id']}")
    async with panel.page.expect_request(narrowed) as services:
        await panel.part("project-switcher").select_option(label="Second berth")
    assert "/services?" in (await services.value).url
    await panel.settled()
    await expect(panel.part("project-switcher")).to_have_value(made.json()["id"])
    async with panel.page.expect_request(narrowed) as jobs:
        await panel.go("/jobs")
    assert "/jobs?" in (await jobs.value).url
    await panel.go("/services/new")
    await expect(panel.field("Project").last).to_have_value(made.json()["id"])


@pytest.mark.parametrize("width", WIDTHS)
async def test_looking_at_an_account(
    stack: Stack, windows: Windows, admin: Customer, mate: Customer, mailbox: Mailbox, width: int
) -> None:
    panel = await windows(admin, width=width)
    await panel.open("/admin/users")
    await expect(panel.part("user").first).to_be_visible()
    await fits(panel, width)
    await panel.page.get_by_role("searchbox").fill(mate.email[:12])
    await expect(panel.part("user")).to_have_count(1)
    await panel.part("user").get_by_role("link").click()
    await panel.at("/admin/users/[0-9a-f-]{36}")
    await fits(panel, width)
    place = urlsplit(panel.page.url).path

    await panel.part("view-as").click()
    await panel.part("view-as-form").get_by_label("Reason", exact=True).fill("Ticket 204: no deployment")
    await panel.part("view-as-form").get_by_role("button", name="View as").click()
    await panel.at("/services")
    banner = panel.part("viewing")
    await expect(banner).to_contain_text(re.compile(rf"You see what {mate.email} sees, until \d\d:\d\d"))
    await expect(panel.page.locator("#nav-admin")).to_be_hidden()
    await panel.settled()
    await fits(panel, width)
    await panel.go("/projects")
    await expect(panel.part("project")).to_have_count(1)
    await expect(banner).to_be_visible()
    panel.watch.allow(403, "/api/v1/projects")
    await panel.part("new-project").click()
    await panel.part("new-project-form").get_by_label("Name").fill("Not mine")
    await panel.button("Make project").click()
    said = "You are looking at somebody else's account; nothing can be changed in it."
    await expect(panel.part("new-project-form")).to_contain_text(said)
    await panel.button("Cancel").click()

    await panel.part("leave-viewing").click()
    await panel.at(place)
    await expect(banner).to_have_count(0)
    await expect(panel.page.locator("#nav-admin a").first).to_be_attached()
    letter = await mailbox.letter(to=mate.email, template="account_viewed")
    assert "Ticket 204" in letter.text
    seen = (await mate.get("/audit", action="view_as.started"))["items"]
    assert len(seen) == 1

    # A page that is loaded anew has forgotten the token, and says whose account it shows.
    await panel.part("view-as").click()
    await panel.part("view-as-form").get_by_label("Reason", exact=True).fill("Ticket 204 again")
    await panel.part("view-as-form").get_by_role("button", name="View as").click()
    await panel.at("/services")
    await panel.page.reload()
    await expect(panel.part("toasts")).to_contain_text("you see your own account again")
    await expect(banner).to_have_count(0)


async def shut_out(somebody: Customer) -> bool:
    return (await somebody.ask("GET", "/me")).status_code == 401


async def test_blocked_and_let_in_again(
    stack: Stack, windows: Windows, admin: Customer, mate: Customer, mailbox: Mailbox
) -> None:
    panel, other = await windows(admin), await windows(mate)
    await other.open("/services")
    me = await mate.get("/me")
    await panel.open(f"/admin/users/{me['id']}")
    await panel.part("block").click()
    form = panel.part("block-form")
    await form.get_by_role("button", name="Block").click()
    await expect(form.locator(".field-error")).to_have_text("Please fill this in.")
    await form.get_by_label("Reason", exact=True).fill("Letters that nobody asked for")
    await form.get_by_role("button", name="Block").click()
    await expect(panel.page.get_by_text("Letters that nobody asked for")).to_be_visible()
    assert "nobody asked for" in (await mailbox.letter(to=mate.email, template="account_blocked")).text
    for status, path in ((401, "/api/v1/.*"), (400, "/oauth/token")):
        other.watch.allow(status, path)
    await until(lambda: shut_out(mate), 20, "the sessions have ended")
    await other.go("/jobs")
    await other.at(r"/login\?next=.*")
    await panel.part("unblock").click()
    await confirm(panel, "Unblock")
    await expect(panel.part("block")).to_be_visible()


async def test_a_role_of_ones_own(stack: Stack, windows: Windows, admin: Customer, mate: Customer) -> None:
    panel = await windows(admin)
    await panel.open("/admin/roles")
    await expect(panel.part("role-admin")).to_contain_text("built in")
    await panel.part("new-role").click()
    form = panel.part("new-role-form")
    await form.get_by_label("Title").fill(NIGHT_WATCH)
    await form.get_by_label("Name for programs").fill("night-watch")
    await form.get_by_role("button", name="Make role").click()
    card = panel.part("role-night-watch")
    await card.locator("[value='admin:overview']").check()
    await card.get_by_role("button", name="Save").click()
    await expect(panel.toast("The role was changed.")).to_be_visible()
    await expect(card).to_contain_text("1 permission")
    for width in WIDTHS:
        await fits(panel, width)

    me = await mate.get("/me")
    await panel.open(f"/admin/users/{me['id']}")
    await panel.part("user-roles").get_by_label(NIGHT_WATCH).check()
    await panel.part("user-roles").get_by_role("button", name="Save").click()
    await expect(panel.toast("The roles were changed.")).to_be_visible()
    await until(lambda: holds(mate), 20, "the role is given")
    await panel.open(f"/admin/users?q={mate.email}")
    row = panel.part("user")
    await expect(row).to_contain_text(NIGHT_WATCH)
    for width in WIDTHS:
        await fits(panel, width)
        # However long a role is called, the person's name beside it has room.
        name = await row.locator(".row-name").bounding_box()
        assert name
        assert name["height"] < 60

    await panel.open("/admin/roles")
    await card.locator("summary").click()
    await card.get_by_role("button", name="Delete role").click()
    await panel.part("delete-role-form").get_by_role("button", name="Delete role").click()
    await expect(card).to_have_count(0)
    await until(lambda: holds(mate, False), 20, "the role is taken")


async def holds(somebody: Customer, wanted: bool = True) -> bool:
    return ("admin:overview" in (await somebody.get("/me"))["permissions"]) is wanted
