/** The row of tabs that joins the operator's pages about money. */

import { hasPage } from "/js/core/app.js";
import { t } from "/js/core/i18n.js";
import { tabBar } from "/js/shared/tab-bar.js";

/** Fills `<nav class="tabs" data-part="admin-billing-tabs">` of a page with the style `work`, texts `billing`. */
export function adminBillingTabs(root) {
  tabBar(
    root.querySelector("[data-part=admin-billing-tabs]"),
    t("nav.admin_billing"),
    [
      { path: "/admin/billing", label: t("billing.tab.overview") },
      { path: "/admin/billing/ledger", label: t("billing.tab.ledger") },
      { path: "/admin/billing/prices", label: t("billing.tab.prices") },
      { path: "/admin/billing/invoices", label: t("billing.tab.invoices") },
      { path: "/admin/billing/payments", label: t("billing.tab.payments") },
      { path: "/admin/billing/runs", label: t("billing.tab.runs") },
    ].filter(({ path }) => hasPage(path)),
  );
}
