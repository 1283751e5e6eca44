/** What the pages about invoices share: where they are read from, and how their parts are said. */

import { html } from "/js/core/dom.js";
import { currentLanguage, known, localised, t } from "/js/core/i18n.js";
import { download } from "/js/shared/download.js";

const inDays = (iso, options) =>
  new Intl.DateTimeFormat(currentLanguage(), { ...options, timeZone: "UTC" }).format(new Date(`${iso}T00:00Z`));

/** A calendar day, which is the same wherever it is read: "2026-10-31". */
export const day = (iso) => inDays(iso, { dateStyle: "medium" });
/** "October 2026" of a month's first day. */
export const monthOf = (iso) => inDays(iso, { month: "long", year: "numeric" });

/** Where the API has the invoices of a project, or everyone's. */
export const invoicesPath = (project) =>
  project ? `/projects/${project}/billing/invoices` : "/admin/billing/invoices";

export const kindBadge = ({ kind, gross, credited }) => {
  if (kind === "credit_note") return html`<span class="tag" data-state="open">${t("invoices.credit_note")}</span>`;
  if (!credited) return html`<span class="tag">${t("invoices.invoice")}</span>`;
  return html`<span class="tag" data-state="open">${t(credited === gross ? "invoices.credited" : "invoices.credited_partly")}</span>`;
};

/** What a line is for, in the language of the panel. */
export const lineName = ({ code, parameters }) => known(`invoices.line.${code}`, code, parameters);

export const planName = ({ plan, plan_title: title, addon, addon_title: other }) => localised(title ?? other) || plan || addon || "";

export const percent = (rate) =>
  new Intl.NumberFormat(currentLanguage(), { style: "percent", maximumFractionDigits: 3 }).format(rate / 1_000_000);

/** Runs `work` with the button busy; a second press meanwhile does nothing. */
export async function busily(button, work) {
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  try {
    await work();
  } finally {
    button.removeAttribute("aria-busy");
  }
}

export const downloadPdf = (button, path, { id, reference }) =>
  busily(button, () => download(`${path}/${id}/pdf`, {}, `${reference}.pdf`));
