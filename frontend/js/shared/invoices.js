/** Invoices and credit notes: a project's, with its billing details, or for administrators everyone's. */

import { get } from "/js/core/api.js";
import { noteInAddress } from "/js/core/app.js";
import { html, icon, pages, render, scene, typing } from "/js/core/dom.js";
import { dateTime, t } from "/js/core/i18n.js";
import { adminBillingTabs } from "/js/shared/admin-billing-tabs.js";
import { billingTabs } from "/js/shared/billing-tabs.js";
import { download } from "/js/shared/download.js";
import { busily, downloadPdf, invoicesPath, kindBadge, monthOf } from "/js/shared/invoice-parts.js";
import { amount } from "/js/shared/money.js";

const SECONDS = 60;
const NEWEST = "-issued_at";
const FIELDS = ["reference", "kind", "month", "sort"];
const NARROWED = ["project_id", "country", "currency"];
let view = null;

const address = (invoice) => (view.admin ? `/admin/billing/invoices/${invoice.id}` : `/billing/invoices/${invoice.id}`);

const row = (invoice) => html`<li class="grid-row invoice-row" data-key="${invoice.id}" data-testid="invoice-row">
  <div><a class="row-name mono" href="${address(invoice)}">${invoice.reference}</a>
    <span class="hint cut">${view.admin ? html`${invoice.buyer.name} · ${invoice.project.name}` : dateTime(invoice.issued_at)}</span></div>
  <div>${kindBadge(invoice)}</div>
  <div class="hint">${monthOf(invoice.period_start)}${view.admin && html`<br>${dateTime(invoice.issued_at)}`}</div>
  <div class="invoice-amount">${amount(invoice.kind === "credit_note" ? -invoice.gross : invoice.gross, invoice.currency)}</div>
  <div class="row-end"><button class="button small" type="button" data-action="invoices.pdf" data-id="${invoice.id}" data-reference="${invoice.reference}"
    aria-label="${t("invoices.pdf_of", { reference: invoice.reference })}">${icon("down")}PDF</button></div></li>`;

const table = (items) => html`<div class="grid-list">
  <div class="grid-row grid-head invoice-row eyebrow" aria-hidden="true"><span>${t("invoices.number")}</span><span>${t("invoices.kind")}</span>
    <span>${t("invoices.month")}</span><span class="invoice-amount">${t("invoices.total")}</span><span></span></div><ul>${items.map(row)}</ul></div>`;

const nothing = (filtered) => html`<div class="card state">${!filtered && scene("calm")}
  <h2>${t(filtered ? "invoices.none_found" : "invoices.empty")}</h2><p>${t(filtered ? "invoices.none_found_text" : "invoices.empty_text")}</p></div>`;

function asked() {
  const { sort, ...filters } = view.filters;
  return filters;
}

function show({ items, next }) {
  const narrowed = NARROWED.filter((name) => view.filters[name]);
  const project = items[0]?.project.name ?? view.filters.project_id;
  const shown = { ...view.filters, project_id: project };
  render(
    view.part("chips"),
    narrowed.map((name) => html`<button class="button small" type="button" data-action="invoices.widen" data-name="${name}">${shown[name]} ${icon("close")}</button>`),
  );
  view.part("chips").hidden = !narrowed.length;
  render(view.part("list"), items.length ? table(items) : nothing(Object.values(asked()).some(Boolean)));
  view.part("more").hidden = !next;
}

export async function mount(root, { query, signal, admin, name }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  const filters = Object.fromEntries([...FIELDS, ...(admin ? NARROWED : [])].map((field) => [field, query[field] ?? ""]));
  filters.sort ||= NEWEST;
  view = { part, filters, admin, typed: typing(signal) };
  for (const field of FIELDS) root.querySelector(`[name=${field}]`).value = filters[field];
  if (admin) {
    part("title").textContent = t("nav.admin_billing");
    name(t("nav.admin_billing"));
    part("billing-tabs").hidden = part("details").hidden = true;
    part("admin-billing-tabs").hidden = part("taxes").hidden = false;
    part("intro").textContent = t("invoices.intro_admin");
    adminBillingTabs(root);
  } else {
    const project = billingTabs(root);
    if (!project) return render(part("list"), nothing(false));
    view.project = project.id;
    const { fill } = await import("/js/user/billing-details.js");
    await fill(part("details"), project, signal);
  }
  view.path = invoicesPath(view.project);
  view.list = pages({ load: (page) => get(view.path, { ...view.filters, ...page }, signal), show, signal, seconds: SECONDS });
  await view.list.reload();
}

function changed() {
  noteInAddress({ ...view.filters, sort: view.filters.sort === NEWEST ? "" : view.filters.sort });
  return view.list.reload();
}

export const actions = {
  "invoices.filter": (field) => {
    // A month that is still being typed.
    if (!field.validity.valid) return Promise.resolve();
    view.filters[field.name] = field.value.trim();
    return view.typed(field, changed);
  },
  "invoices.widen": ({ dataset }) => {
    view.filters[dataset.name] = "";
    return changed();
  },
  "invoices.more": () => view.list.more(),
  "invoices.pdf": (button) => downloadPdf(button, view.path, button.dataset),
  "invoices.export": (button) =>
    busily(button, () => download(`${view.path}.csv`, asked(), `invoices-${new Date().toISOString().slice(0, 10)}.csv`)),
  "details.edit": async (button) => (await import("/js/user/billing-details.js")).edit(button),
};
