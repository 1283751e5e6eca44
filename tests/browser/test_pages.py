"""Every page, in both languages and on four screens, in every state that changes what it shows.

With GAVAN_SCREENSHOT set (`make screenshot`), also pictures of each in test-results/screenshots/.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import pytest
from playwright.async_api import Route, expect

from tests.browser import invoicing, ledgering, money_out, paying, pricing
from tests.browser.conftest import PICTURES, RESULTS, Language, Windows
from tests.browser.harbour import Harbour
from tests.browser.inspection import HEIGHTS, misfits, unreadable
from tests.browser.panel import Panel
from tests.browser.spending import have_run, spend, spend_and_trace
from tests.support.customer import Customer
from tests.support.stack import ROOT

LEDGER = "/admin/billing/ledger"
PICTURED = (360, 768, 1440)
LOCALES = {
    language: json.loads((ROOT / f"frontend/locales/{language}.json").read_text())
    | json.loads((ROOT / f"frontend/locales/{language}/work.json").read_text())
    for language in ("en", "ru")
}


async def _wrong_order(panel: Panel) -> None:
    await panel.part("add-variable").click()
    await panel.part("variable").locator("[data-name]").fill("DATABASE_URL_OF_THE_READ_ONLY_REPLICA")
    await panel.page.locator("details:has(#health_path) summary").click()
    await panel.page.locator("#health_path").fill("healthy")
    await panel.part("order-submit").click()
    await expect(panel.page.locator("#name")).to_have_attribute("aria-invalid", "true")


async def _example(panel: Panel) -> None:
    await panel.part("templates").locator("[value=example-node]").check(force=True)
    await panel.page.locator("#name").fill("well-chosen-name")


async def _wrong_sign_in(panel: Panel) -> None:
    await panel.page.locator("#email").fill("nobody@example.com")
    await panel.page.locator("#password").fill("not this one")
    panel.watch.allow(400, "/oauth/token")
    await panel.page.locator("form [type=submit]").click()
    await expect(panel.page.get_by_role("alert")).to_be_visible()


async def _wrong_registration(panel: Panel) -> None:
    await panel.page.locator("form [type=submit]").click()
    await expect(panel.page.locator("#email")).to_have_attribute("aria-invalid", "true")


async def _token(panel: Panel) -> None:
    await panel.page.locator("#source-token").fill("tok_of_the_forge")
    await panel.part("save-token").click()
    await expect(panel.part("remove-token")).to_be_visible()
    await panel.part("check-access").click()
    await expect(panel.part("check-result")).to_be_visible()


async def _key(panel: Panel) -> None:
    await panel.page.locator("#repo_url").fill("git@git.example.com:harbour/crab-count.git")
    await panel.page.locator("form [type=submit]").first.click()
    await expect(panel.part("public-key")).to_be_visible()
    await panel.page.locator("details summary").click()


async def _order_by_key(panel: Panel) -> None:
    await panel.page.locator("#repo_url").fill("git@github.com:harbour/ferry-bookings.git")
    await panel.part("make-key").click()
    await expect(panel.part("public-key")).to_be_visible()


async def _deletion(panel: Panel) -> None:
    await panel.part("delete").click()
    await expect(panel.part("dialog")).to_be_visible()


async def _rollback(panel: Panel) -> None:
    await panel.part("roll-back-1").click()
    await expect(panel.part("changes")).to_be_visible()


async def _account_menu(panel: Panel) -> None:
    await panel.part("account").click()
    await expect(panel.part("account-menu")).to_be_visible()


async def _saved(panel: Panel) -> None:
    await panel.page.locator("#name").fill("Inês Tavares de Vasconcelos e Albuquerque")
    await panel.part("profile-form").locator("[type=submit]").click()
    await expect(panel.part("toasts").locator(".toast")).to_be_visible()


async def _new_application(panel: Panel) -> None:
    await panel.part("new-application").click()
    await expect(panel.part("application-form")).to_be_visible()


async def _new_token(panel: Panel) -> None:
    await panel.part("new-token").click()
    await panel.part("token-form").locator("[type=submit]").click()
    await expect(panel.page.locator("#token-name")).to_have_attribute("aria-invalid", "true")


async def _guides(panel: Panel) -> None:
    for guide in await panel.part("guides").locator("summary").all():
        await guide.click()


async def _with_https(panel: Panel) -> None:
    """As in an installation that gets certificates and knows its addresses."""

    async def answer(route: Route) -> None:
        setup = await (await route.fetch()).json()
        setup |= {"https": True, "missing": [], "addresses": ["192.0.2.7", "2001:db8::7"]}
        await route.fulfill(json=setup)

    await panel.page.route("**/domains/setup", answer)
    await panel.page.reload()
    for summary in await panel.part("domains").locator("summary:visible").all():
        await summary.click()
    await expect(panel.part("domain").first).to_be_visible()


async def _event(panel: Panel) -> None:
    """Unfolds the one that says most."""
    await panel.page.locator("[data-audit='service.ordered'] summary").last.click()
    await expect(panel.part("changes").last).to_be_visible()


@dataclass(frozen=True)
class Place:
    name: str
    path: str
    title: str
    """A key of the locale, or what is in the title in every language."""
    prepare: Callable[[Panel], Awaitable[None]] | None = None


PLACES: dict[str, list[Place]] = {
    "guest": [
        Place("login", "/login", "login.title"),
        Place("login-refused", "/login", "login.title", _wrong_sign_in),
        Place("register", "/register", "register.title"),
        Place("register-refused", "/register", "register.title", _wrong_registration),
        Place("nowhere", "/no/such/page", "not_found.title"),
    ],
    "newcomer": [
        Place("services-empty", "/services", "nav.services"),
        Place("jobs-empty", "/jobs", "nav.jobs"),
        Place("projects", "/projects", "nav.projects"),
        Place("profile", "/profile", "nav.profile"),
        Place("profile-saved", "/profile", "nav.profile", _saved),
        Place("security", "/security", "nav.security"),
        Place("applications-none", "/applications", "nav.applications"),
        Place("application-new", "/applications", "nav.applications", _new_application),
        Place("token-new", "/applications", "nav.applications", _new_token),
        Place("consent-refused", "/consent?error=invalid_request", "Gavan"),
        Place("activity", "/activity", "nav.activity"),
        Place("activity-none", "/activity?result=failed", "nav.activity"),
        Place("not-found", "/no/such/page", "not_found.title"),
    ],
    "owner": [
        Place("services", "/services", "nav.services"),
        Place("services-none", "/services?q=nowhere", "nav.services"),
        Place("account-menu", "/services", "nav.services", _account_menu),
        Place("order", "/services/new", "order.title"),
        Place("order-refused", "/services/new", "order.title", _wrong_order),
        Place("order-too-dear", "/services/new", "order.title", pricing.too_dear),
        Place("order-coupon", "/services/new", "order.title", pricing.coupon_refused),
        Place("order-example", "/services/new", "order.title", _example),
        Place("service", "/services/{tide-tables}", "tide-tables"),
        Place("service-stopped", "/services/{crab-count}", "crab-count"),
        Place("service-failed", "/services/{lighthouse-keeper-and-fog-signal-control}", "lighthouse-keeper"),
        Place("deployments", "/services/{ferry-bookings}/deployments", "ferry-bookings"),
        Place("rollback", "/services/{tide-tables}/deployments", "tide-tables", _rollback),
        Place("logs", "/services/{tide-tables}/logs", "tide-tables"),
        Place("deployment", "/deployments/{live}", "tide-tables"),
        Place("variables", "/services/{tide-tables}/variables", "tide-tables"),
        Place("deployment-failed", "/deployments/{failed}", "ferry-bookings"),
        Place("push", "/services/{harbour-radio}/push", "harbour-radio", _guides),
        Place("domains", "/services/{harbour-radio}/domains", "harbour-radio"),
        Place("domains-https", "/services/{harbour-radio}/domains", "harbour-radio", _with_https),
        Place("domains-none", "/services/{crab-count}/domains", "crab-count"),
        Place("push-none", "/services/{crab-count}/push", "crab-count"),
        Place("source", "/services/{tide-tables}/source", "tide-tables", _token),
        Place("source-ssh", "/services/{crab-count}/source", "crab-count", _key),
        Place("order-ssh", "/services/new", "order.title", _order_by_key),
        Place("settings", "/services/{tide-tables}/settings", "tide-tables"),
        Place("jobs", "/jobs", "nav.jobs"),
        Place("activity-event", "/activity?action=service.ordered", "nav.activity", _event),
        Place("job", "/jobs/{job}", "tide-tables"),
        Place("usage-none", "/billing/usage?since=2020-01-01&until=2020-01-31", "nav.billing"),
        Place("usage", "/billing/usage?since=2026-10-01&until=2026-10-31", "nav.billing", spend),
        Place("usage-trace", "/billing/usage", "nav.billing", spend_and_trace),
        Place("billing", "/billing", "nav.billing"),
        Place("billing-suspended", "/billing", "nav.billing", money_out.suspended),
        Place("services-warned", "/services", "nav.services", money_out.warned),
        Place("service-suspended", "/services/{tide-tables}", "tide-tables", money_out.stands_still),
        Place("payments-none", "/billing/payments", "nav.billing", paying.nothing_offered),
        Place("statement-none", "/billing/statement?since=2020-01-01&until=2020-01-31", "nav.billing"),
        Place("statement", "/billing/statement", "nav.billing", ledgering.have_entries),
        Place("payments", "/billing/payments", "nav.billing", paying.pays),
        Place("payment-receipt", "/billing/payments", "nav.billing", paying.receipt),
        Place("invoices-none", "/billing/invoices", "nav.billing"),
        Place("invoices", "/billing/invoices", "nav.billing", invoicing.have_invoices),
        Place("invoice", "/billing/invoices", "INV-2026-000417", invoicing.trace_one),
        Place("billing-details", "/billing/invoices", "nav.billing", invoicing.edit_details),
        Place("deletion", "/services/{ferry-bookings}/settings", "ferry-bookings", _deletion),
    ],
    "admin": [
        Place("admin", "/admin", "nav.admin_overview"),
        Place("admin-users", "/admin/users", "nav.admin_users"),
        Place("admin-users-none", "/admin/users?q=nobody", "nav.admin_users"),
        Place("admin-roles", "/admin/roles", "nav.admin_roles"),
        Place("admin-services", "/admin/services", "nav.admin_services"),
        Place("admin-jobs", "/admin/jobs", "nav.admin_jobs"),
        Place("admin-domains", "/admin/domains", "Gavan"),
        Place("admin-certificates", "/admin/domains?list=certificates", "Gavan"),
        Place("admin-billing-runs", "/admin/billing/runs", "nav.admin_billing", have_run),
        Place("admin-billing", "/admin/billing", "nav.admin_billing"),
        Place("admin-billing-trouble", "/admin/billing", "nav.admin_billing", money_out.many_in_trouble),
        Place("admin-billing-exception", "/admin/billing", "nav.admin_billing", money_out.exception),
        Place("admin-billing-rules", "/admin/billing", "nav.admin_billing", money_out.rules),
        Place("admin-payments-none", "/admin/billing/payments", "nav.admin_billing"),
        Place("admin-payments", "/admin/billing/payments", "nav.admin_billing", paying.all_payments),
        Place("admin-payment", "/admin/billing/payments", "nav.admin_billing", paying.one_payment),
        Place("admin-refund", "/admin/billing/payments", "nav.admin_billing", paying.refund),
        Place("admin-bank", "/admin/billing/payments?view=bank", "nav.admin_billing", paying.bank_lines),
        Place(
            "admin-messages", "/admin/billing/payments?view=messages", "nav.admin_billing", paying.messages
        ),
        Place("admin-ledger-none", f"{LEDGER}?kind=chargeback", "nav.admin_billing"),
        Place("admin-ledger", LEDGER, "nav.admin_billing", ledgering.have_entries),
        Place("admin-ledger-project", LEDGER, "nav.admin_billing", ledgering.have_project),
        Place("admin-adjust", LEDGER, "nav.admin_billing", ledgering.adjust),
        Place("admin-terms", LEDGER, "nav.admin_billing", ledgering.change_terms),
        Place("admin-invoices", "/admin/billing/invoices", "nav.admin_billing", invoicing.have_invoices),
        Place("admin-invoice", "/admin/billing/invoices", "INV-2026-000417", invoicing.open_one),
        Place("admin-credit-note", "/admin/billing/invoices", "INV-2026-000417", invoicing.credit_one),
        Place("admin-taxes", "/admin/billing/taxes", "nav.admin_billing", invoicing.have_taxes),
        Place("admin-prices", "/admin/billing/prices", "nav.admin_billing", pricing.many_versions),
        Place("admin-price-new", "/admin/billing/prices", "nav.admin_billing", pricing.new_price),
        Place("admin-coupon-new", "/admin/billing/prices", "nav.admin_billing", pricing.new_coupon),
        Place("admin-rate-new", "/admin/billing/prices", "nav.admin_billing", pricing.new_rate),
        Place("admin-letters", "/admin/letters", "nav.admin_letters"),
        Place("admin-letters-none", "/admin/letters?state=held", "nav.admin_letters"),
        Place("letter-templates", "/admin/letters/templates?template=password_reset", "nav.admin_letters"),
        Place("admin-audit", "/admin/audit?action=service.ordered", "nav.admin_audit", _event),
        Place("admin-service", "/services/{tide-tables}", "tide-tables"),
    ],
}


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("who", PLACES)
async def test_every_page_fits_and_can_be_read(
    windows: Windows,
    harbour: Harbour,
    customer: Customer,
    admin: Customer,
    who: Literal["guest", "newcomer", "owner", "admin"],
    language: Language,
) -> None:
    somebody = {"guest": None, "newcomer": customer, "owner": harbour.owner, "admin": admin}[who]
    panel = await windows(somebody, language=language)
    names = {**harbour.services, "live": harbour.live, "failed": harbour.failed, "job": harbour.job}
    complaints: dict[str, list[str]] = {}
    go = panel.open
    for place in PLACES[who]:
        await panel.page.set_viewport_size({"width": 1440, "height": 900})
        await go(place.path.format_map(names))
        go = panel.go
        if place.prepare:
            await place.prepare(panel)
            # What lies over the page, or is half filled in, goes with the next load.
            go = panel.open
        found = await unreadable(panel.page, language)
        for width in HEIGHTS:
            found += await misfits(panel.page, width)
        title = await panel.page.title()
        if LOCALES[language].get(place.title, place.title) not in title:
            found.append(f"title: {title}")
        if found:
            complaints[place.name] = found
        if PICTURES:
            await _pictures(panel, f"{language}-{place.name}")
    assert complaints == {}


async def _pictures(panel: Panel, name: str) -> None:
    for width in PICTURED:
        await panel.page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
        for scheme in ("light", "dark"):
            await panel.page.emulate_media(color_scheme=scheme)
            place = RESULTS / "screenshots" / f"{name}-{width}-{scheme}.png"
            await panel.page.screenshot(path=place, full_page=True)
    await panel.page.emulate_media(color_scheme="light")


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_the_open_menu_fits_a_phone(windows: Windows, admin: Customer, language: Language) -> None:
    panel = await windows(admin, language=language, width=320)
    await panel.open("/admin")
    await panel.page.locator("#burger").click()
    await expect(panel.page.locator("#sidebar")).to_be_visible()
    assert [*await unreadable(panel.page, language), *await misfits(panel.page, 320)] == []
    if PICTURES:
        await _pictures(panel, f"{language}-menu")
