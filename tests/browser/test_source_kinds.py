"""An uploaded archive in the panel: ordering one, and putting the next one in its place."""

from __future__ import annotations

import io
import zipfile

from playwright.async_api import expect

from tests.browser.panel import Panel
from tests.stack.scenes import Fresh
from tests.support.stack import Stack


def site(words: str) -> dict[str, object]:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("site/index.html", words)
    return {"name": "site.zip", "mimeType": "application/zip", "buffer": content.getvalue()}


async def test_an_archive(stack: Stack, panel: Panel, fresh: Fresh) -> None:
    name, page = fresh("jetty"), panel.page
    panel.watch.allow(422, "/api/v1/archives")
    await panel.open("/services/new")
    await panel.field("Name").fill(name)
    await page.get_by_role("radio", name="Archive").check()
    await panel.part("order-submit").click()
    await expect(page.get_by_text("Choose an archive first.")).to_be_visible()
    text = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no archive"}
    await panel.part("archive").set_input_files(text)  # type: ignore[arg-type]
    await expect(page.get_by_text("This is no .zip, .tar or .tar.gz archive.")).to_be_visible()
    await panel.part("archive").set_input_files(site("on the first day"))  # type: ignore[arg-type]
    await expect(panel.part("uploaded")).to_contain_text("site.zip")
    await panel.part("order-submit").click()
    await panel.state("live")
    assert (await stack.visit(name)).text == "on the first day"

    await panel.link(name).first.click()
    await panel.status("running")
    await panel.link("Source").click()
    await expect(panel.part("archive-form")).to_contain_text("sha256:")
    await panel.part("archive").set_input_files(site("on the second day"))  # type: ignore[arg-type]
    await expect(panel.part("job")).to_be_visible()
    await expect(panel.part("job")).to_be_hidden()
    assert (await stack.visit(name)).text == "on the second day"


async def test_no_images_where_there_are_no_containers(panel: Panel) -> None:
    await panel.open("/services/new")
    await expect(panel.page.get_by_role("radio", name="Archive")).to_be_visible()
    await expect(panel.page.get_by_role("radio", name="Image")).to_have_count(0)
