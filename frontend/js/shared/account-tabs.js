/** The row of tabs that joins the pages about one's own account. */

import { t } from "/js/core/i18n.js";
import { tabBar } from "/js/shared/tab-bar.js";

/** Fills `<nav class="tabs" data-part="account-tabs">` of an account page, which has the style `work`. */
export function accountTabs(root) {
  tabBar(root.querySelector("[data-part=account-tabs]"), t("nav.account"), [
    { path: "/profile", label: t("nav.profile") },
    { path: "/security", label: t("nav.security") },
    { path: "/applications", label: t("nav.applications") },
    { path: "/activity", label: t("nav.activity") },
  ]);
}
