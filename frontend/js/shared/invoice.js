/** One invoice or credit note: parties, lines down to the ledger's postings, sums. */

import { get, profile } from "/js/core/api.js";
import { html, icon, render } from "/js/core/dom.js";
import { dateTime, number, t } from "/js/core/i18n.js";
import { priceOf, quantityOf } from "/js/shared/addons.js";
import { billingProject } from "/js/shared/billing-tabs.js";
import { countryName } from "/js/shared/countries.js";
import { busily, day, downloadPdf, invoicesPath, kindBadge, lineName, percent, planName } from "/js/shared/invoice-parts.js";
import { amount } from "/js/shared/money.js";

let view = null;

const mayCredit = () => view.admin && (profile()?.permissions ?? []).includes("admin:billing_write");
const sum = (minor) => amount(minor, view.invoice.currency);
const fact = (name, value) => html`<div><dt>${t(name)}</dt><dd>${value}</dd></div>`;
const link = ({ id, reference }) => html`<a class="mono" href="${view.base}/${id}${location.search}">${reference}</a>`;

const party = (title, who) => html`<section class="card stack tight"><h2 class="eyebrow">${t(title)}</h2>
  <p class="address"><strong>${who.name}</strong>${who.address.map((line) => html`<br>${line}`)}
    ${who.country && html`<br>${countryName(who.country)}`}
    ${who.vat_id && html`<br>${t("invoices.vat_id")}: <span class="mono">${who.vat_id}</span>`}
    ${who.registration && html`<br>${who.registration}`}</p></section>`;

function details({ parameters, tax_rate: rate, first_day: from, last_day: to }) {
  const hours = parameters.seconds && t("invoices.hours", { hours: number(parameters.seconds / 3600, { maximumFractionDigits: 2 }) });
  const { unit, quantity = 1 } = parameters;
  const each = parameters.month_minor !== undefined && sum(parameters.month_minor);
  const words = quantity === 1 ? "invoices.a_month" : "invoices.a_month_each";
  const price = each && (unit ? priceOf({ id: parameters.addon, unit }, each) : t(words, { price: each }));
  const counted = unit ? quantityOf(quantity, unit) : quantity !== 1 && `× ${number(quantity)}`;
  const period = from === to ? day(from) : `${day(from)} – ${day(to)}`;
  return [planName(parameters), counted, price, hours, period, rate ? t("invoices.with_tax", { rate: percent(rate) }) : t("invoices.no_tax")]
    .filter(Boolean)
    .join(" · ");
}

const lineRow = (line) => html`<li class="grid-row invoice-line" data-key="${line.id}" data-testid="invoice-line">
  <div class="stack tight"><strong class="address">${lineName(line)}</strong><span class="hint">${details(line)}</span>
    ${line.credited > 0 && html`<span class="hint">${t("invoices.credited_of_line", { amount: sum(line.credited) })}</span>`}
    ${view.invoice.kind === "invoice" && html`<div data-charges="${line.id}" data-keep><button class="button quiet small" type="button" data-action="invoice.charges" data-line="${line.id}">${t("invoices.charges")}</button></div>`}</div>
  <div class="hint invoice-amount"><span>${t("invoices.net")} ${sum(line.net)}</span><br><span>${t("invoices.tax")} ${sum(line.tax)}</span></div>
  <div class="invoice-amount"><strong>${sum(line.gross)}</strong></div></li>`;

const sums = (invoice) => html`<dl class="facts invoice-sums">${fact("invoices.net", sum(invoice.net))}
  ${fact("invoices.tax", sum(invoice.tax))}${fact("invoices.total", html`<strong>${sum(invoice.gross)}</strong>`)}
  ${invoice.credited > 0 && fact("invoices.given_back", sum(invoice.credited))}</dl>`;

const notes = (invoice) =>
  invoice.credit_notes.length > 0 &&
  html`<section class="stack tight"><h2>${t("invoices.credit_notes")}</h2><ul class="stack tight">${invoice.credit_notes.map(
    (note) => html`<li data-testid="credit-note">${link(note)} · ${sum(note.gross)} · <span class="hint">${dateTime(note.issued_at)}</span></li>`,
  )}</ul></section>`;

const page = (invoice) => html`<section class="card stack"><dl class="facts">
    ${fact("invoices.issued", dateTime(invoice.issued_at))}
    ${fact("invoices.period", `${day(invoice.period_start)} – ${day(invoice.period_end)}`)}
    ${fact("billing.project", view.admin ? html`<a href="/admin/billing/invoices?project_id=${invoice.project.id}">${invoice.project.name}</a>` : invoice.project.name)}
    ${invoice.corrects && fact("invoices.corrects", link(invoice.corrects))}
    ${invoice.reason && fact("invoices.reason", invoice.reason)}</dl></section>
  <div class="pair">${party("invoices.seller", invoice.seller)}${party("invoices.buyer", invoice.buyer)}</div>
  <section class="stack tight"><h2>${t("invoices.lines")}</h2><div class="grid-list"><ul>${invoice.lines.map(lineRow)}</ul></div></section>
  ${sums(invoice)}${notes(invoice)}`;

const buttons = (invoice) => html`${kindBadge(invoice)}
  ${
    mayCredit() && invoice.kind === "invoice" && invoice.credited < invoice.gross &&
    html`<button class="button" type="button" data-action="invoice.credit" data-testid="credit">${t("invoices.credit")}</button>`
  }
  <button class="button primary" type="button" data-action="invoice.pdf" data-testid="pdf">${icon("down")}PDF</button>`;

async function load(signal) {
  view.invoice = await get(`${view.path}/${view.id}`, {}, signal);
  view.part("title").textContent = view.invoice.reference;
  view.name(view.invoice.reference);
  render(view.part("buttons"), buttons(view.invoice));
  render(view.part("invoice"), page(view.invoice));
}

export async function mount(root, { params, query, signal, admin, name }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  const project = admin ? null : (query.project ?? billingProject()?.id);
  const base = admin ? "/admin/billing/invoices" : "/billing/invoices";
  view = { part, name, admin, base, id: params.id, path: invoicesPath(project) };
  part("back").href = base;
  await load(signal);
}

const when = (charge) => (charge.day ? day(charge.day) : dateTime(charge.occurred_at));

/** Usage has a page on which it is traced further, to what the service did that day. */
const posting = (charge) => html`<li class="row between"><span>${
  charge.day && !view.admin ? html`<a href="/billing/usage?since=${charge.day}&until=${charge.day}">${when(charge)}</a>` : when(charge)
}</span><span>${sum(charge.net)} + ${t("invoices.tax")} ${sum(charge.tax)}</span></li>`;

export const actions = {
  "invoice.pdf": (button) => downloadPdf(button, view.path, view.invoice),
  "invoice.charges": (button) =>
    busily(button, async () => {
      const found = await get(`${view.path}/${view.id}/lines/${button.dataset.line}/charges`);
      const place = button.closest("[data-charges]");
      render(place, html`<ul class="stack tight hint" data-testid="charges" tabindex="-1">${found.map(posting)}</ul>`);
      place.firstElementChild.focus();
    }),
  "invoice.credit": async () => {
    const { creditNote } = await import("/js/admin/credit-note.js");
    if (await creditNote(view.invoice)) await load();
  },
};
