"""Every page of the panel, by who may see it, in every state that changes what it shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.browser import invoicing, ledgering, looking, money_out, noding, paying, preparing, pricing
from tests.browser.panel import Panel
from tests.browser.spending import have_run, spend, spend_and_trace

LEDGER = "/admin/billing/ledger"


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
        Place("login-refused", "/login", "login.title", preparing.wrong_sign_in),
        Place("register", "/register", "register.title"),
        Place("register-refused", "/register", "register.title", preparing.wrong_registration),
        Place("nowhere", "/no/such/page", "not_found.title"),
    ],
    "newcomer": [
        Place("services-empty", "/services", "nav.services"),
        Place("jobs-empty", "/jobs", "nav.jobs"),
        Place("projects", "/projects", "nav.projects"),
        Place("profile", "/profile", "nav.profile"),
        Place("profile-saved", "/profile", "nav.profile", preparing.saved),
        Place("security", "/security", "nav.security"),
        Place("applications-none", "/applications", "nav.applications"),
        Place("application-new", "/applications", "nav.applications", preparing.new_application),
        Place("token-new", "/applications", "nav.applications", preparing.new_token),
        Place("consent-refused", "/consent?error=invalid_request", "Gavan"),
        Place("activity", "/activity", "nav.activity"),
        Place("activity-none", "/activity?result=failed", "nav.activity"),
        Place("not-found", "/no/such/page", "not_found.title"),
    ],
    "owner": [
        Place("services", "/services", "nav.services"),
        Place("services-none", "/services?q=nowhere", "nav.services"),
        Place("account-menu", "/services", "nav.services", preparing.account_menu),
        Place("order", "/services/new", "order.title"),
        Place("order-refused", "/services/new", "order.title", preparing.wrong_order),
        Place("order-too-dear", "/services/new", "order.title", pricing.too_dear),
        Place("order-coupon", "/services/new", "order.title", pricing.coupon_refused),
        Place("order-example", "/services/new", "order.title", preparing.example),
        Place("order-image", "/services/new", "order.title", preparing.order_image),
        Place("order-archive", "/services/new", "order.title", preparing.order_archive),
        Place("service", "/services/{tide-tables}", "tide-tables"),
        Place("service-stopped", "/services/{crab-count}", "crab-count"),
        Place("service-failed", "/services/{lighthouse-keeper-and-fog-signal-control}", "lighthouse-keeper"),
        Place("deployments", "/services/{ferry-bookings}/deployments", "ferry-bookings"),
        Place("rollback", "/services/{tide-tables}/deployments", "tide-tables", preparing.rollback),
        Place("logs", "/services/{tide-tables}/logs", "tide-tables"),
        Place("logs-found", "/services/{tide-tables}/logs", "tide-tables", preparing.searched),
        Place("sections", "/services/{tide-tables}/settings", "tide-tables", preparing.sections),
        Place("processes", "/services/{tide-tables}/processes", "tide-tables"),
        Place("metrics", "/services/{tide-tables}/metrics", "tide-tables", looking.plots),
        Place("metrics-none", "/services/{crab-count}/metrics", "crab-count"),
        Place("console", "/services/{tide-tables}/console", "tide-tables", looking.console),
        Place("deployment", "/deployments/{live}", "tide-tables"),
        Place("variables", "/services/{tide-tables}/variables", "tide-tables"),
        Place("variables-shown", "/services/{tide-tables}/variables", "tide-tables", preparing.revealed),
        Place("volume-new", "/services/{harbour-radio}/storage", "harbour-radio", preparing.new_volume),
        Place("file-new", "/services/{harbour-radio}/storage", "harbour-radio", preparing.new_file),
        Place("storage", "/services/{harbour-radio}/storage", "harbour-radio"),
        Place("storage-none", "/services/{crab-count}/storage", "crab-count"),
        Place("deployment-failed", "/deployments/{failed}", "ferry-bookings"),
        Place("push", "/services/{harbour-radio}/push", "harbour-radio", preparing.guides),
        Place("domains", "/services/{harbour-radio}/domains", "harbour-radio"),
        Place("domains-https", "/services/{harbour-radio}/domains", "harbour-radio", preparing.with_https),
        Place("domains-none", "/services/{crab-count}/domains", "crab-count"),
        Place("cron", "/services/{harbour-radio}/cron", "harbour-radio", preparing.cron_history),
        Place("cron-new", "/services/{harbour-radio}/cron", "harbour-radio", preparing.cron_new),
        Place("cron-none", "/services/{crab-count}/cron", "crab-count"),
        Place("push-none", "/services/{crab-count}/push", "crab-count"),
        Place("source", "/services/{tide-tables}/source", "tide-tables", preparing.token),
        Place("source-ssh", "/services/{crab-count}/source", "crab-count", preparing.key),
        Place("order-ssh", "/services/new", "order.title", preparing.order_by_key),
        Place("settings", "/services/{tide-tables}/settings", "tide-tables"),
        Place("jobs", "/jobs", "nav.jobs"),
        Place("activity-event", "/activity?action=service.ordered", "nav.activity", preparing.event),
        Place("job", "/jobs/{job}", "tide-tables"),
        Place("catalogue", "/catalogue", "stacks.catalogue"),
        Place("catalogue-template", "/catalogue?template=ai-agent", "stacks.catalogue"),
        Place("deletion", "/services/{ferry-bookings}/settings", "ferry-bookings", preparing.deletion),
    ],
    "payer": [
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
    ],
    "admin": [
        Place("admin", "/admin", "nav.admin_overview"),
        Place("admin-users", "/admin/users", "nav.admin_users"),
        Place("admin-users-none", "/admin/users?q=nobody", "nav.admin_users"),
        Place("admin-roles", "/admin/roles", "nav.admin_roles"),
        Place("admin-services", "/admin/services", "nav.admin_services"),
        Place("admin-jobs", "/admin/jobs", "nav.admin_jobs"),
        Place("admin-nodes-none", "/admin/nodes", "admin.nodes"),
        Place("admin-nodes", "/admin/nodes", "admin.nodes", noding.several),
        Place("admin-node", "/admin/nodes", "admin.nodes", noding.one),
        Place("admin-node-join", "/admin/nodes", "admin.nodes", noding.join),
        Place("admin-node-drain", "/admin/nodes", "admin.nodes", noding.drain),
        Place("admin-domains", "/admin/domains", "Gavan"),
        Place("admin-certificates", "/admin/domains?list=certificates", "Gavan"),
        Place("admin-letters", "/admin/letters", "nav.admin_letters"),
        Place("admin-letters-none", "/admin/letters?state=held", "nav.admin_letters"),
        Place("letter-templates", "/admin/letters/templates?template=password_reset", "nav.admin_letters"),
        Place("admin-audit", "/admin/audit?action=service.ordered", "nav.admin_audit", preparing.event),
        Place("admin-service", "/services/{tide-tables}", "tide-tables"),
    ],
    "bookkeeper": [
        Place("admin-billing-runs", "/admin/billing/runs", "nav.admin_billing", have_run),
        Place("admin-billing", "/admin/billing", "nav.admin_billing"),
        Place("admin-billing-trouble", "/admin/billing", "nav.admin_billing", money_out.many_in_trouble),
        Place("admin-billing-exception", "/admin/billing", "nav.admin_billing", money_out.exception),
        Place("admin-billing-rules", "/admin/billing", "nav.admin_billing", money_out.rules),
        Place("admin-payments-none", "/admin/billing/payments", "nav.admin_billing"),
        Place("admin-payments", "/admin/billing/payments", "nav.admin_billing", paying.all_payments),
        Place("admin-payment", "/admin/billing/payments", "nav.admin_billing", paying.one_payment),
        Place("admin-payment-review", "/admin/billing/payments", "nav.admin_billing", paying.review),
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
    ],
}
