"""An invoice from end to end: issued, told by letter, read, downloaded, given back in part."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pypdf
from playwright.async_api import expect

from tests.browser.conftest import Windows
from tests.browser.panel import Panel
from tests.support.customer import Customer
from tests.support.mailbox import Mailbox
from tests.support.stack import Stack

ISSUE = """
import asyncio, sys
from datetime import UTC, datetime
from uuid import UUID, uuid4
from backend import models
from backend.billing.invoices.issuing import issue_month
from backend.billing.invoices.months import Month
from backend.billing.ledger import moves
from backend.billing.ledger.about import About
from backend.config import get_settings
from backend.database import Database

async def issue(project_id):
    settings = get_settings()
    database = Database(settings)
    said = {"service": "tide-tables", "plan": "dinghy", "day": "2026-10-05", "seconds": 86400}
    tax = {"tax_code": "domestic", "tax_rate": 190000, "tax_country": "DE"}
    about = About("usage", "usage", said | tax, occurred_at=datetime(2026, 10, 5, 12, tzinfo=UTC))
    async with database.transaction() as session:
        await moves.charge(session, project_id, "EUR", 1000, 190, key=f"usage:{uuid4()}", about=about)
        invoice = await issue_month(session, settings, project_id, "EUR", Month(2026, 10))
    print(invoice.reference)
    await database.close()

asyncio.run(issue(UUID(sys.argv[1])))
"""


async def issue(stack: Stack, customer: Customer) -> str:
    """An invoice of 11.90 € for October; its number."""
    projects = (await customer.ask("GET", "/projects")).json()["items"]
    command = [sys.executable, "-c", ISSUE, projects[0]["id"]]
    env = {**os.environ, **stack.env}
    run = await asyncio.to_thread(
        subprocess.run, command, cwd=stack.layout.root, env=env, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip().splitlines()[-1]


async def download(panel: Panel, folder: Path) -> str:
    """The text of the PDF that the page's button gives."""
    async with panel.page.expect_download() as coming:
        await panel.part("pdf").click()
    got = await coming.value
    await got.save_as(folder / got.suggested_filename)
    return " ".join(page.extract_text() for page in pypdf.PdfReader(folder / got.suggested_filename).pages)


async def test_from_the_details_to_the_credit_note(
    windows: Windows, stack: Stack, customer: Customer, admin: Customer, mailbox: Mailbox, tmp_path: Path
) -> None:
    panel = await windows(customer)
    await panel.open("/billing/invoices")
    await panel.button("Change").click()
    await panel.field("Name or company").fill("Werft & Söhne <GmbH>")
    await panel.field("Address").fill("Kai 1\n20457 Hamburg")
    await panel.field("Country").select_option("DE")
    await panel.page.get_by_label("VAT ID").fill("DE1")
    panel.watch.allow(422, "/api/v1/projects/[^/]+/billing/profile")
    await panel.button("Save").click()
    await expect(panel.part("details-form").locator("[aria-invalid=true]")).to_have_count(1)
    await panel.page.get_by_label("VAT ID").fill("DE136695976")
    await panel.button("Save").click()
    await expect(panel.toast("The billing details are saved.")).to_be_visible()
    await expect(panel.part("billing-details")).to_contain_text("Werft & Söhne <GmbH>")

    reference = await issue(stack, customer)
    letter = await mailbox.letter(to=customer.email, template="invoice_issued")
    assert letter.subject == f"Invoice {reference}"
    await panel.reload()
    await expect(panel.part("invoice-row")).to_contain_text("€11.90")
    await panel.page.goto(letter.links[0])
    await expect(panel.heading()).to_have_text(reference)
    await panel.button("What it is made of").click()
    await expect(panel.part("charges")).to_contain_text("Oct 5, 2026")
    text = await download(panel, tmp_path)
    assert reference in text
    assert "Werft & Söhne <GmbH>" in text

    desk = await windows(admin)
    await desk.open(f"/admin/billing/invoices?reference={reference}")
    await desk.link(reference).click()
    await desk.part("credit").click()
    await desk.field("Reason").fill("Two hours away")
    amount = desk.field("tide-tables: hosting")
    await amount.fill("12")
    await desk.button("Issue the credit note").last.click()
    await expect(desk.error_of("tide-tables: hosting")).to_have_text(
        "An amount above zero, and no more than is left."
    )
    await amount.fill("5,00")
    await desk.button("Issue the credit note").last.click()
    await expect(desk.toast("The credit note was issued.")).to_be_visible()
    await expect(desk.part("credit-note")).to_contain_text("€5.00")
    await desk.part("credit-note").get_by_role("link").click()
    await expect(desk.part("invoice")).to_contain_text("Two hours away")
    assert "Two hours away" in await download(desk, tmp_path)
    await mailbox.letter(to=customer.email, template="credit_note_issued")
