/** What the pages about a project's money share: their tabs, and the project they are about. */

import { chosenProject, profile } from "/js/core/api.js";
import { hasPage } from "/js/core/app.js";
import { html, render } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { tabBar } from "/js/shared/tab-bar.js";

const PAYING = ["owner", "billing"];

let lately = "";

/**
 * The project whose money is shown: that of the address (`?project=`), the chosen one, or while all are chosen
 * the one of the page before, or the first; null without any.
 */
export function billingProject() {
  const projects = profile()?.projects ?? [];
  const asked = new URLSearchParams(location.search).get("project");
  const wanted = [asked, chosenProject(), lately];
  const found = wanted.map((id) => projects.find((one) => one.id === id)).find(Boolean) ?? projects[0] ?? null;
  lately = found?.id ?? "";
  return found;
}

/** Whether the person may pay for a project; the server decides, this only spares them buttons. */
export const mayPay = (project) =>
  Boolean(profile()?.permissions?.includes("billing:write") && PAYING.includes(project?.role));

const projectField = (projects, present) => html`<label class="row"><span class="hint">${t("billing.project")}</span>
  <select class="input" name="project" data-action="project.choose" data-testid="billing-project">${projects.map(
    ({ id, name }) => html`<option value="${id}" ${id === present.id && html`selected`}>${name}</option>`,
  )}</select></label>`;

/**
 * Fills `<nav class="tabs" data-part="billing-tabs">` and, if there are several projects, the
 * `<div data-part="billing-project">` of a billing page, which has the style `work` and the texts `billing`.
 * @returns the project that the page is about
 */
export function billingTabs(root) {
  tabBar(
    root.querySelector("[data-part=billing-tabs]"),
    t("nav.billing"),
    [
      { path: "/billing", label: t("billing.tab.overview") },
      { path: "/billing/usage", label: t("billing.tab.usage") },
      { path: "/billing/invoices", label: t("billing.tab.invoices") },
      { path: "/billing/payments", label: t("billing.tab.payments") },
      { path: "/billing/statement", label: t("billing.tab.statement") },
    ].filter(({ path }) => hasPage(path)),
  );
  const projects = profile()?.projects ?? [];
  const present = billingProject();
  const place = root.querySelector("[data-part=billing-project]");
  if (place) render(place, projects.length > 1 && projectField(projects, present));
  return present;
}
