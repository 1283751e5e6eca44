/** How money moved: the list of postings as customers and the operator see it. */

import { get } from "/js/core/api.js";
import { noteInAddress } from "/js/core/app.js";
import { html, pages, render, scene, since } from "/js/core/dom.js";
import { known, t } from "/js/core/i18n.js";
import { download } from "/js/shared/download.js";
import { amount } from "/js/shared/money.js";

const SECONDS = 15;
const KINDS = ["top_up", "bonus", "hold", "release", "charge", "settle", "refund", "chargeback", "credit", "adjustment"];
const FIELDS = ["kind", "since", "until"];

/** What the posting was for, in a few words. */
const title = ({ kind, code }) => known(`ledger.code.${code}`, t(`ledger.kind.${kind}`));

const particulars = ({ service, parameters: { day, reason, gateway, invoice, plan, addon } }) => {
  const said = [!service?.name && plan, addon, day, reason, gateway && known(`ledger.gateway.${gateway}`, gateway), invoice];
  return html`${service?.name && html`<a class="row-link" href="/services/${service.id}">${service.name}</a> `}
    <span class="hint">${said.filter(Boolean).join(" · ")}</span>`;
};

const beside = (posting) =>
  ["held", "due"].filter((account) => posting[account]).map(
    (account) => html`<span class="hint">${t(`ledger.change.${account}`, { amount: amount(posting[account], posting.currency, { signed: true }) })}</span>`,
  );

const row = (posting, withProject) => html`<li class="grid-row posting-row" data-key="${posting.id}" data-testid="posting" data-kind="${posting.kind}">
  <div><strong>${title(posting)}</strong><div>${particulars(posting)}</div>
    ${withProject && html`<a class="row-link" href="/admin/billing/ledger?project_id=${posting.project.id}">${posting.project.name}</a>`}</div>
  <div class="sum">${posting.balance ? html`<strong>${amount(posting.balance, posting.currency, { signed: true })}</strong>` : html`<span class="muted">—</span>`}</div>
  <div class="stack tight">${beside(posting)}
    ${posting.balance_after !== null && html`<span class="hint">${t("ledger.balance_after", { amount: amount(posting.balance_after, posting.currency) })}</span>`}</div>
  <div class="hint">${since(posting.posted_at)}</div></li>`;

const table = (items, withProject) => html`<div class="grid-list">
  <div class="grid-row posting-row grid-head eyebrow" aria-hidden="true"><span>${t("ledger.what")}</span><span class="sum">${t("ledger.amount")}</span>
    <span>${t("ledger.accounts_changed")}</span><span>${t("ledger.when")}</span></div><ul>${items.map((one) => row(one, withProject))}</ul></div>`;

const nothing = (filtered) => html`<div class="card state">${!filtered && scene("calm")}
  <h2>${t(filtered ? "ledger.none_found" : "ledger.empty")}</h2><p>${t(filtered ? "ledger.none_found_text" : "ledger.empty_text")}</p></div>`;

/**
 * The list in `root` with its filters; the page offers the actions.
 * @param {{path:string, query:object, fixed?:object, signal:AbortSignal}} about `fixed` are filters that hold always
 */
export function postings(root, { path, query, fixed = {}, signal }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  const filters = Object.fromEntries(FIELDS.map((field) => [field, query[field] ?? ""]));
  const start = (day, days) => {
    const at = new Date(`${day}T00:00`);
    at.setDate(at.getDate() + days);
    return at.toISOString();
  };
  const asked = () => ({
    ...fixed,
    kind: filters.kind,
    since: filters.since && start(filters.since, 0),
    until: filters.until && start(filters.until, 1),
  });
  const show = ({ items, next }) => {
    const withProject = path.startsWith("/admin") && !fixed.project_id;
    const filtered = Object.values(filters).some(Boolean);
    render(part("postings"), items.length ? table(items, withProject) : nothing(filtered));
    part("more").hidden = !next;
  };
  const list = pages({ load: (page) => get(path, { ...asked(), ...page }, signal), show, signal, seconds: SECONDS });
  root.querySelector("[name=kind]").append(...KINDS.map((kind) => new Option(t(`ledger.kind.${kind}`), kind)));
  for (const field of FIELDS) root.querySelector(`[name=${field}]`).value = filters[field];
  return {
    list,
    filter: (field) => {
      // A date that is still being typed has a year of long ago.
      if (!field.validity.valid) return Promise.resolve();
      filters[field.name] = field.value;
      noteInAddress(filters);
      return list.reload();
    },
    save: async (button) => {
      if (button.getAttribute("aria-busy") === "true") return;
      button.setAttribute("aria-busy", "true");
      try {
        await download(`${path}.csv`, asked(), `ledger-${new Date().toISOString().slice(0, 10)}.csv`);
      } finally {
        button.removeAttribute("aria-busy");
      }
    },
  };
}
