/** The row of tabs that joins the pages about one's own account. */

import { html, render } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";

/** Fills `<nav class="tabs" data-part="account-tabs">` of an account page, which has the style `work`. */
export function accountTabs(root) {
  const tab = (path, label) =>
    html`<a href="${path}" ${location.pathname === path && html`aria-current="page"`}>${label}</a>`;
  const row = root.querySelector("[data-part=account-tabs]");
  row.setAttribute("aria-label", t("nav.account"));
  render(row, [
    tab("/profile", t("nav.profile")),
    tab("/security", t("nav.security")),
    tab("/applications", t("nav.applications")),
    tab("/activity", t("nav.activity")),
  ]);
  // On a narrow screen the row scrolls: the tab one is at must not lie beyond its edge.
  const here = row.querySelector("[aria-current]");
  if (here) row.scrollLeft = here.offsetLeft - row.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
}
