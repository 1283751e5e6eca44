"""Private sources in the panel: ordering by token and by deploy key, and a service's source page."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.panel import Panel
from tests.stack.scenes import Fresh
from tests.support.sshgitserver import SshGitServer
from tests.support.stack import Stack

TOKEN = "tok_4f0d9b2a6c"


async def test_ordering_a_private_repository(stack: Stack, panel: Panel, fresh: Fresh) -> None:
    name = fresh("cove")
    stack.git.commit(name, {"site/index.html": "behind the reef", "index.html": "not this"})
    stack.git.protect(name, token=TOKEN)
    await panel.open("/services/new")
    await panel.fill_order(name, stack.git.url(name))
    await panel.part("check-access").click()
    await expect(panel.part("check-result")).to_contain_text("asks for a password")
    await panel.part("private").check()
    await panel.part("order-submit").click()
    await expect(panel.error_of("Access token")).to_have_text("Please fill this in.")
    await panel.field("Access token").fill(TOKEN)
    await panel.page.locator("#source-root").fill("/site/")
    await panel.part("check-access").click()
    await expect(panel.part("check-result")).to_contain_text("The repository can be read.")
    await panel.part("order-submit").click()
    await panel.state("live")
    assert (await stack.visit(name)).text == "behind the reef"


async def test_a_services_source(stack: Stack, panel: Panel, fresh: Fresh, ssh_git: SshGitServer) -> None:
    name = fresh("lagoon")
    stack.git.commit(name, {"index.html": "of the harbour"})
    await panel.open("/services/new")
    await panel.fill_order(name, ssh_git.url(name))
    await panel.part("order-submit").click()
    await expect(panel.part("make-key")).to_be_focused()
    await panel.page.keyboard.press("Enter")
    key = await panel.part("public-key").text_content()
    assert key is not None
    await expect(panel.part("copy-key")).to_be_focused()
    ssh_git.allow(name, key)
    await panel.part("check-access").click()
    await expect(panel.part("check-result")).to_contain_text(ssh_git.fingerprint)
    await panel.part("order-submit").click()
    await panel.state("live")

    await panel.page.get_by_role("link", name=name, exact=True).click()
    await panel.status("running")
    await panel.page.get_by_role("link", name="Source", exact=True).click()
    await expect(panel.part("host-key")).to_contain_text(ssh_git.fingerprint)
    await panel.part("forget-host").click()
    await panel.part("dialog").get_by_role("button", name="Forget it").click()
    await expect(panel.part("host-key")).to_contain_text("was not visited yet")

    stack.git.commit(name, {"index.html": "of the sea"}, branch="sea")
    await panel.field("Repository").fill(stack.git.url(name))
    await panel.page.locator("#ref").fill("sea")
    await panel.part("save-and-redeploy").click()
    await expect(panel.part("job")).to_be_visible()
    await expect(panel.part("job")).to_be_hidden()
    assert (await stack.visit(name)).text == "of the sea"
    await expect(panel.part("token-state")).to_contain_text("No token is set")
    await panel.field("Access token").fill(TOKEN)
    await panel.part("save-token").click()
    await expect(panel.part("token-state")).to_contain_text("is set")
    await expect(panel.page.locator("#source-token")).to_have_value("")
    await panel.field("Repository").fill("https://git.example.com/me/other.git")
    await panel.button("Save").first.click()
    await expect(panel.toast("The token was for 127.0.0.1 and has been removed.")).to_be_visible()
    await expect(panel.part("token-state")).to_contain_text("No token is set")
