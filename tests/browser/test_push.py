"""Push to deploy, as a customer sets it up and watches it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from playwright.async_api import expect

from tests.browser.conftest import Windows
from tests.browser.panel import Panel
from tests.hooks import senders
from tests.hooks.pull_senders import Told, from_github
from tests.support.customer import Customer
from tests.support.stack import Stack

Fresh = Callable[[str], str]
Deployed = Callable[..., Awaitable[str]]


async def keep(panel: Panel) -> tuple[str, str]:
    """Address and secret of the dialog that shows them once."""
    dialog = panel.part("once")
    await expect(dialog).to_be_visible()
    codes = [await code.inner_text() for code in await dialog.locator("code.secret").all()]
    await panel.page.keyboard.press("Enter")
    await expect(dialog).to_have_count(0)
    address, secret = codes
    return address, secret


async def test_from_the_switch_to_the_release(
    stack: Stack, panel: Panel, customer: Customer, deployed: Deployed, fresh: Fresh
) -> None:
    name = fresh("pushed")
    service = await deployed(name)
    await panel.open(f"/services/{service}")
    await panel.link("Push to deploy").click()
    await expect(panel.page.get_by_text("Nothing has come in yet")).to_be_visible()
    switch = panel.part("push-enabled")
    await expect(switch).not_to_be_checked()

    # By keyboard alone.
    await switch.focus()
    await panel.page.keyboard.press("Space")
    address, secret = await keep(panel)
    await expect(switch).to_be_checked()
    await expect(panel.part("webhook-url")).to_have_text(address)
    await expect(panel.page.get_by_text(secret)).to_have_count(0)

    panel.watch.allow(422, "/api/v1/services/[^/]+/push")
    await panel.field("Files that concern this service optional").fill("site/\n[z-a]")
    await panel.button("Save").click()
    await expect(panel.part("watch-form").locator(".field-error")).to_have_text("“[z-a]” is not a pattern.")
    await panel.field("Files that concern this service optional").fill("site/\n*.html")
    await panel.button("Save").click()
    await expect(panel.toast("Watch paths saved.")).to_be_visible()

    commit = stack.git.commit(name, {"index.html": "<h1>pushed</h1>"}, message="Second light")
    repository = {"clone_url": stack.git.url(name), "default_branch": "main"}

    async def push(file: str) -> None:
        commits = [senders.commit(commit, "Second light", file)]
        body = senders.github(after=commit, commits=commits, repository=repository)
        headers, content = senders.from_github(secret, body)
        path = urlsplit(address).path
        (await customer.http.post(path, content=content, headers=headers)).raise_for_status()

    await push("README.md")
    ignored = panel.page.locator("[data-outcome=ignored]")
    await expect(ignored).to_contain_text("None of the changed files is watched.")
    await push("index.html")
    row = panel.page.locator("[data-outcome=deployed]")
    await expect(row).to_contain_text("Second light")
    await expect(row).to_contain_text("GitHub")
    await row.get_by_role("link").click()
    await panel.state("live")
    await panel.open(f"/services/{service}/deployments")
    await expect(panel.part("deployment-2")).to_contain_text("a push")
    await panel.open("/activity?action=service.deployed")
    await expect(panel.part("audit-event").first).to_contain_text("A webhook")

    await panel.open(f"/services/{service}/push")
    await switch.click()
    await expect(panel.toast("Pushes are ignored from now on.")).to_be_visible()
    await panel.reload()
    await expect(switch).not_to_be_checked()


async def test_the_deploy_hook(
    stack: Stack, windows: Windows, customer: Customer, deployed: Deployed, fresh: Fresh
) -> None:
    """In Russian."""
    service = await deployed(fresh("hooked"))
    panel = await windows(customer, language="ru")
    await panel.open(f"/services/{service}/push")
    await panel.part("renew-address").click()
    address, command = await keep(panel)
    assert command == f"curl -X POST {address}"
    await expect(panel.part("deploy-hook")).to_contain_text("Его ещё не вызывали.")
    answer = await customer.http.post(urlsplit(address).path)
    assert answer.status_code == 202
    row = panel.page.locator("[data-outcome=deployed]")
    await expect(row).to_contain_text("Адрес развёртывания")
    await customer.live(answer.json())
    await panel.open(f"/services/{service}/deployments")
    await expect(panel.part("deployment-2")).to_contain_text("адрес развёртывания")

    await panel.open(f"/services/{service}/push")
    await panel.part("renew-address").click()
    await panel.part("dialog").get_by_role("button", name="Новый адрес").click()
    newer, _ = await keep(panel)
    assert (await customer.http.post(urlsplit(address).path)).status_code == 404
    await panel.part("revoke-address").click()
    await panel.part("dialog").get_by_role("button", name="Отозвать").click()
    await expect(panel.part("revoke-address")).to_have_count(0)
    assert (await customer.http.post(urlsplit(newer).path)).status_code == 404


async def test_previews_and_what_the_forge_is_told(
    stack: Stack, panel: Panel, customer: Customer, deployed: Deployed, fresh: Fresh
) -> None:
    name = fresh("reviewed")
    service = await deployed(name)
    path = f"/services/{service}"
    await customer.ask("PUT", f"{path}/variables", json={"variables": {"PAYMENT_KEY": "s3cret-of-the-shop"}})
    made = (await customer.ask("POST", f"{path}/push/secret")).json()
    await panel.open(f"{path}/push")
    await panel.part("previews-enabled").focus()
    await panel.page.keyboard.press("Space")
    await expect(panel.toast("Pull requests get previews from now on.")).to_be_visible()
    await panel.page.get_by_text("How previews are made").click()
    await panel.page.get_by_label("PAYMENT_KEY").check()
    await panel.field("Previews at a time").fill("0")
    await panel.part("previews-form").get_by_role("button", name="Save").click()
    await expect(panel.part("previews-form").locator("[aria-invalid=true]")).to_have_count(1)
    await panel.field("Previews at a time").fill("3")
    await panel.part("previews-form").get_by_role("button", name="Save").click()
    await expect(panel.toast("Settings of previews saved.")).to_be_visible()

    repository = urlsplit(stack.git.url(name)).path.strip("/").removesuffix(".git")
    commit = stack.git.commit(name, {"index.html": "<h1>as proposed</h1>"}, branch="tides")
    told = Told(number=7, title="Show the tides", repository=repository, commit=commit)
    for one in (told.but(number=8, draft=True), told):
        headers, content = from_github(made["secret"], one)
        answer = await customer.http.post(urlsplit(made["url"]).path, content=content, headers=headers)
        answer.raise_for_status()
    requests = panel.page.locator("[data-testid=pull-request]")
    await expect(requests.filter(has_text="#8")).to_contain_text("It is a draft.")
    shown = requests.filter(has_text="#7")
    await expect(shown.locator(".badge")).to_have_text("Running")
    await shown.get_by_role("link", name=f"{name}-pr-7", exact=True).click()
    await expect(panel.part("preview-of")).to_contain_text("Preview of pull request #7 of")
    await expect(panel.link("Push to deploy")).to_have_count(0)

    panel.watch.allow(409, "/api/v1/services/[^/]+/commit-status")
    await panel.open(f"{path}/push")
    await panel.part("statuses-enabled").click()
    await expect(panel.toast("Give a token first: the forge believes nobody without one.")).to_be_visible()
    await expect(panel.part("statuses-enabled")).not_to_be_checked()
    form = panel.part("statuses-form")
    await form.get_by_label("Access token").fill("tok_of_a_forge")
    await form.get_by_role("button", name="Save").click()
    await expect(panel.part("status-token")).to_have_text("There is a token for 127.0.0.1.")
    await panel.part("check-status-token").click()
    await expect(panel.part("status-verdict")).to_contain_text("The forge knows no such repository")
