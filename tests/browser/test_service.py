"""What a customer does with a service that runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from playwright.async_api import expect

from tests.browser.conftest import Windows
from tests.browser.harbour import Harbour
from tests.browser.panel import Panel, showing
from tests.support.customer import Customer
from tests.support.stack import Stack, until

Fresh = Callable[[str], str]
Deployed = Callable[..., Awaitable[str]]


async def test_live_log_stop_start_and_restart(
    stack: Stack, panel: Panel, deployed: Deployed, fresh: Fresh
) -> None:
    name = fresh("harbour")
    app = stack.git.app("open", name)
    speaking = app.files[app.script].replace(
        "self.end_headers()", "print('<b>seen</b> from', self.path, flush=True); self.end_headers()"
    )
    service = await deployed(name, {**app.files, app.script: speaking})
    await stack.visit(name, "/east")
    await panel.open(f"/services/{service}/logs")
    await expect(panel.part("log")).to_contain_text("<b>seen</b> from /east")
    await stack.visit(name, "/west")
    await expect(panel.part("log")).to_contain_text("<b>seen</b> from /west")

    await panel.link("Overview").click()
    await panel.status("running")
    first = stack.running_scripts(app.script)

    await panel.part("stop").click()
    await panel.status("stopped")
    await expect(panel.part("stop")).to_have_count(0)
    await expect(panel.part("open-app")).to_have_count(0)
    assert (await stack.visit(name)).status_code == 404
    await panel.reload()
    await panel.status("stopped")

    await panel.part("start").click()
    await panel.status("running")
    # It is said to run a moment before the edge leads to it, and with that the job ends.
    await expect(panel.part("job")).to_be_hidden()
    second = stack.running_scripts(app.script)
    assert (await stack.visit(name)).text == "open"
    assert second not in ([], first)

    await panel.part("restart").click()
    await expect(panel.part("job")).to_be_visible()
    await expect(panel.part("job")).to_be_hidden()
    await panel.status("running")
    assert stack.running_scripts(app.script) not in ([], first, second)
    assert (await stack.visit(name)).text == "open"


async def test_a_failure_beside_what_serves_on_and_whose_lines_are_whose(
    stack: Stack, windows: Windows, customer: Customer, deployed: Deployed, fresh: Fresh
) -> None:
    """In Russian, so that what the API says in English would be seen."""
    name = fresh("pilot")
    speaking = {"app.py": "", "Procfile": "web: echo ready on $PORT; exec gavan-static", "index.html": "one"}
    service = await deployed(name, speaking)
    panel = await windows(customer, language="ru")
    await panel.open(f"/services/{service}")
    stack.git.commit(name, {"Procfile": "web: sh -c 'echo aground; exit 7'"}, message="Run aground")
    await panel.part("redeploy").click()
    card = panel.part("job")
    await expect(card).to_have_attribute("data-job-state", "failed")
    await expect(card).to_contain_text("Приложение завершилось. Код завершения 7.")
    await expect(card.locator(".quote")).to_contain_text("aground")
    await expect(card.get_by_test_id("previous-serves")).to_have_text("Предыдущий релиз продолжает работать.")
    stack.git.commit(name, {**speaking, "index.html": "three"}, message="Afloat again")
    await customer.live(await customer.deploy(service))
    await panel.open(f"/services/{service}/logs")
    chapters = panel.page.locator(".log-break")
    for at, release in enumerate(("релиз 1 · ", "релиз 2 · ", "релиз 3 · ")):
        await expect(chapters.nth(at)).to_contain_text(release)


async def test_variables_are_kept_masked_and_removed(
    stack: Stack, panel: Panel, customer: Customer, deployed: Deployed, fresh: Fresh
) -> None:
    name = fresh("radio")
    app = showing(stack.git.app("", name), "ALL")
    everything = "repr(sorted((k, v) for k, v in os.environ.items() if k in ('WAVE', 'TOKEN')))"
    service = await deployed(
        name, {**app.files, app.script: app.files[app.script].replace("os.environ['ALL']", everything)}
    )

    async def page() -> str:
        return (await stack.visit(name)).text

    assert await page() == "[]"
    await panel.open(f"/services/{service}/variables")
    await panel.add_variable("WAVE", "long")
    await panel.add_variable("TOKEN", "fog horn")
    hidden = panel.part("variable").last.locator("[data-value]")
    await expect(hidden).to_have_attribute("type", "password")
    await panel.part("variable").last.get_by_role("button", name="Show value").click()
    await expect(hidden).to_have_attribute("type", "text")
    await panel.button("Save").click()
    await expect(panel.toast("Variables saved.")).to_be_visible()
    assert await page() == "[]", "until the next deployment"

    await panel.reload()
    await expect(panel.part("variable")).to_have_count(2)
    assert "fog horn" not in await panel.page.content()
    token = panel.part("variable").filter(has=panel.page.locator("[data-name][value=TOKEN]"))
    await expect(token.locator("[data-value]")).to_have_value("")
    await expect(token.locator("[data-value]")).to_have_attribute(
        "placeholder", "•••••••• kept unless replaced"
    )
    await expect(token.locator("[data-name]")).not_to_be_editable()

    wave = panel.part("variable").filter(has=panel.page.locator("[data-name][value=WAVE]"))
    await wave.locator("[data-value]").fill("short")
    await panel.part("save-and-redeploy").click()
    await until(lambda: changed(page, "[('TOKEN', 'fog horn'), ('WAVE', 'short')]"), 30, "the new variables")

    await expect(panel.part("job")).to_be_hidden()
    await token.get_by_role("button", name="Remove TOKEN").click()
    await expect(panel.part("variable")).to_have_count(1)
    await panel.part("save-and-redeploy").click()
    await until(lambda: changed(page, "[('WAVE', 'short')]"), 30, "the variable is gone")


async def changed(page: Callable[[], Awaitable[str]], wanted: str) -> bool:
    return await page() == wanted


async def test_a_pasted_env_file_becomes_rows(panel: Panel) -> None:
    await panel.open("/services/new")
    await panel.part("add-variable").click()
    text = "# of the harbour\nexport PORT_NAME=\"Old Town\"\nDEPTH='12'\n\nKEY=a=b # not this\n"
    await (
        panel.part("variable")
        .locator("[data-name]")
        .evaluate(
            """(field, text) => {
              const clipboardData = new DataTransfer();
              clipboardData.setData("text/plain", text);
              const options = { clipboardData, bubbles: true, cancelable: true };
              field.dispatchEvent(new ClipboardEvent("paste", options));
            }""",
            text,
        )
    )
    await expect(panel.part("variable")).to_have_count(3)
    rows = await panel.part("variable").all()
    read = [
        (await row.locator("[data-name]").input_value(), await row.locator("[data-value]").input_value())
        for row in rows
    ]
    assert read == [("PORT_NAME", "Old Town"), ("DEPTH", "12"), ("KEY", "a=b")]


async def test_settings_change_the_health_check_and_the_plan(
    stack: Stack, panel: Panel, deployed: Deployed, fresh: Fresh
) -> None:
    name = fresh("map")
    service = await deployed(name, {"index.html": "of the harbour"})
    stack.git.commit(name, {"index.html": "of the sea", "healthy": "yes"})
    await panel.open(f"/services/{service}/settings")
    await panel.page.locator("#health_path").fill("healthy")
    await panel.button("Save").click()
    await expect(panel.page.locator("#health_path-error")).to_have_text("This value does not fit.")
    await panel.page.locator("#health_path").fill("/healthy")
    await panel.page.locator("#plan_id").select_option(index=1)
    plan = await panel.page.locator("#plan_id").input_value()
    await panel.part("save-and-redeploy").click()
    await expect(panel.toast("Settings saved.")).to_be_visible()
    await expect(panel.part("job")).to_be_visible()
    await expect(panel.part("job")).to_be_hidden()
    assert (await stack.visit(name)).text == "of the sea"
    await panel.reload()
    await expect(panel.page.locator("#health_path")).to_have_value("/healthy")
    await expect(panel.page.locator("#plan_id")).to_have_value(plan)


async def test_health_is_asked_as_chosen(
    stack: Stack, panel: Panel, customer: Customer, deployed: Deployed, fresh: Fresh
) -> None:
    """A command that nobody named is asked for; what only another kind needs is not in the way."""
    name = fresh("doctor")
    service = await deployed(name)
    page = panel.page
    await panel.open(f"/services/{service}/settings")
    await expect(page.locator("#health_command")).to_be_hidden()
    await page.locator("#health_path").fill("not a path")
    await page.locator("#health_kind").select_option("command")
    await expect(page.locator("#health_path")).to_be_hidden()
    await page.locator("#health_timeout_seconds").fill("4")
    await panel.button("Save").click()
    await expect(page.locator("#health_command-error")).to_have_text("Please fill this in.")
    await expect(page.locator("#health_timeout_seconds-error")).to_have_text("This value does not fit.")
    await page.locator("#health_command").fill('test -n "$PATH"')
    await page.locator("#health_timeout_seconds").fill("40")
    await panel.part("save-and-redeploy").click()
    await expect(panel.toast("Settings saved.")).to_be_visible()
    await expect(panel.part("job")).to_be_visible()
    await expect(panel.part("job")).to_be_hidden()
    shown = await customer.service(service)
    assert (shown["health_kind"], shown["health_timeout_seconds"]) == ("command", 40)
    await panel.reload()
    await expect(page.locator("#health_command")).to_have_value('test -n "$PATH"')

    await panel.open(f"/services/{service}/deployments")
    await panel.part("roll-back-1").click()
    changes = panel.part("changes")
    await expect(changes).to_contain_text("Health check: Command → HTTP path")
    await expect(changes).to_contain_text("Seconds to become well: 40 → default")


async def test_deleting_asks_for_the_name(
    stack: Stack, panel: Panel, deployed: Deployed, fresh: Fresh
) -> None:
    name = fresh("wreck")
    service = await deployed(name)
    panel.watch.allow(404, f"/api/v1/services/{service}")
    panel.watch.allow(404, "/api/v1/jobs/[0-9a-f-]+(/events)?")
    await panel.open(f"/services/{service}/settings")
    await panel.part("delete").click()
    dialog = panel.part("dialog")
    sure = dialog.get_by_role("button", name="Delete service")
    await expect(sure).to_be_disabled()
    await dialog.get_by_role("textbox").fill(name[:-1])
    await dialog.get_by_role("textbox").press("Enter")
    await expect(sure).to_be_disabled()
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(dialog).to_have_count(0)
    assert (await stack.visit(name)).status_code == 200

    await panel.part("delete").click()
    await expect(dialog).to_be_visible()
    await panel.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)

    await panel.part("delete").click()
    await dialog.get_by_role("textbox").fill(name)
    await dialog.get_by_role("textbox").press("Enter")
    # It does not stay for long.
    await expect(panel.toast(f"Service {name} is deleted.")).to_be_visible()
    await panel.at("/services")
    await expect(panel.page.get_by_text("The harbour is calm")).to_be_visible()
    assert (await stack.visit(name)).status_code == 404
    await panel.open(f"/services/{service}")
    await expect(panel.heading()).to_have_text("Nothing at this berth")


async def test_a_deployment_is_called_off(
    stack: Stack, panel: Panel, customer: Customer, deployed: Deployed, fresh: Fresh
) -> None:
    git, name = stack.git, fresh("pier")
    service = await deployed(name, git.app("as it was", name).files)
    gate = f"build-{name}"
    git.commit(name, git.waiting_build(git.app("never seen", name), gate).files, message="Rebuild")
    await panel.open(f"/services/{service}")
    await panel.part("redeploy").click()
    card = panel.part("job")
    await expect(card).to_have_attribute("data-job-state", "running")
    await git.reached(gate)
    await card.get_by_role("link", name="Details").click()
    await panel.state("building")
    await panel.part("cancel-job").click()
    await panel.state("cancelled")
    await expect(panel.part("reason")).to_contain_text("The previous release keeps serving.")
    await expect(panel.part("cancel-job")).to_have_count(0)
    git.open(gate)
    assert (await stack.visit(name)).text == "as it was"
    await panel.open("/jobs?state=cancelled")
    await expect(panel.part("job-row")).to_have_count(1)


async def test_the_list_is_searched_sorted_and_remembered(windows: Windows, harbour: Harbour) -> None:
    panel = await windows(harbour.owner)
    await panel.open("/services")
    shown = panel.part("services").locator(".row-name")
    names = sorted(harbour.services)
    await expect(shown).to_have_count(len(names))
    await expect(shown.first).to_have_text("tide-tables")
    await panel.field("Order").select_option("name")
    await expect(shown).to_have_text(names)
    await panel.heading().focus()
    await panel.page.keyboard.press("/")
    await expect(panel.field("Search by name")).to_be_focused()
    await panel.page.keyboard.type("har")
    await expect(shown).to_have_text(["harbour-radio"])
    await panel.at(r"/services\?(sort=name&q=har|q=har&sort=name)")
    await panel.reload()
    await expect(panel.field("Search by name")).to_have_value("har")
    await expect(shown).to_have_text(["harbour-radio"])
    await panel.field("Search by name").fill("nowhere")
    await expect(panel.page.get_by_text("Nothing found")).to_be_visible()
    await panel.field("Search by name").fill("")
    await expect(shown).to_have_count(len(names))
    await panel.field("Status").select_option("stopped")
    await expect(shown).to_have_text(["crab-count"])


async def test_tabs_are_a_menu_on_a_phone(windows: Windows, harbour: Harbour) -> None:
    panel = await windows(harbour.owner, width=360)
    await panel.open(f"/services/{harbour.services['tide-tables']}/settings")
    sections = panel.part("sections")
    await expect(sections).to_have_text("Settings")
    await expect(panel.link("Variables")).to_be_hidden()
    await sections.press("Enter")
    await expect(sections).to_have_attribute("aria-expanded", "true")
    await panel.page.keyboard.press("Escape")
    await expect(sections).to_be_focused()
    await expect(panel.link("Variables")).to_be_hidden()
    await sections.click()
    await panel.link("Variables").click()
    await expect(panel.part("variables-form")).to_be_visible()
    await expect(sections).to_have_text("Variables")
    await expect(panel.link("Settings")).to_be_hidden()
