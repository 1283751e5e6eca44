/** The tax report: what was invoiced in which month, by whose rate. */

import { get } from "/js/core/api.js";
import { noteInAddress } from "/js/core/app.js";
import { html, render, scene } from "/js/core/dom.js";
import { known, t } from "/js/core/i18n.js";
import { countryName } from "/js/shared/countries.js";
import { download } from "/js/shared/download.js";
import { busily, monthOf, percent } from "/js/shared/invoice-parts.js";
import { amount } from "/js/shared/money.js";

const PATH = "/admin/billing/taxes";
let view = null;

const rate = (row) => (row.rate ? percent(row.rate) : known(`invoices.tax_code.${row.code}`, row.code));

const line = (row) => html`<li class="grid-row tax-row" data-key="${row.month} ${row.country} ${row.code} ${row.rate} ${row.currency}" data-testid="tax-row">
  <div><strong>${row.country ? countryName(row.country) : t("invoices.no_country")}</strong><br><span class="hint">${rate(row)} · ${t("invoices.documents", { count: row.documents })}</span></div>
  <div class="invoice-amount"><span class="hint">${t("invoices.net")}</span> ${amount(row.net, row.currency)}</div>
  <div class="invoice-amount"><span class="hint">${t("invoices.tax")}</span> <strong>${amount(row.tax, row.currency)}</strong></div>
  <div class="invoice-amount"><span class="hint">${t("invoices.total")}</span> ${amount(row.gross, row.currency)}</div></li>`;

const month = ([name, rows]) => html`<section class="stack tight" data-key="${name}"><h2>${monthOf(`${name}-01`)}</h2>
  <div class="grid-list"><ul>${rows.map(line)}</ul></div></section>`;

const open = ({ currency, net, tax }) =>
  html`<p class="muted">${t("invoices.not_invoiced", { net: amount(net, currency), tax: amount(tax, currency) })}</p>`;

function show({ rows, not_invoiced: left }) {
  const empty = html`<div class="card state">${scene("calm")}<h2>${t("invoices.no_taxes")}</h2><p>${t("invoices.no_taxes_text")}</p></div>`;
  const months = [...Map.groupBy(rows, (row) => row.month)];
  render(view.part("report"), html`${left.map(open)}${months.length ? months.map(month) : empty}`);
}

async function load(signal) {
  show(await get(PATH, view.filters, signal));
}

export async function mount(root, { query, signal }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  view = { part, filters: { since: query.since ?? "", until: query.until ?? "" } };
  for (const [field, value] of Object.entries(view.filters)) root.querySelector(`[name=${field}]`).value = value;
  await load(signal);
}

export const actions = {
  "taxes.filter": (field) => {
    const { since, until } = { ...view.filters, [field.name]: field.value };
    // A month that is still being typed, or that is after the last.
    const reversed = since && until && since > until;
    field.setCustomValidity(reversed ? t("form.invalid") : "");
    if (!field.validity.valid) return Promise.resolve();
    view.filters = { since, until };
    noteInAddress(view.filters);
    return load();
  },
  "taxes.export": (button) => busily(button, () => download(`${PATH}.csv`, view.filters, "taxes.csv")),
};
